"""What every objective returns, and what it is told about the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from betavae.models.vae import VAE


@dataclass(frozen=True)
class Terms:
    """Named terms in nats per image: summed over pixels and latents, mean over the batch.

    Attributes:
        loss: what is minimised, scalar.
        distortion: E_q[-log p(x|z)], scalar.
        rate: KL(q(z|x) || p(z)), scalar, >= 0.
        rate_per_latent: the rate's parts, (M,), each >= 0.
        beta: the weight of the rate in this step.
    """

    loss: Tensor
    distortion: Tensor
    rate: Tensor
    rate_per_latent: Tensor
    beta: float


@dataclass(frozen=True)
class Step:
    """Where training stands: images seen before this step, and the source of its noise."""

    images_seen: int
    generator: torch.Generator


Objective = Callable[[VAE, Tensor, Step], Terms]
