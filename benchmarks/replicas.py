"""Replicas trained as one batch of models against one after the other, images a second.

Both sides go through the public loops with the demo's network and batch, on one thread, writing
run folders. Measurements alternate for several rounds; a figure is the median over rounds of the
ratio within a round.

Run: python -m benchmarks replicas, or python benchmarks/replicas.py [--steps N] [--rounds N]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

COUNTS = (2, 5, 10)
CASES = (("patch", 8), ("patch", 32))


def main(*, steps: int = 100, rounds: int = 3, device: str = "cpu") -> dict[str, Any]:
    """Measure every network, batch and number of replicas; print each ratio."""
    import torch

    from betavae import data as datasets
    from betavae.config import Config
    from betavae.training.loop import train
    from betavae.training.records import read_records
    from betavae.training.replicas import train_replicas

    dataset = datasets.load("shapes2d")  # whole: the order of so many rows has its cost too
    on = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    figures: dict[str, Any] = {"device": on}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def speed(out: Path, images: int) -> float:
            return images / read_records(out / "metrics.jsonl")[-1].seconds

        def alone(config: Config, out: Path) -> None:
            with contextlib.redirect_stderr(io.StringIO()):  # so short a run has collapsed
                train(config, dataset, out, progress=False)

        for network, batch in CASES:
            images = batch * steps
            base = Config(network=network, batch=batch, images=images, threads=1, device=device)
            alone(base, folder / "warm")
            for count in COUNTS:
                configs = [base.replaced(seed=seed) for seed in range(count)]
                outs = [folder / f"{network}{batch}-{count}-{k}" for k in range(count)]
                measured = []
                for _ in range(rounds):
                    alone(base, folder / "alone")
                    train_replicas(configs, dataset, outs)
                    together = count * speed(outs[0], images)
                    measured.append((together, speed(folder / "alone", images)))
                ratio = statistics.median(a / b for a, b in measured)
                figures[f"{network}_{batch}_{count}"] = {
                    "together_against_alone": round(ratio, 3),
                    "images_per_second": [[round(a, 1), round(b, 1)] for a, b in measured],
                }
                print(
                    f"{network} batch {batch}, {count} replicas: {ratio:.2f}x the images a second "
                    "of one after the other",
                    flush=True,
                )
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Replicas together against one by one.")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    main(**vars(parser.parse_args()))
