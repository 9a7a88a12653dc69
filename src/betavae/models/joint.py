"""Gaussian and categorical latents together (JointVAE, Dupont 2018)."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.models.latents import OfTensor, gaussian_rate
from betavae.models.likelihoods import at_least_float32


def parted(columns: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Return columns (B, sum of sizes) in parts of these sizes."""
    return torch.split(columns, list(sizes), dim=1)


class JointPosterior(NamedTuple):
    """q(z, c|x): independent Gaussians, and independent categories.

    Attributes:
        mean: (B, G).
        log_var: (B, G).
        log_shares: (B, sum of sizes) log probabilities, one category after the other.
        sizes: values of each category.
        temperature: of the relaxed samples.
    """

    mean: Tensor
    log_var: Tensor
    log_shares: Tensor
    sizes: tuple[int, ...]
    temperature: float

    @property
    def codes(self) -> Tensor:
        """The means, then the likeliest value of each category as a number, (B, G + C)."""
        likeliest = [part.argmax(dim=1) for part in parted(self.log_shares, self.sizes)]
        return torch.cat((self.mean, torch.stack(likeliest, dim=1).to(self.mean)), dim=1)

    def sample(self, noise: Tensor) -> Tensor:
        """Return samples (B, G + sum of sizes): of each category a relaxed one-hot row.

        Args:
            noise: (B, G + sum of sizes) of a standard normal; a category's is turned into Gumbel
                noise.

        Source: Jang et al. 2017, Eq. 2.
        """
        gaussians = self.mean.shape[1]
        own = self.mean + torch.exp(0.5 * self.log_var) * noise[:, :gaussians]
        tiny = torch.finfo(noise.dtype).tiny
        even = torch.special.ndtr(noise[:, gaussians:]).clamp(
            tiny, 1 - torch.finfo(noise.dtype).eps
        )
        heights = (self.log_shares - torch.log(-torch.log(even))) / self.temperature
        rows = [part.softmax(dim=1) for part in parted(heights, self.sizes)]
        return torch.cat((own, *rows), dim=1)

    def rate_per_latent(self) -> Tensor:
        """Return KL from the standard normal and from the uniform prior, (G + C,) nats, mean."""
        terms = self.log_shares.exp() * self.log_shares
        of_categories = [
            math.log(size) + part.sum(dim=1).mean()
            for size, part in zip(self.sizes, parted(terms, self.sizes), strict=True)
        ]
        of_gaussians = gaussian_rate(self.mean, self.log_var).mean(dim=0)
        return torch.cat((of_gaussians, torch.stack(of_categories)))

    def arrays(self) -> dict[str, Tensor]:
        """Return the Gaussians' log variances and the categories' probabilities."""
        return {"gaussian_log_var": self.log_var, "probabilities": self.log_shares.exp()}

    def map(self, function: OfTensor) -> JointPosterior:
        """Return the posterior with `function` applied to each of its tensors."""
        mean, log_var, shares = map(function, (self.mean, self.log_var, self.log_shares))
        return JointPosterior(mean, log_var, shares, self.sizes, self.temperature)


class Joint(nn.Module):
    """G Gaussians with a standard normal prior, then C categories with a uniform one.

    Args:
        latents: M = G + C.
        sizes: values of each category.
        temperature: of the relaxed samples that the decoder is given; towards 0 they become
            one-hot rows.

    Source: Dupont 2018, Section 3.2.

    >>> latent = Joint(3, (4,))
    >>> latent.encoder_outputs, latent.decoder_inputs
    (8, 6)
    >>> latent.decoder_codes(torch.tensor([[0.5, 0.1, 2.0]])).tolist()[0][2:]
    [0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, latents: int, sizes: tuple[int, ...] = (3,), temperature: float = 0.67):
        super().__init__()
        if not all(size >= 1 for size in sizes) or not sizes:
            raise InputError(f"categories must have sizes >= 1, got {sizes}")
        if latents < len(sizes):
            raise InputError(f"latents must be >= {len(sizes)}, the categories, got {latents}")
        self.latents, self.sizes, self.temperature = latents, sizes, temperature
        self.gaussians = latents - len(sizes)
        self.encoder_outputs = 2 * self.gaussians + sum(sizes)
        self.decoder_inputs = self.noise_columns = self.gaussians + sum(sizes)

    def forward(self, parameters: Tensor) -> JointPosterior:
        """Return q(z, c|x) for means, log variances, then logits (B, 2G + sum of sizes)."""
        own = (self.gaussians, self.gaussians, sum(self.sizes))
        mean, log_var, logits = parted(at_least_float32(parameters), own)
        parts = [part.log_softmax(dim=1) for part in parted(logits, self.sizes)]
        return JointPosterior(mean, log_var, torch.cat(parts, dim=1), self.sizes, self.temperature)

    def prior(self, noise: Tensor) -> Tensor:
        """Return draws from the prior, categories as one-hot rows, (n, `decoder_inputs`)."""
        parts = parted(noise[:, self.gaussians :], self.sizes)
        drawn = torch.stack([part.argmax(dim=1) for part in parts], dim=1).to(noise)
        return self.decoder_codes(torch.cat((noise[:, : self.gaussians], drawn), dim=1))

    def decoder_codes(self, codes: Tensor) -> Tensor:
        """Return codes (B, M) with each category's number, rounded, as a one-hot row."""
        rows = [
            functional.one_hot(column.round().clamp(0, size - 1).long(), size).to(codes)
            for size, column in zip(self.sizes, codes[:, self.gaussians :].unbind(1), strict=True)
        ]
        return torch.cat((codes[:, : self.gaussians], *rows), dim=1)

    def book_of(self, latent: int) -> Tensor | None:
        """Return the numbers of a category's values; None for a Gaussian."""
        if latent < self.gaussians:
            return None
        return torch.arange(self.sizes[latent - self.gaussians], dtype=torch.float32)

    def levels(self, latent: int, count: int, limit: float = 3.0) -> Tensor:
        """Return values from -limit to limit deviations, or those of a category."""
        book = self.book_of(latent)
        if book is None:
            return torch.linspace(-limit, limit, count)
        place = torch.linspace(0, len(book) - 1, count, dtype=torch.float64)
        return book[place.round().long()]


class JointLatent(Options):
    """Gaussians, and categories by Gumbel-softmax (Dupont 2018)."""

    name: Literal["joint"] = "joint"
    title = "Gaussian and categorical"

    categories: str = Field(
        "3", description="Sizes of the categorical latents, such as 3 or 3,10; the last of M."
    )
    temperature: float = Field(0.67, gt=0, description="Of the relaxed samples of categories.")

    @field_validator("categories", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        """Take numbers and lists of them as well."""
        if isinstance(value, int):
            value = str(value)
        if isinstance(value, (list, tuple)):
            value = ",".join(map(str, value))
        parts = value.split(",") if isinstance(value, str) else []
        if not parts or not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
            raise ValueError(f"categories must be sizes >= 1 joined by commas, got {value!r}")
        return value.replace(" ", "")

    def make(self, latents: int) -> Joint:
        """Return the latent module of M latents, the categories among them.

        Raises:
            InputError: for fewer latents than categories.
        """
        return Joint(latents, tuple(map(int, self.categories.split(","))), self.temperature)
