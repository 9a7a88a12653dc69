"""One pass of a batch through the VAE: the two terms of the ELBO, and what they came from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from betavae.models.vae import VAE


class Pass(NamedTuple):
    """A batch's terms in nats per image, mean over the batch, and its posterior.

    Attributes:
        distortion: E_q[-log p(x|z)], scalar.
        rate_per_latent: KL(q(z_j|x) || p(z_j)), (M,), each >= 0.
        mean: of q(z|x), (B, M).
        log_var: of q(z|x), (B, M).
        latents: a sample of q(z|x) for every image, (B, M); gradients pass through it.
    """

    distortion: Tensor
    rate_per_latent: Tensor
    mean: Tensor
    log_var: Tensor
    latents: Tensor

    @property
    def rate(self) -> Tensor:
        """KL(q(z|x) || p(z)), scalar."""
        return self.rate_per_latent.sum()


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


def elbo_pass(model: VAE, images: Tensor, noise: Tensor) -> Pass:
    """Encode, sample, decode; distortion + rate is -ELBO.

    Everything heavy of a step is here, so this is what is compiled.

    Args:
        model: the VAE.
        images: (B, C, H, W) in [0, 1].
        noise: (B, M) standard normal, the reparametrised sample's.
    """
    mean, log_var = model.posterior_parameters(images)
    latents = mean + torch.exp(0.5 * log_var) * noise
    distortion = model.likelihood.distortion(model.decoder(latents), images)
    return Pass(distortion, gaussian_rate(mean, log_var).mean(dim=0), mean, log_var, latents)
