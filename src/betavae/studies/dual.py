"""beta as a Lagrange multiplier: is it the slope of the best log likelihood at a given rate?

With ``G(epsilon) = max E[log p(x|z)] subject to rate <= epsilon``, the multiplier that holds the
constraint is ``beta* = dG / d epsilon`` (Higgins et al. 2017, Eqs. 3 and 12, A.6). Constrained
runs give both sides: the terms at which each ends are points of G, and each has found a
multiplier by itself. Each epsilon is trained in rounds until its rate is within a tenth of a nat of
it. The slope is that of the secant between neighbouring points, which for a concave G lies between
the slopes at its ends, so between the two multipliers.

The equation holds where training has converged. Early runs still gain likelihood at a constant
rate, and later ones are ahead of them. A run that another one beats, with less rate and less
distortion, is no point of G: it is left out, and said to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from betavae import data as datasets
from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae._system.locks import only_one
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.runs.opened import SAMPLE, open_run, sample_rows
from betavae.studies import study_figures
from betavae.studies.cells import weights_of
from betavae.studies.trained import tail, trained
from betavae.training.measuring import measure

EPSILONS = (18.0, 15.0, 12.0, 9.0, 6.0)
TOLERANCE = 0.1  # nats: a constraint is met when the rate is as near to epsilon
ROUNDS = 6  # trainings of an epsilon at most
STEP_SIZE = 2e-3  # of log beta, a step and nat: an excess is gone within a few hundred steps
BLOCKS = 16  # of the images measured, from which the secants' errors come
Floats = NDArray[np.float64]


def block_terms(folder: Path) -> Floats:
    """Return a run's distortion and rate (2, B), nats per image, on the same blocks for all."""
    run = open_run(folder)
    assert isinstance(run.model, VAE)
    found: list[tuple[float, float]] = []
    for rows in np.array_split(sample_rows(run.dataset, SAMPLE), BLOCKS):
        distortion, rates = measure(run.model, run.dataset, rows)
        found.append((distortion, float(rates.sum())))
    terms: Floats = np.array(found).T
    return terms


def secant(one: Floats, other: Floats) -> tuple[float, float]:
    """Return the slope of G between two runs, and its standard error.

    The error is that of the images measured, by leaving out a block of them at a time; both runs
    are measured on the same ones. What another training would change is not in it.

    Args:
        one: (2, B) distortion and rate of a run on B blocks of images, as `block_terms` gives.
        other: the same of another run.

    >>> secant(np.array([[90.0, 92], [5, 5]]), np.array([[80.0, 82], [7, 7]]))
    (5.0, 0.0)
    """
    rises = other - one
    blocks = rises.shape[1]
    whole = rises.sum(axis=1)
    left_out = whole[:, None] - rises
    slopes = -left_out[0] / left_out[1]
    error = np.sqrt((blocks - 1) / blocks * ((slopes - slopes.mean()) ** 2).sum())
    return float(-whole[0] / whole[1]), float(error)


def unbeaten(rate: ArrayLike, distortion: ArrayLike) -> NDArray[np.bool_]:
    """Say of each run (K,) that no other has both less rate and less distortion.

    >>> unbeaten([9.0, 8.0, 6.0], [100.0, 80.0, 90.0])
    array([False,  True,  True])
    """
    x, y = np.asarray(rate, np.float64), np.asarray(distortion, np.float64)
    beaten = (x[None] <= x[:, None]) & (y[None] <= y[:, None])
    return np.asarray(beaten.sum(axis=1) == 1)  # each run is as good as itself


