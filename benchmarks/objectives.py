"""What an objective costs: its training step against the plain VAE's, at batch 64 and 256.

One network, model, optimiser and batch; the objectives take turns a few steps at a time, and a
figure is the median over rounds of a ratio within the round, so that a machine that slows down
slows down all of them. Counted: batch, terms, backward, optimiser, the objective's own step and
record. Bars: tcvae 1.15, dip 1.10, constrained 1.02, adagvae 2.1 (a step sees two
images for one), quantised latents (qlae) 1.15, joint 1.2; factor, whose discriminator is larger
than the VAE, is reported.

Run: python -m benchmarks objectives, or python benchmarks/objectives.py [--network burgess]
    [--threads N] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import shapes

BATCHES = (64, 256)
IMAGES = 2048  # as many as GRID has
BARS = {
    "tcvae": 1.15, "dip": 1.10, "constrained": 1.02, "adagvae": 2.1, "qlae": 1.15, "joint": 1.2,
}  # fmt: skip
NAMES = (
    "constrained",
    "capacity",
    "tcvae",
    "dip",
    "infovae",
    "factor",
    "adagvae",
    "qlae",
    "joint",
    "hfs",
    "semi",
    "slowvae",
)
GRID = (2, 4, 4, 8, 8)  # of the images, for objectives that draw pairs by factors


def stepper(name: str, network: str, batch: int) -> Callable[[int], float]:
    """Return a function that takes n training steps and returns their seconds."""
    import torch

    from betavae.config import Config
    from betavae.data.batches import fetch
    from betavae.data.dataset import Dataset
    from betavae.data.factors import Factors
    from betavae.data.images import ImageStore
    from betavae.objectives import Step
    from betavae.training.learners import make_learner
    from betavae.training.records import Recorder

    config = Config.from_mapping(
        {"network": network, "batch": batch, "objective": name, "device": "cpu"}
        | ({"beta": 1.0} if name == "beta" else {})
        | ({"objective": "beta", "latent": "quantised"} if name == "qlae" else {})
        | ({"latent": "joint"} if name == "joint" else {})
    )
    grid = Factors(tuple("abcde"), GRID)
    store = ImageStore.from_binary(shapes(IMAGES))
    dataset = Dataset("shapes", store, grid, None, grid.names)
    learner = make_learner(config, dataset, torch.device("cpu"))
    draw = learner.sampler(dataset, batch, 0)
    recorder = Recorder(beta_norm=1.0, images_seen=0, seconds=0.0)
    taken = 0

    def steps(count: int) -> float:
        nonlocal taken
        start = time.perf_counter()
        for _ in range(count):
            step = Step(taken * batch, learner.generator, IMAGES)
            recorder.add(learner.step(fetch(dataset, draw(taken)), step))
            taken += 1
        return time.perf_counter() - start

    return steps


def compare(network: str, batch: int, rounds: int, steps: int) -> dict[str, Any]:
    """Alternate the plain VAE and every objective; return median ratios of the step's time."""
    plain = stepper("beta", network, batch)
    others = {name: stepper(name, network, batch) for name in NAMES}
    for run in (plain, *others.values()):
        run(3)
    ratios: dict[str, list[float]] = {name: [] for name in NAMES}
    seconds: list[float] = []
    for _ in range(rounds):
        before = plain(steps)
        for name, run in others.items():
            taken = run(steps)
            after = plain(steps)
            ratios[name].append(2 * taken / (before + after))  # between two of the plain VAE's
            seconds.append(after / steps)
            before = after
    found = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    return {"ratios": found, "plain_step_ms": round(1e3 * statistics.median(seconds), 2)}


def main(
    *, network: str = "burgess", threads: int | None = None, rounds: int = 12, steps: int = 2
) -> dict[str, Any]:
    """Measure both batch sizes; print each, then one line with every ratio."""
    import torch

    from betavae.training.machine import cpu_threads, keep_heap

    keep_heap()
    figures: dict[str, Any] = {}
    summary = []
    with cpu_threads(threads or torch.get_num_threads()):
        for batch in BATCHES:
            found = compare(network, batch, rounds, steps)
            figures[f"{network}_{batch}"] = found
            print(f"{network} batch {batch}: plain step {found['plain_step_ms']} ms", flush=True)
            for name, ratio in found["ratios"].items():
                bar = f" (bar {BARS[name]:.2f}x)" if name in BARS else ""
                print(f"  {name}: {ratio:.3f}x{bar}", flush=True)
            parts = " ".join(f"{name} {ratio:.2f}x" for name, ratio in found["ratios"].items())
            summary.append(f"batch {batch} {parts}")
    print("objectives: step time over the plain VAE, " + ", ".join(summary))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Step time of objectives over the plain VAE's.")
    parser.add_argument("--network", default="burgess")
    parser.add_argument("--threads", type=int, default=None, help="default: torch's own choice")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=2)
    main(**vars(parser.parse_args()))
