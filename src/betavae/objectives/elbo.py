"""One pass of a batch through the VAE: the two terms of the ELBO, and what they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from betavae.models.vae import VAE

Between = Callable[[Any], Any]
"""What an objective does with the posterior before it is sampled: posterior -> posterior."""


class Pass(NamedTuple):
    """A batch's terms in nats per image, mean over the batch, and its posterior.

    Attributes:
        distortion: E_q[-log p(x|z)], scalar.
        rate_per_latent: nats that each latent carries, (M,); of Gaussians KL(q(z_j|x) || p(z_j)).
        posterior: of the latent's own kind, a NamedTuple of tensors with the batch first.
        latents: a sample of it for every image, as the decoder was given it; gradients pass.
    """

    distortion: Tensor
    rate_per_latent: Tensor
    posterior: Any
    latents: Tensor

    @property
    def rate(self) -> Tensor:
        """KL(q(z|x) || p(z)), scalar."""
        return self.rate_per_latent.sum()


def elbo_pass(model: VAE, images: Tensor, noise: Tensor, between: Between | None = None) -> Pass:
    """Encode, sample, decode; distortion + rate is -ELBO.

    Everything heavy of a step is here, so this is what is compiled and shared over processes.

    Args:
        model: the VAE.
        images: (B, C, H, W) in [0, 1].
        noise: (B, latent.noise_columns) standard normal, the sample's.
        between: steps in before the posterior is sampled.
    """
    posterior = model.encode(images)
    if between is not None:
        posterior = between(posterior)
    latents = posterior.sample(noise)
    distortion = model.likelihood.distortion(model.decoder(latents), images)
    return Pass(distortion, posterior.rate_per_latent(), posterior, latents)
