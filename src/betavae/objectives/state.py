"""State that an objective carries from step to step, in the form that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from betavae.models.vae import VAE
from betavae.objectives.optimisers import Optimiser


@runtime_checkable
class Stateful(Protocol):
    """An objective with state: training starts it, saves it and restores it bit for bit."""

    def start(self, model: VAE, seed: int) -> None:
        """Make the state anew on the model's device; a second training starts afresh."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state as tensors by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave, after `start`."""


def pack_optimiser(optimiser: Optimiser) -> dict[str, Tensor]:
    """Return an optimiser's state as tensors named ``INDEX.KEY``."""
    tensors: dict[str, Tensor] = {}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{index}.{key}": value for key, value in state.items()}
    return tensors


def unpack_optimiser(
    optimiser: Optimiser, tensors: Mapping[str, Tensor], *, begun: bool = False
) -> None:
    """Put back what `pack_optimiser` gave; learning rates and the like stay as they are.

    Args:
        optimiser: just made.
        tensors: its state.
        begun: whether steps were taken, so that each weight must have its state.

    Raises:
        ValueError: for state that is missing, or of other weights.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        if not index.isdecimal() or int(index) >= len(parameters):
            raise ValueError(f"a weight for the optimiser's '{name[:40]}'")
        like = parameters[int(index)]
        if value.shape not in (like.shape, torch.Size()):
            raise ValueError(f"the shape {tuple(like.shape)} of the optimiser's '{name[:40]}'")
        # Fused optimisers walk memory in order, so moments must lie as their weights do.
        laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[key] = laid
    kinds = {frozenset(keys) for keys in state.values()}
    if (begun and len(state) < len(parameters)) or any(
        some < more for some in kinds for more in kinds
    ):
        raise ValueError("the optimiser's state")
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
