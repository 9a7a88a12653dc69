"""What the results of the metrics share: plain dictionaries and 95 % intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae import __version__
from betavae.metrics._shared.arrays import Array, Ints

Z95 = 1.959963984540054
"""97.5 % point of the standard normal: half-width of a 95 % interval in standard errors."""
BLOCKS = 20
"""Random blocks of rows of the jackknife."""
FEW_ROWS = 300
"""Rows below which a result says that it rests on few."""


def plain(value: Any) -> Any:
    """Turn arrays, tuples and numpy numbers into lists and Python numbers; NaN becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_dict(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def as_dict(result: Any) -> dict[str, Any]:
    """Return a result dataclass as a dictionary that ``json.dumps`` accepts."""
    return {f.name: plain(getattr(result, f.name)) for f in dataclasses.fields(result)}


@dataclass(frozen=True)
class About:
    """What a score was computed on; the same for every metric.

    Attributes:
        rows: N, the rows scored.
        latents: M.
        factors: names of the factors used.
        left_out: names of the factors not used, each with the reason.
        seed: the seed, or None where a generator or fresh entropy was given.
        reduction: how codes that are vectors were made numbers; empty for numbers.
        notes: what a reader of the score should know.
        active_latents: latents that carry information, where rates are known; else None.
        collapsed: True when no latent does, None when it cannot be told.
        betavae: the version.
    """

    rows: int
    latents: int
    factors: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    seed: int | None = None
    reduction: str = ""
    notes: tuple[str, ...] = ()
    active_latents: int | None = None
    collapsed: bool | None = None
    betavae: str = __version__

    @classmethod
    def of(cls, shape: tuple[int, ...], rng: Any = None, **known: Any) -> About:
        """Return what any codes of this shape (N, M) tell, and a note where the rows are few.

        >>> About.of((100, 2), 3).notes
        ('rests on 100 rows only: codes without any structure may score high; see the interval',)
        """
        rows, latents = shape
        few = (
            f"rests on {rows} rows only: codes without any structure may score high; see the "
            "interval",
        )
        seed = int(rng) if isinstance(rng, (int, np.integer)) else None
        return cls(rows, latents, seed=seed, notes=few if rows < FEW_ROWS else (), **known)


@dataclass(frozen=True)
class Scored:
    """What the result of every metric has; ``float(result)`` is its ``score``.

    Attributes:
        score: the number.
        interval: 95 % interval of `score`; None where there is none.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
    """

    score: float
    interval: tuple[float, float] | None
    protocol: str
    about: About

    def __float__(self) -> float:
        return self.score

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and strings, ready for JSON."""
        return as_dict(self)


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """95 % Wilson interval of an accuracy measured on `n` points.

    >>> low, high = accuracy_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    centre = (accuracy + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * np.sqrt(accuracy * (1 - accuracy) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def normal_interval(
    estimate: float, error: float, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """95 % interval ``estimate +- 1.96 error``, cut to `bounds`.

    >>> normal_interval(0.99, 0.1)
    (0.7940036015459946, 1.0)
    """
    half = Z95 * error
    return (
        float(min(max(estimate - half, bounds[0]), bounds[1])),
        float(max(min(estimate + half, bounds[1]), bounds[0])),
    )


def draw_blocks(n_rows: int, rng: np.random.Generator) -> Ints:
    """Assign each row to one of `BLOCKS` random blocks of (almost) equal size."""
    return rng.permutation(n_rows) % min(BLOCKS, n_rows)


def jackknife_interval(
    parts: Sequence[Array],
    statistic: Callable[[list[Array]], float],
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """95 % interval over rows by the delete-a-block jackknife.

    Each array of `parts` holds, along its first axis, additive sums over B random blocks of rows
    (counts of a contingency table, moments). The statistic is recomputed from the totals with
    each block left out: ``se^2 = (B - 1) / B * sum_b (theta_b - mean theta)^2``. On a full grid
    it says what another sample of as many rows would have given; the grid itself has no error.
    """
    totals = [part.sum(axis=0) for part in parts]
    b = len(parts[0])
    left_out = [
        statistic([t - part[i] for t, part in zip(totals, parts, strict=True)]) for i in range(b)
    ]
    return normal_interval(statistic(totals), jackknife_error(left_out), bounds)


def jackknife_error(left_out: Sequence[float] | Array) -> float:
    """Return the standard error, from the statistic with each of B blocks left out in turn."""
    values = np.asarray(left_out, np.float64)
    b = len(values)
    return float(np.sqrt((b - 1) / b * np.square(values - values.mean()).sum()))


def repeats_interval(
    scores: Sequence[float], bounds: tuple[float, float] = (0.0, 1.0), *, shared: float = 0.0
) -> tuple[float, float]:
    """95 % interval of the mean of repeats, by Student's t.

    Args:
        scores: one a repeat, two at least.
        bounds: what the interval is cut to.
        shared: 0 for independent repeats; for repeats that split the same rows, the rows tested
            on over the rows learnt from (Nadeau & Bengio 2003).

    >>> [round(end, 3) for end in repeats_interval([0.4, 0.5, 0.6])]
    [0.252, 0.748]
    """
    from scipy.stats import t

    error = float(np.std(scores, ddof=1)) * (1 / len(scores) + shared) ** 0.5
    half = float(t.ppf(0.975, len(scores) - 1)) * error
    return normal_interval(float(np.mean(scores)), half / Z95, bounds)
