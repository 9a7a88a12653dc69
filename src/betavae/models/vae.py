"""The variational autoencoder: an encoder, a decoder and a likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from betavae.config import Config
from betavae.models.likelihoods import Bernoulli, Gaussian, at_least_float32
from betavae.models.networks import ImageShape, build


class VAE(nn.Module):
    """Diagonal Gaussian posterior q(z|x), standard normal prior, decoder p(x|z).

    Args:
        encoder: images (B, C, H, W) -> (B, 2M), means then log variances.
        decoder: latents (B, M) -> raw pixel parameters (B, C, H, W).
        likelihood: how raw parameters score pixels.

    >>> vae = VAE.from_config(Config(network="patch", latents=3), (1, 32, 32))
    >>> posterior = vae.encode(torch.zeros(2, 1, 32, 32))
    >>> posterior.mean.shape, vae.decode(posterior.mean).shape
    (torch.Size([2, 3]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Bernoulli | Gaussian
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood

    @classmethod
    def from_config(cls, config: Config, image_shape: ImageShape) -> VAE:
        """Build the configured network with torch's global generator seeded by the caller.

        Rows of d numbers are images (1, 1, d), whose values a Gaussian does not take for pixels.
        """
        encoder, decoder = build(config.network, image_shape, config.latents)
        if config.likelihood == "bernoulli":
            return cls(encoder, decoder, Bernoulli())
        bounded = image_shape[:2] != (1, 1)
        return cls(encoder, decoder, Gaussian(config.sigma, bounded))

    def posterior_parameters(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances of q(z|x), each (B, M), never in half precision."""
        mean, log_var = at_least_float32(self.encoder(images)).chunk(2, dim=1)
        return mean, log_var

    def encode(self, images: Tensor) -> Normal:
        """Return q(z|x) for images (B, C, H, W): a Normal of batch shape (B, M)."""
        mean, log_var = self.posterior_parameters(images)
        return Normal(mean, torch.exp(0.5 * log_var), validate_args=False)

    def code_means(self, images: Tensor) -> Tensor:
        """Return the posterior means (B, M) for images (B, C, H, W)."""
        return self.posterior_parameters(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Return the mean images (B, C, H, W) in [0, 1] for latents (B, M)."""
        return self.likelihood.mean(at_least_float32(self.decoder(latents)))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the mean images of the posterior means, (B, C, H, W) in [0, 1]."""
        return self.decode(self.encode(images).mean)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Return mean images of `n` latents drawn from the prior, (n, C, H, W)."""
        weight = next(self.parameters())
        device = weight.device if generator is None else generator.device
        latents = torch.randn(n, self.latents, generator=generator, device=device)
        return self.decode(latents.to(weight.device))

    @property
    def latents(self) -> int:
        """Number of latents, M."""
        return next(m.in_features for m in self.decoder.modules() if isinstance(m, nn.Linear))
