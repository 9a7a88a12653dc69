"""Seconds and images until higgins2017 first reaches .99 on the 2D shapes, over fixed seeds.

A preset is trained and, every 5,000 images, scored on 20,000 fixed rows. Only training counts as
time, scoring does not. A preset of several seeds trains them side by side and keeps the one with
the lowest loss, which alone is scored, at the end; seed k then stands for the k-th such group. The
bar is 600 s on two cores for every seed; the last line gives the median and the worst as a share of
the bar.

Run: python benchmarks/time_to_score.py [--preset NAME ...] [--seeds N] [--limit IMAGES]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from betavae import data as datasets
from betavae.config import Config
from betavae.metrics import factor_table, higgins_score
from betavae.models.vae import VAE
from betavae.runs.representation import represent
from betavae.studies.presets import BETA_VAE, scaled
from betavae.studies.restarts import train_restarts
from betavae.training.build import Model
from betavae.training.checkpoint import load_model
from betavae.training.fit import train
from betavae.training.records import Record

TARGET = 0.99
BAR_SECONDS = 600.0
EVERY = 5_000

CONSTANT: dict[str, Any] = {"beta": 4.0, "images": 150_000}
# The newest preset first; the others are the steps that led to it (docs/findings/preset.md).
PRESETS: dict[str, dict[str, Any]] = {
    "patch, batch 8, beta 24 -> 4, decay": BETA_VAE,
    "the same, best of 5 seeds by loss": {**BETA_VAE, "restarts": 5},
    "patch, batch 8, beta 24 -> 4": {
        **CONSTANT,
        "beta_schedule": "exponential",
        "beta_start": 24.0,
        "beta_ramp": 100_000,
    },
    "patch, batch 8, beta 4": CONSTANT,
    "patch, batch 64, beta 4": {**CONSTANT, "batch": 64},
    "burgess, batch 64, beta 4": {**CONSTANT, "network": "burgess", "batch": 64},
}


def reach(options: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train one seed until the target or the preset's end; return the scores on the way."""
    dataset = datasets.load("shapes2d")
    scores: list[tuple[int, float]] = []
    judging = 0.0
    started = time.perf_counter()

    def watch(model: VAE, record: Record) -> bool:
        nonlocal judging
        if record.images < EVERY * (len(scores) + 1):
            return False
        began = time.perf_counter()
        scores.append((record.images, score_of(model)))
        model.train()
        judging += time.perf_counter() - began
        return scores[-1][1] >= TARGET

    train(Config.from_mapping({**options, "seed": seed}), dataset, progress=False, watch=watch)
    return found(seed, time.perf_counter() - started - judging, scores)


def reach_by_restarts(options: dict[str, Any], group: int) -> dict[str, Any]:
    """Train a group of seeds side by side; return the score of the one with the lowest loss."""
    count = options["restarts"]
    rest = {name: value for name, value in options.items() if name != "restarts"}
    config = Config.from_mapping({**rest, "seed": group * count})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        ranked = train_restarts(config, Path(folder), count, progress=False)
        seconds = time.perf_counter() - started
        model, _ = load_model(Path(folder))
        scores = [(count * config.images, score_of(model))]
    return {**found(group, seconds, scores), "kept": ranked[0]["seed"]}


def score_of(model: Model) -> float:
    """Score the codes of 20,000 fixed rows."""
    dataset = datasets.load("shapes2d")
    rows = np.sort(np.random.default_rng(0).choice(len(dataset.images), 20_000, replace=False))
    codes = represent(model, dataset, rows=rows)
    assert codes.factors is not None
    return higgins_score(
        codes.mean, factor_table(codes.factors, codes.factor_names), unit="prior", rng=0
    ).score


def found(seed: int, seconds: float, scores: list[tuple[int, float]]) -> dict[str, Any]:
    """Describe what came of one seed, or one group."""
    return {
        "seed": seed,
        "reached": scores[-1][1] >= TARGET,
        "images": scores[-1][0],
        "seconds": round(seconds, 1),
        "scores": [(images, round(score, 4)) for images, score in scores],
    }


def measure(name: str, seeds: int, limit: int | None) -> dict[str, Any]:
    """Measure one preset over seeds 0, 1, ... and print its summary line."""
    runs = []
    for seed in range(seeds):
        options = scaled(PRESETS[name], limit)
        runs.append((reach_by_restarts if "restarts" in options else reach)(options, seed))
        print(f"{name}: {runs[-1]}", flush=True)
    seconds = [run["seconds"] for run in runs]
    images = [run["images"] for run in runs]
    middle, worst = statistics.median(seconds), max(seconds)
    print(
        f"time to .99 [{name}]: {sum(run['reached'] for run in runs)} of {len(runs)} seeds, "
        f"median {middle:.0f} s ({statistics.median(images):,.0f} images), worst {worst:.0f} s "
        f"({max(images):,} images): {middle / BAR_SECONDS:.2f}x and {worst / BAR_SECONDS:.2f}x "
        "of the 600 s bar"
    )
    return {
        "runs": runs,
        "median_share_of_bar": middle / BAR_SECONDS,
        "worst_share_of_bar": worst / BAR_SECONDS,
    }


def main(
    presets: Sequence[str] = (next(iter(PRESETS)),), seeds: int = 5, limit: int | None = None
) -> dict[str, Any]:
    """Measure the presets in one run, the newest alone by default."""
    return {name: measure(name, seeds, limit) for name in presets}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=[next(iter(PRESETS))])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, help="images, in the place of the preset's own length")
    arguments = parser.parse_args()
    main(arguments.preset, arguments.seeds, arguments.limit)
