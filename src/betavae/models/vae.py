"""The variational autoencoder: an encoder, a latent, a decoder and a likelihood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from betavae.models.latents import Latent, Posterior
from betavae.models.likelihoods import Likelihood, at_least_float32


class VAE(nn.Module):
    """q(z|x) from the encoder and the latent, p(x|z) from the decoder and the likelihood.

    Args:
        encoder: images (B, C, H, W) -> (B, latent.encoder_outputs).
        latent: what a code is: `betavae.models.latents.Gaussian`, or one like it.
        decoder: (B, latent.decoder_inputs) -> raw pixel parameters (B, C, H, W).
        likelihood: how raw parameters score pixels.

    >>> from betavae.models import Bernoulli, Gaussian, build_network
    >>> encoder, decoder = build_network("patch", (1, 32, 32), 6, 3)
    >>> vae = VAE(encoder, Gaussian(3), decoder, Bernoulli())
    >>> posterior = vae.encode(torch.zeros(2, 1, 32, 32))
    >>> posterior.mean.shape, vae.decode(posterior.mean).shape
    (torch.Size([2, 3]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(
        self, encoder: nn.Module, latent: Latent, decoder: nn.Module, likelihood: Likelihood
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.likelihood = likelihood

    def encode(self, images: Tensor) -> Any:
        """Return q(z|x) for images (B, C, H, W): the latent's posterior.

        Of Gaussian latents it has `mean`, `log_var` and `stddev`, each (B, M).
        """
        posterior: Posterior = self.latent(self.encoder(images))
        return posterior

    def code_means(self, images: Tensor) -> Tensor:
        """Return the codes (B, M) for images (B, C, H, W): posterior means."""
        codes: Tensor = self.encode(images).codes
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return the mean images (B, C, H, W) in [0, 1] for codes (B, M)."""
        raw = self.decoder(self.latent.decoder_codes(codes))
        return self.likelihood.mean(at_least_float32(raw))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the mean images of the codes, (B, C, H, W) in [0, 1]."""
        return self.decode(self.code_means(images))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Return mean images of `n` draws from the prior, (n, C, H, W)."""
        weight = next(self.parameters())
        device = weight.device if generator is None else generator.device
        noise = torch.randn(n, self.latent.noise_columns, generator=generator, device=device)
        raw = self.decoder(self.latent.prior(noise.to(weight.device)))
        return self.likelihood.mean(at_least_float32(raw))

    @property
    def latents(self) -> int:
        """Number of latents, M."""
        return self.latent.latents
