"""Seconds and images until higgins2017 first reaches .99 on the 2D shapes, over fixed seeds.

The default preset is trained (constant beta = 4), stopped at fixed image counts, and scored on
20,000 fixed rows, three classifier seeds each time. Only training counts as time; scoring does
not. The bar is 600 s on two cores for every seed; the last line gives the median and the worst
as a share of the bar.

Run: python benchmarks/time_to_score.py [SEED ...]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np

from betavae import data as datasets
from betavae.config import Config
from betavae.metrics.higgins import higgins_score
from betavae.models.vae import VAE
from betavae.representation import represent
from betavae.training.loop import train
from betavae.training.records import Record

SEEDS = (0, 1, 2, 3, 4)
TARGET = 0.99
BAR_SECONDS = 600.0
EVERY = 10_000
LIMIT = 1_000_000


def reach(seed: int, target: float = TARGET, limit: int = LIMIT) -> dict[str, Any]:
    """Train one seed until the target; return images and training seconds, None if missed."""
    dataset = datasets.load("shapes2d")
    rows = np.sort(np.random.default_rng(0).choice(len(dataset.images), 20_000, replace=False))
    scores: list[tuple[int, float]] = []
    judging = 0.0
    started = time.perf_counter()

    def watch(model: VAE, record: Record) -> bool:
        nonlocal judging
        if record.images < EVERY * (len(scores) + 1):
            return False
        began = time.perf_counter()
        codes = represent(model, dataset, rows=rows)
        model.train()
        assert codes.factors is not None
        result = higgins_score(codes.mean, codes.factors, rng=0)
        scores.append((record.images, round(result.score, 4)))
        judging += time.perf_counter() - began
        return result.score >= target

    train(Config(seed=seed, images=limit), dataset, progress=False, watch=watch)
    seconds = time.perf_counter() - started - judging
    reached = bool(scores) and scores[-1][1] >= target
    return {
        "seed": seed,
        "reached": reached,
        "images": scores[-1][0] if scores else 0,
        "seconds": round(seconds, 1),
        "scores": scores,
    }


def main(seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Measure every seed and print the summary line."""
    runs = []
    for seed in seeds:
        runs.append(reach(seed))
        print(runs[-1], flush=True)
    seconds = [run["seconds"] for run in runs]
    images = [run["images"] for run in runs]
    reached = sum(run["reached"] for run in runs)
    share = [value / BAR_SECONDS for value in (statistics.median(seconds), max(seconds))]
    print(
        f"time to .99: {reached} of {len(runs)} seeds, median {statistics.median(seconds):.0f} s "
        f"({statistics.median(images):,.0f} images), worst {max(seconds):.0f} s "
        f"({max(images):,} images): {share[0]:.2f}x and {share[1]:.2f}x of the 600 s bar"
    )
    return {"runs": runs, "median_share_of_bar": share[0], "worst_share_of_bar": share[1]}


if __name__ == "__main__":
    main(tuple(int(seed) for seed in sys.argv[1:]) or SEEDS)
