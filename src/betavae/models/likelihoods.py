"""Decoder distributions: what a decoder's raw output says about the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor
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
    tensor([0.6931, 1.4228])
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
    """Each pixel is Gaussian around the decoder's value, with one fixed deviation."""

    name: Literal["gaussian"] = "gaussian"
    title = "Gaussian"
    bare = ("sigma",)

    sigma: float = Field(0.1, gt=0, description="Standard deviation of the Gaussian decoder.")

    def make(self, *, bounded: bool = True) -> Gaussian:
        """Return the likelihood of pixels in [0, 1], or of any numbers where not `bounded`."""
        return Gaussian(self.sigma, bounded)


NO_LIKELIHOOD = (
    "grey pixels: Bernoulli cross-entropy is no likelihood of them (continuous-bernoulli is one)"
)
"""What is said wherever nats of grey images under a Bernoulli decoder are printed."""
