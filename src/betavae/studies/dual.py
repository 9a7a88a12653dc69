"""beta as a Lagrange multiplier: is it the slope of the best log likelihood at a given rate?

With ``G(epsilon) = max E[log p(x|z)] subject to rate <= epsilon``, the multiplier that holds the
constraint is ``beta* = dG / d epsilon`` (Higgins et al. 2017, Eqs. 3 and 12, A.6). Constrained
runs give both sides: the terms at which each ends are points of G, and each has found a
multiplier by itself. The slope is taken from a curve fitted to the points alone.

The equation holds where training has converged. Short runs still gain likelihood at a constant
rate, and the later ones are ahead; the study starts from the largest epsilon, where most is to
be learned, and says how far the two sides are apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from betavae import data as datasets
from betavae import figures
from betavae.config import Config
from betavae.errors import InputError
from betavae.studies.trained import keep, tail, terms_of, trained

EPSILONS = (18.0, 15.0, 12.0, 9.0, 6.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """A rising curve G: its logarithmic slope is a polynomial, so its slope is positive.

    Attributes:
        offset: G where the rate is `centre`.
        coefficients: of log dG/d epsilon in (epsilon - centre) / width, highest power first.
        centre: nats.
        width: nats.
    """

    offset: float
    coefficients: tuple[float, ...]
    centre: float
    width: float

    def slope(self, rate: ArrayLike) -> Floats:
        """Return dG/d epsilon at rates (K,)."""
        place = (np.asarray(rate, np.float64) - self.centre) / self.width
        return np.asarray(np.exp(np.clip(np.polyval(self.coefficients, place), -30, 30)))

    def __call__(self, rate: ArrayLike) -> Floats:
        """Return G at rates (K,), nats per image."""
        nodes, weights = np.polynomial.legendre.leggauss(16)
        ends = np.asarray(rate, np.float64)
        half = (ends - self.centre) / 2
        inner = self.centre + half[..., None] * (1 + nodes)
        return np.asarray(self.offset + half * (self.slope(inner) * weights).sum(-1))


def fit_gain(rate: ArrayLike, gain: ArrayLike) -> Gain:
    """Fit a rising, smooth curve to points of G by least squares.

    Args:
        rate: (K,) nats per image, K >= 3.
        gain: (K,) minus the distortion, nats per image.

    Raises:
        InputError: for fewer than three points, or points of one rate.

    >>> x = np.linspace(2, 10, 6)
    >>> fitted = fit_gain(x, 5 * np.log(x))
    >>> np.round(fitted.slope([4.0, 8.0]), 1)
    array([1.3, 0.6])
    """
    x, y = np.asarray(rate, np.float64), np.asarray(gain, np.float64)
    if len(x) < 3 or np.ptp(x) == 0:
        raise InputError(f"the fit needs three rates that differ, got {x.tolist()}")
    centre, width = float(x.mean()), float(np.ptp(x))
    first = max(float(np.polyfit(x, y, 1)[0]), 1e-3)
    degree = 2 if len(x) >= 5 else 1

    def curve(parameters: Floats) -> Gain:
        return Gain(float(parameters[0]), tuple(parameters[1:]), centre, width)

    start = np.array([y.mean(), *[0.0] * degree, np.log(first)])
    found = least_squares(lambda parameters: curve(parameters)(x) - y, start)
    return curve(found.x)


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

    Finished runs are not trained again; a broken-off one goes on where it stopped.

    Args:
        out: gets one run folder an epsilon, dual.json and dual.png.
        data: what to learn from.
        epsilons: rates to hold, nats per image; trained from the largest down.
        images: length of each run; the first is three times as long.
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
        {"data": data, "images": images, "network": network, "batch": batch, "seed": seed}
    )
    dataset = datasets.load(data)
    rows: list[dict[str, float]] = []
    before: Path | None = None
    for epsilon in sorted(set(epsilons), reverse=True):
        held = {"name": "constrained", "epsilon": epsilon}
        if before is not None:
            held["initial"] = rows[-1]["multiplier"]
        start: dict[str, Any] = {"images": 3 * images} if before is None else {"init": str(before)}
        folder = out / f"epsilon-{epsilon:g}"
        records = tail(trained(base.replaced(objective=held, **start), dataset, folder))
        distortion, rate = terms_of(folder, dataset)
        logs = [np.log(record.extras["multiplier"]) for record in records]
        rows.append(
            {
                "epsilon": epsilon,
                "rate": rate,
                "distortion": distortion,
                "multiplier": round(float(np.exp(np.mean(logs))), 6),
                "multiplier_drift": round(float(np.exp(logs[-1] - logs[0])), 6),
            }
        )
        before = folder
    fitted = fit_gain([row["rate"] for row in rows], [-row["distortion"] for row in rows])
    for row, slope in zip(rows, fitted.slope([row["rate"] for row in rows]), strict=True):
        row["slope"] = float(slope)
    ratios = [row["multiplier"] / row["slope"] for row in rows]
    outcome = {
        "runs": rows,
        "median_multiplier_over_slope": float(np.median(ratios)),
        "images_per_run": images,
        "seed": seed,
    }
    keep(out / "dual.json", outcome)
    figures.save(draw(rows, fitted), out / "dual.png")
    return outcome


def draw(rows: Sequence[dict[str, float]], fitted: Gain) -> Any:
    """Return the figure of the study."""
    rate = np.array([row["rate"] for row in rows])
    line = np.linspace(rate.min(), rate.max(), 100)
    return figures.duality(
        rate,
        [-row["distortion"] for row in rows],
        [row["multiplier"] for row in rows],
        line,
        fitted(line),
        fitted.slope(line),
    )
