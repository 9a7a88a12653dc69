"""Other packages to measure against, kept in a scratch folder and run in their own process.

`pythae_environment()` installs pythae once into `.peer/` (ignored by git), without its
dependencies beyond the few it imports, so that both sides run on the same torch. `Pythae` is a
process that trains pythae's BetaVAE with pythae's own `BaseTrainer` one epoch at a time, when
asked; between the epochs it sleeps, so it can alternate with other measurements.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / ".peer"
PACKAGES = ("pythae==0.1.2", "tqdm", "imageio", "dill", "cloudpickle")


def pythae_environment() -> Path:
    """Return the folder that holds pythae, installing it on first use."""
    done = PEER / ".installed"
    if not done.exists():
        print(f"installing {PACKAGES[0]} into {PEER}", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
        subprocess.run([*pip, "--target", str(PEER), *PACKAGES], check=True)
        done.write_text("\n".join(PACKAGES) + "\n")
    return PEER


class Pythae:
    """pythae's BetaVAE trainer in its own process, one epoch on demand."""

    def __init__(
        self, network: str, batch: int, images: int, *, latents: int, threads: int | None = None
    ) -> None:
        folder = pythae_environment()
        job = {
            "network": network,
            "batch": batch,
            "images": images,
            "latents": latents,
            "threads": threads,
        }
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "TQDM_DISABLE": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        # What pythae logs goes to a file, shown only if the process dies.
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        ready = self._read()
        self.shapes: dict[str, list[int]] = ready["shapes"]

    def epoch(self) -> float:
        """Train one epoch; return images a second."""
        assert self._process.stdin is not None
        self._process.stdin.write("epoch\n")
        self._process.stdin.flush()
        return float(self._read()["images_per_second"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the pythae process died:\n{self._errors.read()[-2000:]}")
        return cast("dict[str, Any]", json.loads(line))


def plain_networks(network: str, latents: int) -> tuple[Any, Any]:
    """Return (encoder, decoder) for 1x64x64 images, in torch's own layers and nothing else."""
    from torch import nn

    if network == "fc":
        decoder = [m for a, b in pairwise((latents, 1200, 1200, 1200))
                   for m in (nn.Linear(a, b), nn.Tanh())]  # fmt: skip
        return (
            nn.Sequential(
                nn.Flatten(),
                nn.Linear(4096, 1200),
                nn.ReLU(),
                nn.Linear(1200, 1200),
                nn.ReLU(),
                nn.Linear(1200, 2 * latents),
            ),
            nn.Sequential(*decoder, nn.Linear(1200, 4096), nn.Unflatten(1, (1, 64, 64))),
        )
    if network == "burgess":
        down = [m for a in (1, 32, 32, 32) for m in (nn.Conv2d(a, 32, 4, 2, 1), nn.ReLU())]
        up = [m for b in (32, 32, 32, 1) for m in (nn.ConvTranspose2d(32, b, 4, 2, 1), nn.ReLU())]
        return (
            nn.Sequential(
                *down,
                nn.Flatten(),
                nn.Linear(512, 256),
                nn.ReLU(),
                nn.Linear(256, 256),
                nn.ReLU(),
                nn.Linear(256, 2 * latents),
            ),
            nn.Sequential(
                nn.Linear(latents, 256),
                nn.ReLU(),
                nn.Linear(256, 256),
                nn.ReLU(),
                nn.Linear(256, 512),
                nn.ReLU(),
                nn.Unflatten(1, (32, 4, 4)),
                *up[:-1],
            ),
        )
    raise ValueError(f"network must be fc or burgess, got {network!r}")


def shapes(images: int) -> Any:
    """Return `images` of the 2D shapes, drawn with a fixed seed: uint8 (n, 1, 64, 64) in {0, 1}."""
    import numpy as np

    from betavae.data import shapes2d

    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(0, n, images) for n in (3, 6, 40, 32, 32)], axis=1)
    return shapes2d.render(factors)[:, None]


def _serve(job: dict[str, Any]) -> None:
    """Build pythae's trainer, then train one epoch for every line on stdin."""
    import torch
    from pythae.data.preprocessors import DataProcessor  # type: ignore[import-not-found]
    from pythae.models import BetaVAE, BetaVAEConfig  # type: ignore[import-not-found]
    from pythae.models.base.base_utils import ModelOutput  # type: ignore[import-not-found]
    from pythae.models.nn import BaseDecoder, BaseEncoder  # type: ignore[import-not-found]
    from pythae.trainers import BaseTrainer, BaseTrainerConfig  # type: ignore[import-not-found]

    if job["threads"]:
        torch.set_num_threads(job["threads"])

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self, layers: torch.nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor) -> Any:
            mean, log_var = self.layers(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self, layers: torch.nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    encoder, decoder = plain_networks(job["network"], job["latents"])
    config = BetaVAEConfig(
        input_dim=(1, 64, 64), latent_dim=job["latents"], reconstruction_loss="bce", beta=4.0
    )
    model = BetaVAE(config, encoder=Encoder(encoder), decoder=Decoder(decoder))
    data = torch.from_numpy(shapes(job["images"])).float()
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            model=model,
            train_dataset=DataProcessor.to_dataset(data),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=job["batch"],
                learning_rate=1e-3,
                optimizer_cls="Adam",
                keep_best_on_train=True,
            ),
        )
        trainer.prepare_training()
        named = {"encoder": encoder, "decoder": decoder}
        sizes = {
            f"{part}.{name}": list(value.shape)
            for part, module in named.items()
            for name, value in module.state_dict().items()
        }
        print(json.dumps({"shapes": sizes}), flush=True)
        for epoch, _ in enumerate(sys.stdin, start=1):
            start = time.perf_counter()
            trainer.train_step(epoch)
            seconds = time.perf_counter() - start
            print(json.dumps({"images_per_second": len(data) / seconds}), flush=True)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
