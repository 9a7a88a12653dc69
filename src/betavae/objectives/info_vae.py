"""InfoVAE (Zhao et al. 2019): a distance of the aggregate posterior from the prior."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.likelihoods import at_least_float32
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, asks, check_pairs, check_weights

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return the inverse multiquadratic kernel, (A, B), summed over seven scales s.

    ``k(x, y) = sum_s C_s / (C_s + |x - y|^2)`` with ``C_s = 2 M s``: the expected squared
    distance of two prior samples is 2 M.

    Args:
        x: (A, M).
        y: (B, M).

    Source: Tolstikhin et al. 2018 (WAE), Section 4.
    """
    with torch.autocast(x.device.type, enabled=False):
        squares = (x[:, None] - y[None]).square().sum(dim=2)
    total = torch.zeros_like(squares)
    for scale in SCALES:
        constant = 2 * x.shape[1] * scale
        total = total + constant / (constant + squares)
    return total


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Estimate the squared maximum mean discrepancy without bias, a scalar; may be negative.

    No sample is compared with itself: that would add the kernel's constant to every estimate.

    Args:
        x: (A, M), A >= 2.
        y: (B, M), B >= 2.

    Source: Gretton et al. 2012, Eq. 3.
    """
    x, y = at_least_float32(x), at_least_float32(y)
    within_x, within_y = (
        (part.sum() - part.diagonal().sum()) / (len(part) * (len(part) - 1))
        for part in (kernel(x, x), kernel(y, y))
    )
    return within_x + within_y - 2 * kernel(x, y).mean()


def infovae(alpha: float = 0.5, *, scale: float = 100.0) -> Objective:
    """Make ``distortion + (1 - alpha) rate + (alpha + scale - 1) MMD(q(z), p(z))``.

    Args:
        alpha: how much of the mutual information between image and code is left unpunished: 0
            is the VAE's rate, 1 none of it (MMD-VAE).
        scale: lambda of the paper, the weight of KL(q(z) || p(z)), here of the MMD.

    Source: Zhao et al. 2019, Eq. 6.

    Raises:
        InputError: for an option out of range.
    """
    if not alpha <= 1:
        raise InputError(f"alpha must be <= 1, got {alpha}")
    check_weights(scale=scale)
    if alpha + scale < 1:
        raise InputError(f"alpha + scale must be >= 1, got {alpha + scale:g}")

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        check_pairs("infovae", len(found.latents))
        rows, columns = found.latents.shape
        prior = step.normal(rows, columns, like=found.latents)
        distance = mmd(found.latents, prior)
        loss = found.distortion + (1 - alpha) * found.rate + (alpha + scale - 1) * distance
        return Terms.of(found, loss, {"mmd_estimate": distance, "beta": 1 - alpha})

    return asks(objective, gaussian="infovae")


class InfoVAEOptions(Options):
    """A distance of the aggregate posterior from the prior (Zhao et al. 2019)."""

    name: Literal["infovae"] = "infovae"
    title = "InfoVAE"
    alpha: float = Field(
        0.5, le=1, description="How much of the mutual information goes unpunished."
    )
    scale: float = Field(100.0, ge=0, description="The paper's lambda, weight of KL(q(z) || p(z)).")

    def make(self, length: Length) -> Objective:
        """Return the objective."""
        return infovae(**self.model_dump(exclude={"name"}))
