"""What the results of the metrics share: plain dictionaries and 95 % intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from betavae.metrics.arrays import Array

Z95 = 1.959963984540054
"""97.5 % point of the standard normal: half-width of a 95 % interval in standard errors."""


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


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """95 % Wilson interval of an accuracy measured on `n` points.

    >>> low, high = accuracy_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    centre = (accuracy + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * np.sqrt(accuracy * (1 - accuracy) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def jackknife_interval(
    blocks: Array,
    statistic: Callable[[Array], float],
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """95 % interval over rows by the delete-a-block jackknife.

    `blocks` holds, along its first axis, additive sums over B random blocks of rows (counts of a
    contingency table, moments). The statistic is recomputed with each block left out:
    ``se^2 = (B - 1) / B * sum_b (theta_b - mean theta)^2``.
    """
    total = blocks.sum(axis=0)
    estimate = statistic(total)
    left_out = np.array([statistic(total - block) for block in blocks])
    b = len(blocks)
    error = np.sqrt((b - 1) / b * np.square(left_out - left_out.mean()).sum())
    return (
        float(max(bounds[0], estimate - Z95 * error)),
        float(min(bounds[1], estimate + Z95 * error)),
    )
