"""The rate of each latent, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Floats, check_codes, check_log_var
from betavae.metrics._shared.results import About, Scored, normal_interval

PROTOCOLS = ("closed_form",)


@dataclass(frozen=True)
class RateResult(Scored):
    """The rate of a representation, by latent.

    Attributes:
        score: total rate, nats an image: the sum of `per_latent`.
        interval: 95 % interval of the mean over rows.
        protocol: ``"closed_form"``.
        about: rows, factors, seed and version behind the number.
        per_latent: (M,) mean KL(q(z_j | x) || N(0, 1)) in nats.
    """

    per_latent: Floats


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
    return RateResult(
        score=total,
        interval=normal_interval(total, error, (0.0, np.inf)),
        protocol=PROTOCOLS[0],
        about=About.of(mean.shape),
        per_latent=kl.mean(axis=0),
    )
