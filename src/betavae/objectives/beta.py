"""The beta-VAE objective (Higgins et al. 2017, Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from betavae.models.vae import VAE
from betavae.objectives.terms import Objective, Step, Terms


def gaussian_rate(mean: Tensor, log_var: Tensor) -> Tensor:
    """Return KL(N(mean, exp log_var) || N(0, 1)) per image and latent, in nats, >= 0.

    Args:
        mean: (B, M).
        log_var: (B, M).

    Source: Kingma & Welling 2014, Appendix B.

    >>> gaussian_rate(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    tensor([[0.5000]])
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def elbo_terms(model: VAE, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distortion (scalar) and the rate per latent (M,), in nats per image.

    The pair sums to -ELBO. Everything heavy of a step is here, so this is what is compiled.

    Args:
        model: the VAE.
        images: (B, C, H, W) in [0, 1].
        noise: (B, M) standard normal, the reparametrised sample's.
    """
    mean, log_var = model.posterior_parameters(images)
    latents = mean + torch.exp(0.5 * log_var) * noise
    distortion = model.likelihood.distortion(model.decoder(latents), images)
    return distortion, gaussian_rate(mean, log_var).mean(dim=0)


def beta_vae(
    beta: Callable[[int], float],
    terms: Callable[[VAE, Tensor, Tensor], tuple[Tensor, Tensor]] = elbo_terms,
) -> Objective:
    """Make the objective distortion + beta * rate.

    Args:
        beta: the weight of the rate as a function of the images seen so far.
        terms: computes distortion and rate per latent; a compiled `elbo_terms` goes here.

    Source: Higgins et al. 2017, Eq. 4; beta = 1 is the VAE of Kingma & Welling 2014.
    """

    def objective(model: VAE, images: Tensor, step: Step) -> Terms:
        shape = (len(images), model.latents)
        noise = torch.randn(
            shape, generator=step.generator, device=images.device, dtype=images.dtype
        )
        distortion, rate_per_latent = terms(model, images, noise)
        rate = rate_per_latent.sum()
        weight = beta(step.images_seen)
        return Terms(distortion + weight * rate, distortion, rate, rate_per_latent, weight)

    return objective
