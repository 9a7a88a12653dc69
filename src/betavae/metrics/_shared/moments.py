"""Mean and variance of latents, and which latents are alive."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from betavae.metrics._shared.arrays import Array, Floats, check_codes
from betavae.metrics._shared.parallel import halves, thread_map

BLOCK_FLOATS = 1 << 15
ACTIVE_NATS = 0.1
"""Nats an image below which a latent counts as inactive, as in the records of a training."""
NEGLIGIBLE = 0.01
"""Share of the posterior's variance below which the means' variance is nothing."""


def moments(codes: Array) -> tuple[Floats, Floats]:
    """Mean and variance (M,) of each latent over the rows, in float64 whatever the dtype.

    >>> [part.tolist() for part in moments(np.array([[1.0, 5.0], [3.0, 5.0]]))]
    [[2.0, 5.0], [1.0, 0.0]]
    """
    start, n = codes[0].astype(np.float64), len(codes)
    width = codes.shape[1]
    # Blocks stay in cache, and 64 rows are summed as one long row: a tenth of np.var's time.
    size = max(64, BLOCK_FLOATS // width // 64 * 64)
    ones = np.ones(size)

    def sums(lows: range) -> Floats:
        both = np.zeros((2, width))
        for low in lows:
            part = codes[low : low + size] - start  # shifted, or squares would cancel far from 0
            rows = part.reshape(-1, 64 * width) if len(part) % 64 == 0 else part
            both[0] += (ones[: len(rows)] @ rows).reshape(-1, width).sum(axis=0)
            np.multiply(rows, rows, out=rows)
            both[1] += (ones[: len(rows)] @ rows).reshape(-1, width).sum(axis=0)
        return both

    first, second = np.sum(thread_map(sums, halves(n, size)), axis=0) / n
    return start + first, np.maximum(second - first**2, 0.0)


def live_latents(codes: Any, dead_std: float = 0.05) -> npt.NDArray[np.bool_]:
    """Tell which latents are alive: (M,) booleans.

    A latent is dead when its standard deviation over the rows is at most `dead_std` times the
    largest latent's, or times 1 if that is smaller: for codes on the scale of a unit-variance
    prior this is the 0.05 of Kim & Mnih 2018, for codes on a smaller scale it is relative, so
    that nothing depends on units. A constant latent is always dead.

    >>> live_latents(np.array([[0.0, 1.0, 0.001], [2.0, 1.0, 0.0]]))
    array([ True, False, False])
    """
    return alive(*moments(check_codes(codes)), dead_std)


def alive(mean: Floats, variance: Floats, dead_std: float) -> npt.NDArray[np.bool_]:
    """Tell which latents are alive, (M,), from their mean and variance; see `live_latents`."""
    deviation = np.sqrt(variance)
    # Rounding leaves a constant float column with a deviation of about 1e-16 of its value.
    limit = dead_std * min(1.0, float(deviation.max()))
    return np.asarray(deviation > np.maximum(limit, 1e-9 * np.abs(mean)))


def active_latents(mean: Array, log_var: Array) -> npt.NDArray[np.bool_]:
    """Tell which latents of a posterior are active, (M,).

    A latent is active when its rate exceeds `ACTIVE_NATS` and its means vary by more than
    `NEGLIGIBLE` of the noise around them: a code whose means move by a thousandth of its own
    noise tells no image from another, however well a classifier reads the means.

    >>> codes = np.array([[0.0, 0.0], [2.0, 0.001], [-2.0, 0.002]])
    >>> active_latents(codes, np.array([[-4.0, 0.0]] * 3))
    array([ True, False])
    """
    m, v = mean.astype(np.float64), log_var.astype(np.float64)
    noise = np.exp(v)
    rate = 0.5 * (m**2 + noise - v - 1).mean(axis=0)
    return np.asarray((rate > ACTIVE_NATS) & (m.var(axis=0) > NEGLIGIBLE * noise.mean(axis=0)))
