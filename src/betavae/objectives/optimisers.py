"""Optimisers: which one moves which weights, and how the learning rate moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from typing_extensions import Self

from betavae._system.options import Options
from betavae.objectives import schedules

NARROW = 4


class LearningRate(Options):
    """What every optimiser is told about its learning rate."""

    bare = ("learning_rate", "learning_rate_schedule", "learning_rate_decay")

    learning_rate: float = Field(
        1e-3, gt=0, description="Peak learning rate. [default: 0.01 with muon, else 0.001]"
    )
    learning_rate_schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="Decay of the learning rate to zero, or none. "
        "[default: linear with settle, else constant]",
    )
    learning_rate_decay: int | None = Field(
        None,
        ge=1,
        description="Last images, over which it decays. "
        "[default: settle's second part, else the whole run]",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.learning_rate_decay is not None and self.learning_rate_schedule == "constant":
            raise ValueError(
                "learning_rate_decay needs learning_rate_schedule=linear or cosine, got constant"
            )
        return self

    def schedule(self, images: int) -> schedules.Schedule:
        """Return the learning rate as a function of the images seen, in a run of `images`."""
        peak, decay = self.learning_rate, min(self.learning_rate_decay or images, images)
        if self.learning_rate_schedule == "constant":
            return schedules.constant(peak)
        if self.learning_rate_schedule == "linear":
            fall = schedules.linear(peak, 0.0, decay)
        else:
            fall = schedules.cosine(peak, decay)
        return schedules.later(fall, images - decay)


class Adam(LearningRate):
    """Adam on every weight, which may decay (AdamW)."""

    name: Literal["adam"] = "adam"

    weight_decay: float = Field(
        0.0, ge=0, description="Share of every weight taken off a step, times the learning rate."
    )

    def make(self, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
        """Return the optimiser, fused where the device has it."""
        fused = device.type in ("cpu", "cuda")
        if not self.weight_decay:
            return torch.optim.Adam(model.parameters(), lr=self.learning_rate, fused=fused)
        return torch.optim.AdamW(
            model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=fused
        )


class Adagrad(LearningRate):
    """Adagrad on every weight, as the paper's networks were trained.

    Its accumulator starts at 0.1, as TensorFlow's did for the paper; torch's 0 would make the
    first step move every weight by the whole learning rate.
    """

    name: Literal["adagrad"] = "adagrad"

    def make(self, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
        """Return the optimiser, fused on the CPU."""
        return torch.optim.Adagrad(
            model.parameters(),
            lr=self.learning_rate,
            initial_accumulator_value=0.1,
            fused=device.type == "cpu",
        )


class Muon(LearningRate):
    """Muon on the inner weight matrices, Adam on everything else.

    Muon moves a matrix by its gradient made orthogonal, so that all its directions learn alike.
    It takes every 2-D weight but the two that touch the latents, the last of the encoder and the
    first of the decoder, whose rows and columns stand for single latents, and but those with a
    side of 4 or fewer, which have no directions to even out. They, convolutions and biases are
    Adam's.

    Source: Jordan et al. 2024 (Muon), as in `torch.optim.Muon`.
    """

    name: Literal["muon"] = "muon"

    learning_rate: float = Field(1e-2, gt=0, description="Peak learning rate of the matrices.")
    adam_share: float = Field(
        0.1, gt=0, description="Learning rate of the other weights, as a share of it."
    )
    momentum: float = Field(0.95, ge=0, lt=1, description="Of the matrices' gradients.")

    def make(self, model: nn.Module, device: torch.device) -> Together:
        """Return both optimisers as one."""
        inner = inner_matrices(model)
        taken = {id(weight) for weight in inner}
        others = [weight for weight in model.parameters() if id(weight) not in taken]
        adam = torch.optim.Adam(
            [{"params": others, "share": self.adam_share}],
            lr=self.learning_rate * self.adam_share,
            fused=device.type in ("cpu", "cuda"),
        )
        if not inner:
            return Together(adam)
        muon = torch.optim.Muon(
            inner, lr=self.learning_rate, momentum=self.momentum, weight_decay=0.0
        )
        return Together(muon, adam)


def inner_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the wide 2-D weights of a model but the encoder's last and the decoder's first."""

    def matrices(part: nn.Module) -> list[nn.Parameter]:
        return [weight for weight in part.parameters() if weight.dim() == 2]

    def wide(weights: list[nn.Parameter]) -> list[nn.Parameter]:
        return [weight for weight in weights if min(weight.shape) > NARROW]

    encoder, decoder = getattr(model, "encoder", None), getattr(model, "decoder", None)
    if encoder is None or decoder is None:
        return wide(matrices(model))
    return wide(matrices(encoder)[:-1] + matrices(decoder)[1:])


class Together:
    """Several optimisers of different weights as one, as far as training asks."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    @property
    def state(self) -> dict[Any, Any]:
        """The state of all weights."""
        return {weight: state for part in self.parts for weight, state in part.state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        """Move all weights."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all parts, the weights numbered through."""
        state: dict[int, Any] = {}
        for part, first in zip(self.parts, self._firsts(), strict=True):
            own = part.state_dict()["state"]
            state |= {first + index: value for index, value in own.items()}
        return {"state": state, "param_groups": self.param_groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back the state that `state_dict` gave."""
        for part, first in zip(self.parts, self._firsts(), strict=True):
            count = _count(part)
            own = {
                index - first: value
                for index, value in state_dict["state"].items()
                if first <= index < first + count
            }
            part.load_state_dict({"state": own, "param_groups": part.state_dict()["param_groups"]})

    def _firsts(self) -> Iterable[int]:
        first = 0
        for part in self.parts:
            yield first
            first += _count(part)


def _count(part: torch.optim.Optimizer) -> int:
    return sum(len(group["params"]) for group in part.param_groups)


Optimiser = torch.optim.Optimizer | Together


def set_learning_rate(optimiser: Optimiser, rate: float) -> None:
    """Give every group of parameters the rate, times the group's `share` of it if it has one."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
