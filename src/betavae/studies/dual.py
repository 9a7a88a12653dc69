"""beta as a Lagrange multiplier: is it the slope of the best log likelihood at a given rate?

With ``G(epsilon) = max E[log p(x|z)] subject to rate <= epsilon``, the multiplier that holds the
constraint is ``beta* = dG / d epsilon`` (Higgins et al. 2017, Eqs. 3 and 12, A.6). Constrained
runs give both sides: the terms at which each ends are points of G, and each has found a
multiplier by itself. The slope is taken from a curve fitted to the points alone.

The equation holds where training has converged. Early runs still gain likelihood at a constant
rate, and later ones are ahead of them. A run that another one beats, with less rate and less
distortion, is no point of G: it is left out of the fit, and said to be.
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
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.config import Config
from betavae.studies import study_figures
from betavae.studies.trained import tail, terms_of, trained

EPSILONS = (18.0, 15.0, 12.0, 9.0, 6.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """A rising curve G with a slope that changes by a constant factor a nat.

    That of a Gaussian source is of this form, ``-D = -exp(-2 R)``.

    Attributes:
        offset: G where the rate is `centre`.
        tilt: change of log dG/d epsilon a nat.
        log_slope: log dG/d epsilon where the rate is `centre`.
        centre: nats.
    """

    offset: float
    tilt: float
    log_slope: float
    centre: float

    def slope(self, rate: ArrayLike) -> Floats:
        """Return dG/d epsilon at rates (K,)."""
        place = np.asarray(rate, np.float64) - self.centre
        return np.asarray(np.exp(np.clip(self.log_slope + self.tilt * place, -30, 30)))

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

    >>> x = np.linspace(2, 4, 6)
    >>> fitted = fit_gain(x, 5 * np.log(x))
    >>> np.round(fitted.slope([2.5, 3.5]), 1)
    array([2. , 1.4])
    """
    x, y = np.asarray(rate, np.float64), np.asarray(gain, np.float64)
    if len(x) < 3 or np.ptp(x) == 0:
        raise InputError(f"the fit needs three rates that differ, got {x.tolist()}")
    centre = float(x.mean())
    first = max(float(np.polyfit(x, y, 1)[0]), 1e-3)

    def curve(parameters: Floats) -> Gain:
        offset, tilt, log_slope = (float(value) for value in parameters)
        return Gain(offset, tilt, log_slope, centre)

    start = np.array([y.mean(), 0.0, np.log(first)])
    found = least_squares(lambda parameters: curve(parameters)(x) - y, start)
    return curve(found.x)


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
        distortion, rate = terms_of(folder)
        logs = [np.log(record.terms["multiplier"]) for record in records]
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
    rates, distortions = (np.array([row[key] for row in rows]) for key in ("rate", "distortion"))
    on_curve = unbeaten(rates, distortions)
    converged = int(on_curve.sum()) >= 3
    if not converged:
        on_curve[:] = True
    fitted = fit_gain(rates[on_curve], -distortions[on_curve])
    for row, slope, used in zip(rows, fitted.slope(rates), on_curve, strict=True):
        row |= {"slope": float(slope), "on_curve": bool(used)}
    ratios = [row["multiplier"] / row["slope"] for row in rows if row["on_curve"]]
    ends = np.array([row["rate"] for row in rows if row["on_curve"]])
    line = np.linspace(ends.min(), ends.max(), 51)
    fit = {"rate": line, "gain": fitted(line), "slope": fitted.slope(line)}
    outcome = {
        "runs": rows,
        "fit": {key: values.tolist() for key, values in fit.items()},
        "converged": converged,
        "median_multiplier_over_slope": float(np.median(ratios)),
        "images_per_run": images,
        "seed": seed,
    }
    write_json(out / "dual.json", outcome)
    figures.save(study_figures.dual(outcome), out / "dual.png")
    return outcome
