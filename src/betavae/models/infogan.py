"""InfoGAN as the beta-VAE paper compared against it (Higgins et al. 2017, A.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from betavae.models.methods import FitOptions
from betavae.models.networks import check_square

NOISE = 5  # latents that say nothing in particular, beside the codes
INSTANCE_NOISE = 0.2  # standard deviation of the noise on what the discriminator sees
SLOPE = 0.1  # of the leaky ReLU below 0, as in openai/InfoGAN


class InfoGAN(nn.Module):
    """A generator, a discriminator, and Q, which reads the codes off the discriminator's features.

    Images are in [-1, 1] inside and in [0, 1] outside. Codes and noise are uniform in [-1, 1].

    Args:
        image_shape: (C, H, W), H = W a multiple of 4.
        latents: number of codes, M.

    Source: Chen et al. 2016; Higgins et al. 2017, A.2; layers as in openai/InfoGAN.

    >>> gan = InfoGAN((1, 32, 32), 5).eval()
    >>> images = gan.generator(gan.draw(2, torch.Generator().manual_seed(0)))
    >>> gan.code_means(images).shape, gan.decode(torch.zeros(2, 5)).shape
    (torch.Size([2, 5]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(self, image_shape: tuple[int, int, int], latents: int) -> None:
        super().__init__()
        channels, side, _ = image_shape
        small = side // 4
        self.latents = latents
        self.generator = nn.Sequential(
            *_dense(latents + NOISE, 256, nn.ReLU(True)),
            *_dense(256, 256, nn.ReLU(True)),
            nn.Linear(256, 128 * small**2),
            nn.Unflatten(1, (128, small, small)),
            nn.BatchNorm2d(128),
            nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.BatchNorm2d(64),
            nn.ReLU(True),
            nn.ConvTranspose2d(64, channels, 4, 2, 1),
            nn.Tanh(),
        )
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, 4, 2, 1),
            nn.LeakyReLU(SLOPE, True),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(SLOPE, True),
            nn.Flatten(),
            *_dense(128 * small**2, 256, nn.LeakyReLU(SLOPE, True)),
            *_dense(256, 256, nn.LeakyReLU(SLOPE, True)),
        )
        self.realness = nn.Linear(256, 1)
        self.recogniser = nn.Sequential(
            *_dense(256, 128, nn.LeakyReLU(SLOPE, True)), nn.Linear(128, latents)
        )

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return latents (n, M + 5), codes first, uniform in [-1, 1]."""
        shape = (n, self.latents + NOISE)
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    def judge(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return logits of being real (B,) and Q's code means (B, M) for images in [-1, 1].

        The images get instance noise first, real and generated ones alike, so that the two
        distributions overlap (A.2).
        """
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        features = self.features(images + INSTANCE_NOISE * noise)
        return self.realness(features).squeeze(1), self.recogniser(features)

    def code_means(self, images: Tensor) -> Tensor:
        """Return Q's means (B, M) for images (B, C, H, W) in [0, 1]."""
        means: Tensor = self.recogniser(self.features(images * 2 - 1))
        return means

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [0, 1] of codes (B, M), the noise at its mean, 0."""
        noise = latents.new_zeros(len(latents), NOISE)
        images: Tensor = self.generator(torch.cat((latents, noise), dim=1))
        return (images + 1) / 2

    def critic_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the weights of the discriminator and of Q."""
        for part in (self.features, self.realness, self.recogniser):
            yield from part.parameters()

    @contextmanager
    def generated(self) -> Iterator[None]:
        """Keep the discriminator's running statistics as they are within the block.

        Codes are read off real images, so those alone may set the statistics used for them.
        """
        layers = [m for m in self.features.modules() if isinstance(m, _NORMS)]
        before = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 0.0
        try:
            yield
        finally:
            for layer, momentum in zip(layers, before, strict=True):
                layer.momentum = momentum


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def _dense(inputs: int, outputs: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), activation]


def infogan(image_shape: tuple[int, int, int], latents: int) -> InfoGAN:
    """Build InfoGAN for images (C, H, W).

    Raises:
        InputError: when the images are not square with a side that is a multiple of 4.
    """
    check_square("infogan", image_shape, 4)
    return InfoGAN(image_shape, latents)


def information(codes: Tensor, means: Tensor) -> Tensor:
    """Return the lower bound of the mutual information of codes and images, in nats.

    ``E[log Q(c|x)] + H(c)``, Q a Gaussian of unit variance around `means`, H(c) = M log 2. It
    is at most M (log 2 - log(2 pi) / 2), below 0, since the unit variance is wide; its gradient
    is what counts.

    Args:
        codes: (B, M), what the images were generated from.
        means: (B, M), Q's means for those images.

    Source: Chen et al. 2016, Eq. 5.

    >>> round(float(information(torch.zeros(4, 1), torch.zeros(4, 1))), 4)
    -0.2258
    """
    log_density = -0.5 * (codes - means).square() - 0.5 * math.log(2 * math.pi)
    return log_density.sum(dim=1).mean() + codes.shape[1] * math.log(2)


class InfoGANMethod(FitOptions):
    """InfoGAN: codes read off a generative adversarial network."""

    name: Literal["infogan"] = "infogan"
    title = "InfoGAN"
    defaults: ClassVar[Mapping[str, Any]] = {
        "latents": 5,
        "batch": 64,
        "optimiser": {"name": "adam", "learning_rate": 1e-3},
    }
