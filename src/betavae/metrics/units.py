"""Active units: how many latents the data move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, Floats, read_codes
from betavae.metrics._shared.results import About, Scored

PROTOCOLS = ("burda2016",)


@dataclass(frozen=True)
class ActiveUnitsResult(Scored):
    """How many latents the data move.

    Attributes:
        score: number of active units, 0 to M.
        interval: the count with every variance at the ends of its 95 % interval over rows.
        protocol: ``"burda2016"``.
        about: rows, factors, seed and version behind the number.
        variances: (M,) variance of each latent's mean over the rows.
        active: (M,) which latents are active.
        threshold: variance above which a latent is active.
    """

    variances: Floats
    active: Array
    threshold: float


def active_units(codes: Any, *, threshold: float = 0.01) -> ActiveUnitsResult:
    """Count the latents whose posterior mean varies with the image.

    ``A_j = Var_x E[z_j | x]``; unit j is active when A_j exceeds `threshold`.

    Args:
        codes: (N, M) posterior means, on the scale of a unit-variance prior.
        threshold: variance above which a unit is active.

    Returns:
        `ActiveUnitsResult`; ``float(result)`` is the count, 0 to M.

    Raises:
        InputError: for codes or a threshold that cannot be used.

    Source: Burda et al. 2016 (Importance weighted autoencoders).

    Misses: what the units are about, and units that move the variance only. It depends on the
    latents' units: for codes without a prior use `live_latents`.

    >>> float(active_units([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]))
    1.0
    """
    codes, reduction = read_codes(codes)
    if not isinstance(threshold, (int, float)) or not threshold >= 0:
        raise InputError(f"threshold must be a number >= 0, got {threshold!r}")
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    variances = (centred**2).mean(axis=0)
    error = (centred**2).std(axis=0) / len(codes) ** 0.5
    low, high = (int((variances + s * 1.96 * error > threshold).sum()) for s in (-1, 1))
    active = variances > threshold
    return ActiveUnitsResult(
        score=float(active.sum()),
        interval=(float(low), float(high)),
        protocol=PROTOCOLS[0],
        about=About.of(codes.shape, reduction=reduction),
        variances=variances,
        active=active,
        threshold=float(threshold),
    )
