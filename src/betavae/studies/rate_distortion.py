"""Distortion against rate over beta, for a Bernoulli and a Gaussian decoder.

Each beta is one point of the best distortion at its rate; with the decoder fixed, -beta is the
slope of the curve there.

**Cross-entropy against mean squared error.** Both are -log p(x|z) of a decoder: cross-entropy of
a Bernoulli one, squared error of a Gaussian one with a fixed standard deviation sigma:

    -log p(x|z) = |x - mean|^2 / (2 sigma^2) + (N / 2) log(2 pi sigma^2),   N pixels

So "MSE + beta KL" is a Gaussian decoder with a sigma that nobody chose. Summed over the pixels,
it is sigma^2 = 1/2; averaged over them, sigma^2 = N/2, and the same beta weighs the rate N times
as much. A beta found with one of them says nothing about another, nor about cross-entropy: the
two curves here share an axis of rates, and their betas only where sigma makes them. On binary
images cross-entropy is the likelihood of the data; the Gaussian's density can exceed 1, so that
its distortion may be negative, and only differences of it mean anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from betavae import data as datasets
from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae._system.locks import only_one
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.studies import study_figures
from betavae.studies.cells import weights_of
from betavae.studies.trained import chain, terms_of

BETAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SIGMA = 0.3
BATCH = 8


def run_rate_distortion(
    out: Path,
    *,
    data: str = "shapes2d",
    betas: Sequence[float] = BETAS,
    images: int = 40_000,
    network: str = "patch",
    sigma: float = SIGMA,
    seed: int = 0,
) -> dict[str, Any]:
    """Train over a grid of beta with both decoders, each run from the one before; draw the curves.

    Finished runs are not trained again; a broken-off one goes on where it stopped.

    Args:
        out: gets run folders, rate_distortion.json and rate_distortion.png.
        data: what to learn from.
        betas: the grid; trained from the smallest up.
        images: length of each run; the first of a decoder is three times as long.
        network: of all runs.
        sigma: standard deviation of the Gaussian decoder.
        seed: of all runs.

    Returns:
        What rate_distortion.json holds.

    Raises:
        InputError: for fewer than two betas, or data that cannot be used.
    """
    if len(set(betas)) < 2:
        raise InputError(f"the study needs at least two betas, got {list(betas)}")
    shared: dict[str, Any] = {
        "data": data,
        "images": images,
        "network": network,
        "batch": BATCH,
        "seed": seed,
    }
    shared["learning_rate_schedule"] = "linear"  # each run ends where it has settled
    dataset = datasets.load(data)
    with only_one(out):
        return _run(out, shared, dataset, sorted(set(betas)), sigma)


def _run(
    out: Path, shared: dict[str, Any], dataset: Dataset, betas: Sequence[float], sigma: float
) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "images_per_run": shared["images"], "seed": shared["seed"], "sigma": sigma
    }  # fmt: skip
    weights: dict[str, str] = {}
    for likelihood in ("bernoulli", "gaussian"):
        spread = {"sigma": sigma} if likelihood == "gaussian" else {}
        base = Config.from_mapping({**shared, "likelihood": likelihood, **spread})
        changes = {f"{likelihood}-beta-{beta:g}": {"beta": beta} for beta in betas}
        chain(base, changes, dataset, out)
        points = []
        for name, change in changes.items():
            distortion, rate = terms_of(out / name)
            points.append({"beta": change["beta"], "rate": rate, "distortion": distortion})
        outcome[likelihood] = points
        weights |= weights_of(out, changes)
    outcome["weights"] = weights
    write_json(out / "rate_distortion.json", outcome)
    figure = study_figures.rate_distortion(outcome)
    figures.save(figure, out / "rate_distortion.png", weights=weights.values())
    return outcome
