"""The beta-VAE objective (Higgins et al. 2017, Eq. 4), with free bits."""

from __future__ import annotations

from torch import Tensor

from betavae._system.errors import InputError
from betavae.models.vae import VAE
from betavae.objectives.terms import Objective, Step, Terms, Weight


def beta_vae(beta: Weight = 4.0, *, free_bits: float = 0.0) -> Objective:
    """Make the objective ``distortion + beta * sum_j max(free_bits, rate_j)``.

    Args:
        beta: the weight of the rate, or a schedule of it.
        free_bits: nats per latent that cost nothing; 0 is the plain objective. The floor is
            put under the batch's mean rate of a latent, not under each image's.

    Source: Higgins et al. 2017, Eq. 4; beta = 1 is the VAE of Kingma & Welling 2014. Free bits:
    Kingma et al. 2016, Eq. 15, one group a latent.

    Raises:
        InputError: for negative weights.
    """
    if not callable(beta) and not beta >= 0:
        raise InputError(f"beta must be >= 0, got {beta}")
    if not free_bits >= 0:
        raise InputError(f"free_bits must be >= 0, got {free_bits}")

    def objective(model: VAE, images: Tensor, step: Step) -> Terms:
        found = step.forward(model, images)
        weight = step.at(beta)
        paid = found.rate_per_latent.clamp(min=free_bits).sum() if free_bits else found.rate
        return Terms.of(found, found.distortion + weight * paid, beta=weight)

    return objective
