"""InfoGAN as the beta-VAE paper compared against it (Higgins et al. 2017, A.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from betavae._system.errors import InputError
from betavae.models.methods import FitOptions
from betavae.models.networks import check_square

NOISE = 5  # latents that say nothing in particular, beside the codes
INSTANCE_NOISE = 0.2  # standard deviation of the noise on what the discriminator sees
SLOPE = 0.1  # of the leaky ReLU below 0, as in openai/InfoGAN


class InfoGAN(nn.Module):
    """A generator, a discriminator, and Q, which reads the codes off the discriminator's features.

    Images are in [-1, 1] inside and in [0, 1] outside. Categorical codes come first and are whole
    numbers from 0 up, each value as likely; the generator takes them one-hot, and Q gives logits.
    The other codes and the noise are uniform in [-1, 1].

    Args:
        image_shape: (C, H, W), H = W a multiple of 4.
        latents: number of codes, M, with the categorical ones.
        categorical: the number of values of each categorical code.

    Source: Chen et al. 2016; Higgins et al. 2017, A.2; layers as in openai/InfoGAN.

    >>> gan = InfoGAN((1, 32, 32), 5).eval()
    >>> images = gan.generator(gan.draw(2, torch.Generator().manual_seed(0)))
    >>> gan.code_means(images).shape, gan.decode(torch.zeros(2, 5)).shape
    (torch.Size([2, 5]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latents: int,
        categorical: Sequence[int] = (),
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        small = side // 4
        self.latents, self.categorical = latents, tuple(categorical)
        entries = sum(self.categorical) + latents - len(self.categorical)
        self.generator = nn.Sequential(
            *_dense(entries + NOISE, 256, nn.ReLU(True)),
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
            *_dense(256, 128, nn.LeakyReLU(SLOPE, True)), nn.Linear(128, entries)
        )

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return latents (n, M + 5), codes first, as `InfoGAN` says."""
        shape = (n, self.latents + NOISE)
        latents = torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
        for k, values in enumerate(self.categorical):
            latents[:, k] = ((latents[:, k] + 1) * values / 2).floor().clamp(max=values - 1)
        return latents

    def entries(self, latents: Tensor) -> Tensor:
        """Return latents (n, M + 5) as the generator takes them, categorical codes one-hot."""
        if not self.categorical:
            return latents
        parts = [
            one_hot(latents[:, k].round().long().clamp(0, values - 1), values).to(latents.dtype)
            for k, values in enumerate(self.categorical)
        ]
        return torch.cat((*parts, latents[:, len(self.categorical) :]), dim=1)

    def judge(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return logits of being real (B,) and Q's reading of the codes for images in [-1, 1].

        The reading (B, entries) is the logits of each categorical code, then the others' means.

        The images get instance noise first, real and generated ones alike, so that the two
        distributions overlap (A.2).
        """
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        features = self.features(images + INSTANCE_NOISE * noise)
        return self.realness(features).squeeze(1), self.recogniser(features)

    def code_means(self, images: Tensor) -> Tensor:
        """Return Q's means (B, M) for images (B, C, H, W) in [0, 1]; the likeliest categories."""
        read: Tensor = self.recogniser(self.features(images * 2 - 1))
        *logits, means = torch.split(
            read, [*self.categorical, read.shape[1] - sum(self.categorical)], dim=1
        )
        chosen = [part.argmax(dim=1, keepdim=True).to(means.dtype) for part in logits]
        return torch.cat((*chosen, means), dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [0, 1] of codes (B, M), the noise at its mean, 0.

        A categorical code is rounded to the nearest of its values.
        """
        noise = latents.new_zeros(len(latents), NOISE)
        images: Tensor = self.generator(self.entries(torch.cat((latents, noise), dim=1)))
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


def infogan(
    image_shape: tuple[int, int, int], latents: int, categorical: Sequence[int] = ()
) -> InfoGAN:
    """Build InfoGAN for images (C, H, W); see `InfoGAN`.

    Raises:
        InputError: when the images are not square with a side that is a multiple of 4, or there
            are more categorical codes than codes.
    """
    check_square("infogan", image_shape, 4)
    if len(categorical) > latents:
        raise InputError(
            f"latents must be >= {len(categorical)}, the number of categorical codes, got {latents}"
        )
    return InfoGAN(image_shape, latents, categorical)


def information(codes: Tensor, read: Tensor, categorical: Sequence[int] = ()) -> Tensor:
    """Return the lower bound of the mutual information of codes and images, in nats.

    ``E[log Q(c|x)] + H(c)``. Of a categorical code Q is the softmax of its logits and H(c) = log V,
    so that it is at most log V. Of the others Q is a Gaussian of unit variance around its means,
    H(c) = log 2 each; that is at most log 2 - log(2 pi) / 2 a code, below 0, since the unit
    variance is wide; its gradient is what counts.

    Args:
        codes: (B, M), what the images were generated from.
        read: (B, entries), Q's logits, then its means, for those images.
        categorical: the number of values of each categorical code.

    Source: Chen et al. 2016, Eq. 5.

    >>> round(float(information(torch.zeros(4, 1), torch.zeros(4, 1))), 4)
    -0.2258
    """
    *logits, means = torch.split(read, [*categorical, read.shape[1] - sum(categorical)], dim=1)
    others = codes[:, len(categorical) :]
    log_density = -0.5 * (others - means).square() - 0.5 * math.log(2 * math.pi)
    bound: Tensor = log_density.sum(dim=1).mean() + others.shape[1] * math.log(2)
    for k, (part, values) in enumerate(zip(logits, categorical, strict=True)):
        bound = bound + math.log(values) - cross_entropy(part, codes[:, k].long())
    return bound


class InfoGANMethod(FitOptions):
    """InfoGAN: codes read off a generative adversarial network."""

    name: Literal["infogan"] = "infogan"
    title = "InfoGAN"
    categorical: tuple[Annotated[int, Field(ge=2, le=1000)], ...] = Field(
        (),
        description="Number of values of a categorical code, given once for each such code; the "
        "rest of --latents are continuous.",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "latents": 5,
        "batch": 64,
        "optimiser": {"name": "adam", "learning_rate": 1e-3},
    }
