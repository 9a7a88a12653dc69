"""What training changes, from the first weights on: model, optimiser, objective, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from betavae.config import Config
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.objectives.state import Stateful, pack_optimiser, unpack_optimiser
from betavae.objectives.terms import Objective
from betavae.training import checkpoint
from betavae.training.configured import make_objective, make_optimiser
from betavae.training.machine import choose_device


@dataclass
class Learner:
    """A model in training. Pickling keeps all of it, so that it goes on where it stood.

    Attributes:
        config: what it was made from.
        image_shape: (C, H, W).
        model: on the device it is trained on.
        optimiser: of the model's weights.
        objective: the configured one, or the caller's own.
        generator: the source of all noise, on the same device.
    """

    config: Config
    image_shape: ImageShape
    model: VAE
    optimiser: torch.optim.Optimizer
    objective: Objective
    generator: torch.Generator

    @classmethod
    def start(
        cls,
        config: Config,
        image_shape: ImageShape,
        device: torch.device,
        objective: Objective | None = None,
        *,
        init: bool = True,
        model: VAE | None = None,
    ) -> Learner:
        """Make everything anew; the configuration's seed decides weights and noise.

        Args:
            config: what to make.
            image_shape: (C, H, W).
            device: where to train.
            objective: replaces the configured one.
            init: take the weights of the configured warm start, where there is one.
            model: take this model in place of a new one.

        Raises:
            InputError: for options that do not fit.
        """
        if objective is None:
            objective = make_objective(config, math.prod(image_shape))
        if model is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                model = VAE.from_config(config, image_shape)
            if config.init is not None and init:
                checkpoint.start_from(Path(config.init), model)
        model = model.to(device)
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = make_optimiser(config, model, device)
        generator = torch.Generator(device).manual_seed(config.seed)
        if isinstance(objective, Stateful):
            objective.start(model, config.seed)
        return cls(config, image_shape, model, optimiser, objective, generator)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be pickled, as it follows from the rest."""
        own = self.config.objective.name == "custom"
        state = self.objective.state_dict() if isinstance(self.objective, Stateful) else None
        return {
            "config": self.config,
            "image_shape": self.image_shape,
            "model": self.model,
            "objective": self.objective if own else None,
            "optimiser": _on_cpu(pack_optimiser(self.optimiser)),
            "objective_state": None if state is None else _on_cpu(state),
            "generator": self.generator.get_state(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put together what `__getstate__` gave, on the device that the configuration asks for."""
        learner = Learner.start(
            state["config"], state["image_shape"], choose_device(state["config"].device),
            state["objective"], model=state["model"],
        )  # fmt: skip
        unpack_optimiser(learner.optimiser, state["optimiser"])
        if state["objective_state"] is not None and isinstance(learner.objective, Stateful):
            learner.objective.load_state_dict(state["objective_state"])
        if learner.generator.get_state().shape == state["generator"].shape:
            learner.generator.set_state(state["generator"])  # another kind of device draws anew
        self.__dict__.update(learner.__dict__)


def _on_cpu(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu() for name, value in tensors.items()}
