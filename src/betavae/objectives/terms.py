"""What every learner and objective returns, and what it is told about the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from betavae._system.errors import InputError
from betavae.data.batches import Batch, Sampler
from betavae.models.joint import Joint
from betavae.models.latents import Gaussian
from betavae.models.vae import VAE
from betavae.objectives.elbo import Between, Pass, elbo_pass
from betavae.objectives.ranks import Ranks

Weight = float | Callable[[int], float]
"""A constant, or a schedule: a function of the images seen."""


@dataclass(frozen=True)
class Terms:
    """What a step came to, in nats per image: summed over pixels and latents, batch mean.

    Attributes:
        loss: what is minimised, scalar.
        values: what is recorded, by name, the one to watch first: tensors are averaged over the
            steps of a record; numbers are settings, of which the last one is kept. A weight
            called ``beta`` is that of the rate. What a batch can only estimate is named so
            (``tc_estimate``).
        per_latent: nats that each latent carries, (M,), where that is known.
        after: called once the model has taken its step: where an objective moves state of its
            own (a multiplier, a discriminator).
    """

    loss: Tensor
    values: Mapping[str, Tensor | float] = field(default_factory=dict)
    per_latent: Tensor | None = None
    after: Callable[[], None] | None = None

    @classmethod
    def of(
        cls,
        found: Pass,
        loss: Tensor,
        values: Mapping[str, Tensor | float] | None = None,
        after: Callable[[], None] | None = None,
    ) -> Terms:
        """Return the terms of a pass, with its distortion and rate, and the loss made from it.

        A latent whose posterior has a `penalty()` of its own (quantised ones) adds it to the loss.
        """
        both = {"distortion": found.distortion, "rate": found.rate}
        penalty = getattr(found.posterior, "penalty", None)
        if penalty is not None:
            both["penalty"] = penalty()
            loss = loss + both["penalty"]
        return cls(loss, {**both, **(values or {})}, found.rate_per_latent, after)


@dataclass(frozen=True)
class Step:
    """Where training stands, and what an objective may need besides the batch.

    Attributes:
        images_seen: before this step.
        generator: the source of all noise, on the model's device.
        dataset_size: images in the data set, N.
        elbo: runs a batch through the VAE; the loop puts a compiled or shared `elbo_pass` here.
        ranks: the processes that share the batch. The batch's images are then this one's part of
            it, while `forward` returns the whole batch's terms and codes, and all noise is drawn
            for the whole batch, the same on every rank.
    """

    images_seen: int
    generator: torch.Generator
    dataset_size: int
    elbo: Callable[[VAE, Tensor, Tensor, Between | None], Pass] = elbo_pass
    ranks: Ranks = Ranks()  # noqa: RUF009 - frozen

    def forward(self, model: VAE, images: Tensor, between: Between | None = None) -> Pass:
        """Draw the noise and run `images` (B, C, H, W) through the model.

        `between` steps in between encoding and sampling: it is given this rank's posterior and
        returns the one to sample.
        """
        rows = len(images) * self.ranks.count
        noise = self.normal(rows, model.latent.noise_columns, images)
        return self.elbo(model, images, noise, between)

    def normal(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """Return (rows, columns) standard normal noise of the dtype and device of `like`."""
        return torch.randn(
            rows, columns, generator=self.generator, device=like.device, dtype=like.dtype
        )

    def at(self, weight: Weight) -> float:
        """Return the value that a constant or scheduled weight has now."""
        return weight(self.images_seen) if callable(weight) else weight


Objective = Callable[[VAE, Batch, Step], Terms]
"""(model, batch, step) -> Terms.

One with state is also a `Stateful`; what else it asks for, `asks` notes on it.
"""


def asks(
    objective: Objective,
    *,
    gaussian: str | None = None,
    joint: str | None = None,
    sampler: Sampler | None = None,
) -> Objective:
    """Note on an objective, a function, what it asks of the model and the batches.

    Args:
        objective: gets the attributes ``needs_gaussian``, ``needs_joint`` and ``sampler``.
        gaussian: the objective's name, where it needs Gaussian latents.
        joint: the objective's name, where it needs Gaussian and categorical ones.
        sampler: how its batches are drawn; shuffled if None (`betavae.data.batches`).
    """
    for name, value in (
        ("needs_gaussian", gaussian), ("needs_joint", joint), ("sampler", sampler)
    ):  # fmt: skip
        if value is not None:
            setattr(objective, name, value)
    return objective


def check_latent(objective: object, model: VAE) -> None:
    """Refuse an objective that needs latents of a kind where the model has others.

    Raises:
        InputError: says which.
    """
    for attribute, kind, words in (
        ("needs_gaussian", Gaussian, "Gaussian latents"), ("needs_joint", Joint, "latent joint")
    ):  # fmt: skip
        name = getattr(objective, attribute, None)
        if name is not None and not isinstance(model.latent, kind):
            got = type(model.latent).__name__.lower()
            raise InputError(f"objective {name} needs {words}, got {got}")


def check_weights(**weights: Weight) -> None:
    """Refuse weights below 0; schedules are not looked into.

    Raises:
        InputError: names the first.

    >>> check_weights(gamma=1.0, beta=lambda seen: 2.0)
    >>> check_weights(gamma=-1.0)
    Traceback (most recent call last):
    ...
    betavae.InputError: gamma must be >= 0, got -1.0
    """
    for name, weight in weights.items():
        if not callable(weight) and not weight >= 0:
            raise InputError(f"{name} must be >= 0, got {weight}")


def check_pairs(name: str, images: int) -> None:
    """Refuse a batch of one for an objective that compares the images of a batch.

    Raises:
        InputError: says which.
    """
    if images < 2:
        raise InputError(f"{name} needs at least 2 images a batch, got {images}")
