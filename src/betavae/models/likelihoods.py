"""Decoder distributions: what a decoder's raw output says about the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from betavae._system.options import Options


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision, which autocast gives, and leave float32 and float64 as they are."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


class Likelihood(Protocol):
    """How a decoder's raw output scores pixels, and which image it stands for."""

    def distortion(self, raw: Tensor, images: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, summed over pixels, mean over the batch: a scalar."""

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image."""


@dataclass(frozen=True)
class Bernoulli:
    """Independent Bernoulli pixels; the decoder gives logits.

    Pixels between 0 and 1 are taken as probabilities (cross-entropy), as the field does.
    """

    def distortion(self, raw: Tensor, images: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, summed over pixels, mean over the batch: a scalar."""
        total = functional.binary_cross_entropy_with_logits(
            at_least_float32(raw), images, reduction="sum"
        )
        return total / len(images)

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image in [0, 1]."""
        return torch.sigmoid(raw)


@dataclass(frozen=True)
class ContinuousBernoulli:
    """Independent continuous Bernoulli pixels in [0, 1]; the decoder gives logits.

    ``p(x) = C(lambda) lambda^x (1 - lambda)^(1 - x)``, lambda the logit's probability: the
    cross-entropy with the constant that makes it a density over [0, 1]. Densities exceed 1, so
    the distortion may be negative.

    Source: Loaiza-Ganem & Cunningham 2019, Eqs. 6-8.

    >>> round(float(ContinuousBernoulli().mean(torch.tensor(0.0))), 3)
    0.5
    """

    def distortion(self, raw: Tensor, images: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, summed over pixels, mean over the batch: a scalar."""
        logits = at_least_float32(raw)
        total = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        return (total - log_constant(logits).sum()) / len(images)

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image in [0, 1]: ``1/2 + coth(l / 2) / 2 - 1 / l`` for logits l."""
        near = raw.abs() < NEAR_HALF
        safe = torch.where(near, torch.ones_like(raw), raw)
        square = raw * raw
        series = 0.5 + raw * (1 / 12 - square * (1 / 720 - square / 30240))
        return torch.where(near, series, 0.5 + 0.5 / torch.tanh(safe / 2) - 1 / safe)


NEAR_HALF = 0.1
"""Logits below which series, exact to 1e-13, stand in for quotients of two small numbers."""


def log_constant(logits: Tensor) -> Tensor:
    """Return log C of the continuous Bernoulli, ``log(l / tanh(l / 2))`` for logits l.

    >>> log_constant(torch.tensor([0.0, 4.0]))
    tensor([0.6931, 1.4229])
    """
    near = logits.abs() < NEAR_HALF
    safe = torch.where(near, torch.ones_like(logits), logits).abs()
    square = torch.where(near, logits, torch.zeros_like(logits)).square()
    series = math.log(2) + torch.log1p(square * (1 / 12 - square * (1 / 720 - square / 30240)))
    return torch.where(near, series, torch.log(safe / torch.tanh(safe / 2)))


@dataclass(frozen=True)
class Gaussian:
    """Independent Gaussian pixels of fixed standard deviation `sigma`; the decoder gives means.

    sigma rescales beta: halving sigma^2 doubles the weight of a squared error against the
    rate, so a beta is comparable only at the same sigma.

    Attributes:
        sigma: the standard deviation.
        bounded: whether values are pixels, in [0, 1], or any numbers.
    """

    sigma: float = 0.1
    bounded: bool = True

    def distortion(self, raw: Tensor, images: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, summed over pixels, mean over the batch: a scalar."""
        squares = functional.mse_loss(at_least_float32(raw), images, reduction="sum") / len(images)
        constant = 0.5 * math.log(2 * math.pi * self.sigma**2) * images[0].numel()
        return squares / (2 * self.sigma**2) + constant

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image; pixels are cut to [0, 1] for display."""
        return raw.clamp(0, 1) if self.bounded else raw


class LearntGaussian(nn.Module):
    """Independent Gaussian pixels of one standard deviation, learnt with the weights.

    ``-log p(x|z) = |x - mean|^2 / (2 sigma^2) + (N / 2) log(2 pi sigma^2)`` for N pixels, which
    is lowest where sigma^2 is the mean squared error. So sigma follows the errors of the decoder,
    and with beta = 1 the two terms stay in balance whatever the size and contrast of the
    images. sigma rescales beta: as sigma falls, a squared error weighs more against the rate.

    Args:
        bounded: whether values are pixels, in [0, 1], or any numbers.

    Source: Rybkin et al. 2021 (sigma-VAE), Eqs. 4-6, whose shared variance this is, learnt by
    gradient; their optimal one is the same where training has converged.

    >>> round(LearntGaussian().sigma, 3)
    0.3
    """

    def __init__(self, *, bounded: bool = True) -> None:
        super().__init__()
        self.bounded = bounded
        self.scaled = nn.Parameter(torch.tensor(math.log(FIRST_SIGMA) / SPEED))

    @property
    def sigma(self) -> float:
        """The standard deviation as it stands."""
        return math.exp(SPEED * float(self.scaled.detach()))

    def distortion(self, raw: Tensor, images: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, summed over pixels, mean over the batch: a scalar."""
        squares = functional.mse_loss(at_least_float32(raw), images, reduction="sum") / len(images)
        log_sigma = (SPEED * self.scaled).clamp_min(math.log(LEAST_SIGMA))
        constant = (0.5 * math.log(2 * math.pi) + log_sigma) * images[0].numel()
        return 0.5 * squares * torch.exp(-2 * log_sigma) + constant

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image; pixels are cut to [0, 1] for display."""
        return raw.clamp(0, 1) if self.bounded else raw


FIRST_SIGMA = 0.3  # about the spread of the pixels, with which training starts
LEAST_SIGMA = 1 / 512  # half a step of 8 bits: what no picture can do better than
SPEED = 10.0  # log sigma has further to go than a weight, and Adam moves both by the same step


class BernoulliPixels(Options):
    """Each pixel is black or white, with the probability that the decoder gives."""

    name: Literal["bernoulli"] = "bernoulli"
    title = "Bernoulli"

    def make(self, *, bounded: bool = True) -> Bernoulli:
        """Return the likelihood; its values are always pixels."""
        return Bernoulli()


class ContinuousBernoulliPixels(Options):
    """Each pixel is any grey in [0, 1], with the continuous Bernoulli's density."""

    name: Literal["continuous-bernoulli"] = "continuous-bernoulli"
    title = "continuous Bernoulli"

    def make(self, *, bounded: bool = True) -> ContinuousBernoulli:
        """Return the likelihood; its values are always pixels."""
        return ContinuousBernoulli()


class GaussianPixels(Options):
    """Each pixel is Gaussian around the decoder's value, with one deviation, fixed or learnt."""

    name: Literal["gaussian"] = "gaussian"
    title = "Gaussian"
    bare = ("sigma",)

    sigma: float | Literal["learnt"] = Field(
        0.1, description="Standard deviation of the Gaussian decoder, or learnt."
    )

    @field_validator("sigma", mode="before")
    @classmethod
    def _number_or_learnt(cls, sigma: object) -> object:
        if sigma == "learnt":
            return sigma
        try:
            number = math.nan if isinstance(sigma, bool) else float(sigma)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number < math.inf:
            raise ValueError(f"sigma must be a number > 0, or learnt, got {sigma!r}")
        return number

    def make(self, *, bounded: bool = True) -> Gaussian | LearntGaussian:
        """Return the likelihood of pixels in [0, 1], or of any numbers where not `bounded`."""
        if isinstance(self.sigma, str):
            return LearntGaussian(bounded=bounded)
        return Gaussian(self.sigma, bounded)


NO_LIKELIHOOD = (
    "grey pixels: Bernoulli cross-entropy is no likelihood of them (continuous-bernoulli is one)"
)
"""What is said wherever nats of grey images under a Bernoulli decoder are printed."""
