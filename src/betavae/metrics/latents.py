"""What each latent is used for, without labels: active units and rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.checks import Array, Floats, check_codes, check_log_var
from betavae.metrics._shared.results import Scored, normal_interval


@dataclass(frozen=True)
class ActiveUnitsResult(Scored):
    """How many latents the data move.

    Attributes:
        score: number of active units, 0 to M.
        interval: the count with every variance at the ends of its 95 % interval over rows.
        variances: (M,) variance of each latent's mean over the rows.
        active: (M,) which latents are active.
        threshold: variance above which a latent is active.
    """

    score: float
    interval: tuple[float, float]
    variances: Floats
    active: Array
    threshold: float


@dataclass(frozen=True)
class RateResult(Scored):
    """The rate of a representation, by latent.

    Attributes:
        score: total rate, nats an image: the sum of `per_latent`.
        interval: 95 % interval of the mean over rows.
        per_latent: (M,) mean KL(q(z_j | x) || N(0, 1)) in nats.
    """

    score: float
    interval: tuple[float, float]
    per_latent: Floats


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
    codes = check_codes(codes)
    if not isinstance(threshold, (int, float)) or not threshold >= 0:
        raise InputError(f"threshold must be a number >= 0, got {threshold!r}")
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    variances = (centred**2).mean(axis=0)
    error = (centred**2).std(axis=0) / len(codes) ** 0.5
    low, high = (int((variances + s * 1.96 * error > threshold).sum()) for s in (-1, 1))
    active = variances > threshold
    return ActiveUnitsResult(
        float(active.sum()), (float(low), float(high)), variances, active, float(threshold)
    )


def rate_per_latent(mean: Any, log_var: Any) -> RateResult:
    """Mean KL divergence of each latent's posterior from the standard normal prior.

    ``rate_j = E_x (mu_j^2 + sigma_j^2 - log sigma_j^2 - 1) / 2``, nats an image.

    Args:
        mean: (N, M) posterior means.
        log_var: (N, M) posterior log variances.

    Returns:
        `RateResult`; ``float(result)`` is the total rate in nats, 0 or more.

    Raises:
        InputError: for arrays that cannot be used, naming which.

    Source: Higgins et al. 2017, Eq. 4 (the KL term); in closed form, Kingma & Welling 2014.

    Misses: what the nats are about. A rate includes redundancy between latents; `elbo_terms`
    takes it apart.

    >>> float(rate_per_latent([[0.0], [2.0]], [[0.0], [0.0]]))
    1.0
    """
    mean = check_codes(mean, "mean")
    log_var = check_log_var(log_var, mean, "to compute a rate")
    kl = 0.5 * (mean.astype(np.float64) ** 2 + np.exp(log_var.astype(np.float64)) - log_var - 1)
    rows = kl.sum(axis=1)
    error = float(rows.std(ddof=1)) / len(rows) ** 0.5
    total = float(rows.mean())
    return RateResult(total, normal_interval(total, error, (0.0, np.inf)), kl.mean(axis=0))
