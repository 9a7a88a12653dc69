"""beta-VAE as the constrained problem it was derived from: the multiplier is found, not given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.terms import Step, Terms

Held = Literal["rate", "distortion"]
LIMIT = math.log(1e4)  # the multiplier stays within 1e-4 and 1e4


def constrained(
    epsilon: float | None = None,
    *,
    hold: Held = "rate",
    step_size: float = 5e-4,
    smoothing: float = 0.99,
    initial: float = 1.0,
) -> Constrained:
    """Make the objective that holds one term at `epsilon` nats and minimises the other.

    ``hold="rate"``: minimise ``distortion + beta (rate - epsilon)``, beta being moved by dual
    ascent, ``log beta += step_size * (EMA[rate] - epsilon)``, so that the rate ends at epsilon.
    At convergence beta = dG/d epsilon, G(epsilon) being the best -distortion at that rate.

    ``hold="distortion"`` is the mirror image (GECO): minimise
    ``rate + lambda (distortion - epsilon)``; beta is then 1 / lambda.

    Args:
        epsilon: nats per image of the term that is held; 10 for the rate if None, while a
            distortion has no value that would do everywhere.
        hold: which term.
        step_size: of the dual ascent, per step and nat.
        smoothing: weight of the past in the moving average of the held term.
        initial: the multiplier at the first step.

    Source: Higgins et al. 2017, Eqs. 2-4, 12 and A.6; Rezende & Viola 2018 (GECO).

    Raises:
        InputError: for an option out of range.
    """
    if hold not in ("rate", "distortion"):
        raise InputError(f"hold must be rate or distortion, got '{hold}'")
    if epsilon is None:
        if hold == "distortion":
            raise InputError("hold=distortion needs epsilon, the distortion in nats per image")
        epsilon = 10.0
    if hold == "rate" and not epsilon > 0:
        raise InputError(f"epsilon must be > 0 nats with hold=rate, got {epsilon}")
    if not math.isfinite(epsilon):
        raise InputError(f"epsilon must be finite, got {epsilon}")
    if not step_size > 0:
        raise InputError(f"step_size must be > 0, got {step_size}")
    if not 0 <= smoothing < 1:
        raise InputError(f"smoothing must be in [0, 1), got {smoothing}")
    if not 0 < initial < math.inf:
        raise InputError(f"initial must be > 0 and finite, got {initial}")
    return Constrained(epsilon, hold, step_size, smoothing, initial)


class Constrained:
    """The objective of `constrained`; its state is the multiplier's logarithm and the average."""

    def __init__(
        self, epsilon: float, hold: Held, step_size: float, smoothing: float, initial: float
    ) -> None:
        self.epsilon = epsilon
        self.hold = hold
        self.step_size = step_size
        self.smoothing = smoothing
        self.initial = initial
        self._log_multiplier = torch.full((), math.log(initial))
        self._average = torch.full((), math.nan)  # no step taken yet

    def __call__(self, model: VAE, batch: Batch, step: Step) -> Terms:
        """Return the terms; the multiplier moves after the model's step."""
        found = step.forward(model, batch.images)
        multiplier = self._log_multiplier.exp()
        if self.hold == "rate":
            held, beta = found.rate, multiplier
            loss = found.distortion + multiplier * (found.rate - self.epsilon)
        else:
            held, beta = found.distortion, 1 / multiplier
            loss = found.rate + multiplier * (found.distortion - self.epsilon)
        values = {"beta": beta, "multiplier": multiplier, "excess": held - self.epsilon}
        return Terms.of(found, loss, values, after=lambda: self._ascend(held.detach()))

    @torch.no_grad()
    def _ascend(self, held: Tensor) -> None:
        """Move the multiplier up while the held term is above epsilon, down below."""
        first = self._average.isnan()
        past = torch.where(first, held, self._average)
        self._average = self.smoothing * past + (1 - self.smoothing) * held
        moved = self._log_multiplier + self.step_size * (self._average - self.epsilon)
        self._log_multiplier = moved.clamp(-LIMIT, LIMIT)

    def start(self, model: VAE, seed: int) -> None:
        """Begin with the initial multiplier."""
        device = next(model.parameters()).device
        self._log_multiplier = torch.full((), math.log(self.initial), device=device)
        self._average = torch.full((), math.nan, device=device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the multiplier's logarithm and the moving average."""
        return {"log_multiplier": self._log_multiplier, "average": self._average}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave."""
        device = self._log_multiplier.device
        self._log_multiplier = state["log_multiplier"].to(device)
        self._average = state["average"].to(device)


class ConstrainedOptions(Options):
    """One term is held at epsilon nats while the other is minimised; beta is found, not given."""

    name: Literal["constrained"] = "constrained"
    title = "Constrained β-VAE"
    epsilon: float | None = Field(
        None, description="Nats per image of the held term. [default: 10 for the rate]"
    )
    hold: Held = Field("rate", description="The held term; the other is minimised.")
    step_size: float = Field(5e-4, gt=0, description="Step of log beta, per step and nat.")
    smoothing: float = Field(0.99, ge=0, lt=1, description="Weight of the past in the average.")
    initial: float = Field(1.0, gt=0, description="The multiplier at the first step.")

    def make(self, length: Length) -> Constrained:
        """Return the objective."""
        return constrained(**self.model_dump(exclude={"name"}))