def run_dual(
    out: Path,
    *,
    data: str = "shapes2d",
    epsilons: Sequence[float] = EPSILONS,
    images: int = 60_000,
    network: str = "patch",
    batch: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the multipliers of constrained runs, each from the one before, with dG/d epsilon.

    An epsilon whose rate is not within `TOLERANCE` of it is trained on, `ROUNDS` rounds at most.
    Finished runs are not trained again; a broken-off one goes on where it stopped.

    Args:
        out: gets a run folder for each round of an epsilon, dual.json and dual.png.
        data: what to learn from.
        epsilons: rates to hold, nats per image; trained from the largest down.
        images: length of each round; the first is three times as long.
        network: of all runs.
        batch: of all runs.
        seed: of all runs.

    Returns:
        What dual.json holds.

    Raises:
        InputError: for fewer than three epsilons, or data that cannot be used.
    """
    if len(set(epsilons)) < 3:
        raise InputError(f"the study needs at least three epsilons, got {list(epsilons)}")
    base = Config.from_mapping(
        {
            "data": data, "images": images, "network": network, "batch": batch, "seed": seed,
            # So that each round ends where it has settled.
            "learning_rate_schedule": "linear", "learning_rate_decay": max(1, images // 2),
        }
    )  # fmt: skip
    dataset = datasets.load(data)
    with only_one(out):
        return _run(out, base, dataset, epsilons)


def _run(out: Path, base: Config, dataset: Dataset, epsilons: Sequence[float]) -> dict[str, Any]:
    images = base.images
    rows: list[dict[str, Any]] = []
    terms: list[Floats] = []
    before: Path | None = None
    places: list[str] = []
    multiplier = 1.0
    for epsilon in sorted(set(epsilons), reverse=True):
        for number in range(ROUNDS):
            held = {"name": "constrained", "epsilon": epsilon, "step_size": STEP_SIZE}
            held["initial"] = multiplier
            start = {"images": 3 * images} if before is None else {"init": str(before)}
            folder = out / (f"epsilon-{epsilon:g}" + (f"-{number + 1}" if number else ""))
            records = trained(base.replaced(objective=held, **start), dataset, folder)
            logs = [np.log(record.terms["multiplier"]) for record in tail(records)]
            places.append(folder.name)
            before, multiplier = folder, round(float(np.exp(logs[-1])), 6)
            found = block_terms(folder)
            distortion, rate = (float(value) for value in found.mean(axis=1))
            if abs(rate - epsilon) <= TOLERANCE:
                break
        terms.append(found)
        rows.append(
            {
                "epsilon": epsilon,
                "rate": rate,
                "distortion": distortion,
                "multiplier": round(float(np.exp(np.mean(logs))), 6),
                "multiplier_drift": round(float(np.exp(logs[-1] - logs[0])), 6),
                "rounds": number + 1,
                "met": abs(rate - epsilon) <= TOLERANCE,
            }
        )
    rates, distortions = (np.array([row[key] for row in rows]) for key in ("rate", "distortion"))
    on_curve = unbeaten(rates, distortions)
    converged = int(on_curve.sum()) >= 3
    if not converged:
        on_curve[:] = True
    for row, used in zip(rows, on_curve, strict=True):
        row["on_curve"] = bool(used)
    points = sorted(map(int, np.flatnonzero(on_curve)), key=lambda k: float(rates[k]))
    outcome: dict[str, Any] = {
        "runs": rows,
        "secants": [between(rows, terms, low, high) for low, high in pairwise(points)],
        "tolerance": TOLERANCE,
        "met": all(row["met"] for row in rows),
        "converged": converged,
        "weights": weights_of(out, places),
        "images_per_round": images,
        "seed": base.seed,
    }
    write_json(out / "dual.json", outcome)
    weights = outcome["weights"].values()
    figures.save(study_figures.dual(outcome), out / "dual.png", weights=weights)
    return outcome


def between(
    rows: Sequence[dict[str, Any]], terms: Sequence[Floats], low: int, high: int
) -> dict[str, Any]:
    """Describe the secant between two runs, given by their places, and their multipliers."""
    slope, error = secant(terms[low], terms[high])
    multipliers = sorted(rows[k]["multiplier"] for k in (low, high))
    return {
        "rates": [rows[low]["rate"], rows[high]["rate"]],
        "slope": slope,
        "error": error,
        "multipliers": multipliers,
        "between": multipliers[0] - 2 * error <= slope <= multipliers[1] + 2 * error,
    }
