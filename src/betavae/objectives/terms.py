"""What every objective returns, and what it is told about the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from betavae.models.vae import VAE
from betavae.objectives.elbo import Pass, elbo_pass
from betavae.objectives.ranks import Ranks

Weight = float | Callable[[int], float]
"""A constant, or a schedule: a function of the images seen."""


@dataclass(frozen=True)
class Terms:
    """Named terms in nats per image: summed over pixels and latents, mean over the batch.

    Attributes:
        loss: what is minimised, scalar.
        distortion: E_q[-log p(x|z)], scalar.
        rate: KL(q(z|x) || p(z)), scalar, >= 0.
        rate_per_latent: the rate's parts, (M,), each >= 0.
        beta: the objective's weight called beta: of the rate, or of what stands in its place.
        extras: further scalars to record, by name, the one to watch first; what a batch can
            only estimate is named so (``tc_estimate``).
        after: called once the model has taken its step: where an objective moves state of its
            own (a multiplier, a discriminator).
    """

    loss: Tensor
    distortion: Tensor
    rate: Tensor
    rate_per_latent: Tensor
    beta: float | Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    after: Callable[[], None] | None = None

    @classmethod
    def of(
        cls,
        found: Pass,
        loss: Tensor,
        *,
        beta: float | Tensor = 1.0,
        extras: Mapping[str, Tensor] | None = None,
        after: Callable[[], None] | None = None,
    ) -> Terms:
        """Return the terms of a pass with the loss made from it."""
        rates = found.rate_per_latent
        return cls(loss, found.distortion, rates.sum(), rates, beta, extras or {}, after)


@dataclass(frozen=True)
class Step:
    """Where training stands, and what an objective may need besides the batch.

    Attributes:
        images_seen: before this step.
        generator: the source of all noise, on the model's device.
        dataset_size: images in the data set, N.
        second_batch: returns a batch drawn independently of this step's, (B, C, H, W).
        elbo: runs a batch through the VAE; the loop puts a compiled or shared `elbo_pass` here.
        ranks: the processes that share the batch. The images, the second batch's too, are then
            this one's part of it, while `forward` returns the whole batch's terms and codes,
            and all noise is drawn for the whole batch, the same on every rank.
    """

    images_seen: int
    generator: torch.Generator
    dataset_size: int
    second_batch: Callable[[], Tensor]
    elbo: Callable[[VAE, Tensor, Tensor], Pass] = elbo_pass
    ranks: Ranks = Ranks()  # noqa: RUF009 - frozen

    def forward(self, model: VAE, images: Tensor) -> Pass:
        """Draw the noise and run `images` (B, C, H, W) through the model."""
        rows = len(images) * self.ranks.count
        return self.elbo(model, images, self.normal(rows, model.latents, images))

    def normal(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """Return (rows, columns) standard normal noise of the dtype and device of `like`."""
        return torch.randn(
            rows, columns, generator=self.generator, device=like.device, dtype=like.dtype
        )

    def at(self, weight: Weight) -> float:
        """Return the value that a constant or scheduled weight has now."""
        return weight(self.images_seen) if callable(weight) else weight


Objective = Callable[[VAE, Tensor, Step], Terms]
"""(model, images (B, C, H, W), step) -> Terms; one with state is also a `Stateful`."""
