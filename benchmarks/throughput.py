"""Images a second of our training loop against pythae's, and against the machine's sgemm rate.

Both sides train the same networks on the same 2D shapes with the same batch, optimiser and
float32, through their public training loops; pythae in its own process (peers.py). Measurements
alternate, ours, pythae, sgemm, for several rounds, and every figure is the median over rounds of
a ratio within the round, so that a machine that slows down slows down all three.

Counted: data path, forward, backward, optimiser, records. Not counted: building the model,
compilation, checkpoints, evaluation.

Run: python -m benchmarks throughput, or python benchmarks/throughput.py [--compile]
    [--threads N] [--rounds N] [--images N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import Pythae, shapes
from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.training.build import build_model

LATENTS = 10
SHAPE = (1, 64, 64)
NETWORKS = {"conv": "burgess", "fc": "fc"}
BATCHES = (64, 256)
AGAINST_PYTHAE = 2.5  # bar, everywhere
OF_SGEMM = {("fc", 256): 0.50, ("conv", 256): 0.35}  # bars


def training_flops(model: VAE, images: tuple[int, int, int] = SHAPE) -> float:
    """Count the multiply-adds of one image's training step, two flops each.

    Every weight is used forward and in its own gradient, and but for the first layer in the
    gradient of its input: 2 or 3 uses, at every output position (convolution) or input position
    (transposed convolution).
    """
    import torch
    from torch import nn

    total = 0.0
    first: list[nn.Module] = []

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        grid = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        positions = grid[0, 0].numel() if grid.dim() == 4 else 1
        uses = 3 if first else 2
        first.append(module)
        total += 2.0 * uses * weight.numel() * positions

    for module in model.modules():
        if hasattr(module, "weight"):
            module.register_forward_hook(count)
    with torch.no_grad():
        model.decode(model.code_means(torch.zeros(1, *images)))
    return total


def sgemm_flops(seconds: float = 0.25, size: int = 1024) -> float:
    """Return the flops a second of a square float32 matrix product, the best of several."""
    import torch

    a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


def ours(dataset: Dataset, network: str, batch: int, images: int, *, compiled: bool) -> float:
    """Train `images` images through the public loop; return images a second of its steps."""
    from betavae.config import Config
    from betavae.training.fit import train

    options = {
        "network": network, "batch": batch, "images": images, "latents": LATENTS, "beta": 4.0,
        "learning_rate": 1e-3, "device": "cpu", "compile": compiled,
    }  # fmt: skip
    config = Config.from_mapping(options)
    records = train(config, dataset, progress=False).records
    # From the first step to the last: the clock starts once the model is built.
    return records[-1].images / records[-1].seconds


def compare(
    dataset: Dataset, name: str, batch: int, *, rounds: int, threads: int | None, compiled: bool
) -> dict[str, Any]:
    """Alternate ours, pythae and sgemm; return median ratios and the rounds behind them."""
    from betavae.config import Config

    network, images = NETWORKS[name], len(dataset.images)
    peer = Pythae(network, batch, images, latents=LATENTS, threads=threads)
    try:
        config = Config.from_mapping({"network": network, "latents": LATENTS})
        model = build_model(config, SHAPE)
        assert isinstance(model, VAE)
        # Sorted, as our first layer's weight lies the other way round.
        sizes = {key: sorted(value.shape) for key, value in model.state_dict().items()}
        if sizes != {key: sorted(shape) for key, shape in peer.shapes.items()}:
            raise RuntimeError(f"{network} differs between the two sides: {sizes}, {peer.shapes}")
        flops = training_flops(model)
        ours(dataset, network, batch, 2 * batch, compiled=False)  # warm up both sides
        peer.epoch()
        start = time.perf_counter()
        if compiled:
            ours(dataset, network, batch, 2 * batch, compiled=True)
        warm_up = time.perf_counter() - start
        measured: list[dict[str, float]] = []
        for _ in range(rounds):
            row = {
                "ours": ours(dataset, network, batch, images, compiled=False),
                "pythae": peer.epoch(),
                "sgemm_limit": sgemm_flops() / flops,
            }
            if compiled:
                row["ours_compiled"] = ours(dataset, network, batch, images, compiled=True)
            measured.append(row)
    finally:
        peer.close()

    def ratio(a: str, b: str) -> float:
        return statistics.median(row[a] / row[b] for row in measured)

    found: dict[str, Any] = {
        "against_pythae": round(ratio("ours", "pythae"), 3),
        "of_sgemm": round(ratio("ours", "sgemm_limit"), 3),
        "pythae_of_sgemm": round(ratio("pythae", "sgemm_limit"), 3),
        "rounds": [{key: round(value, 1) for key, value in row.items()} for row in measured],
    }
    if compiled:
        found["compiled_against_eager"] = round(ratio("ours_compiled", "ours"), 3)
        found["compiled_against_pythae"] = round(ratio("ours_compiled", "pythae"), 3)
        found["compile_seconds"] = round(warm_up, 1)
    return found


def main(
    *, compiled: bool = False, threads: int | None = None, rounds: int = 4, images: int = 2048
) -> dict[str, Any]:
    """Measure every network and batch; print each, then one line with every ratio."""
    import torch

    from betavae.data.dataset import Dataset
    from betavae.data.images import ImageStore
    from betavae.training.machine import cpu_threads, keep_heap

    keep_heap()
    figures: dict[str, Any] = {}
    summary = []
    with cpu_threads(threads or torch.get_num_threads()):
        dataset = Dataset("shapes2d sample", ImageStore.from_binary(shapes(images)))
        for name in NETWORKS:
            for batch in BATCHES:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = compare(
                        dataset, name, batch, rounds=rounds, threads=threads, compiled=compiled
                    )
                figures[f"{name}_{batch}"] = found
                bar = OF_SGEMM.get((name, batch))
                lines = [
                    f"{name} batch {batch}: {found['against_pythae']:.2f}x pythae (bar "
                    f"{AGAINST_PYTHAE}x), {found['of_sgemm']:.2f}x of the sgemm limit"
                    + (f" (bar {bar:.2f}x)" if bar else "")
                    + f"; pythae itself {found['pythae_of_sgemm']:.2f}x of it"
                ]
                part = (
                    f"{name}{batch} {found['against_pythae']:.1f}x pythae "
                    f"{found['of_sgemm']:.2f}x sgemm"
                )
                if compiled:
                    lines.append(
                        f"  compiled: {found['compiled_against_pythae']:.2f}x pythae, "
                        f"{found['compiled_against_eager']:.2f}x eager, "
                        f"after {found['compile_seconds']:.0f} s of compiling"
                    )
                    part += f" (compiled {found['compiled_against_pythae']:.1f}x pythae)"
                print("\n".join(lines), flush=True)
                summary.append(part)
    print("throughput: " + ", ".join(summary))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Images a second, against pythae and sgemm.")
    parser.add_argument("--compile", action="store_true", dest="compiled")
    parser.add_argument("--threads", type=int, default=None, help="default: torch's own choice")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--images", type=int, default=2048)
    main(**vars(parser.parse_args()))
