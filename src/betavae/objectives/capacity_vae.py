"""The capacity objective (Burgess et al. 2018): the rate is held at a rising target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.schedules import linear
from betavae.objectives.terms import Objective, Step, Terms, Weight, check_weights


def capacity(gamma: float = 20.0, *, target: Weight = 25.0) -> Objective:
    """Make the objective ``distortion + gamma * |rate - C(t)|``, the rate being the batch's mean.

    Args:
        gamma: how hard the rate is held. The paper has 1000, for a batch of 64 and millions of
            images; in short runs so much drowns the distortion (docs/objectives.md).
        target: C in nats per image, or a schedule of it; Burgess et al. raise it from 0 to 25
            (`betavae.training.schedules.linear`).

    Source: Burgess et al. 2018, Eq. 8. The absolute value is of the mean rate: single images may
    lie on either side of the target.

    Raises:
        InputError: for negative values.
    """
    check_weights(gamma=gamma, target=target)

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        now = step.at(target)
        loss = found.distortion + gamma * (found.rate - now).abs()
        return Terms.of(found, loss, {"capacity": now, "gamma": gamma})

    return objective


class RisingOptions(Options):
    """Targets that rise over the first part of a run."""

    target_ramp: int | None = Field(
        None, ge=1, description="Images over which the target rises. [default: 40 % of the run]"
    )

    def ramp(self, length: Length) -> int:
        """Return the images over which the target rises."""
        return self.target_ramp or length.ramp

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length, if anything."""
        return "objective.target_ramp" if self.target_ramp is None else None


class CapacityOptions(RisingOptions):
    """The rate is held at a rising target (Burgess et al. 2018)."""

    name: Literal["capacity"] = "capacity"
    title = "Capacity β-VAE"
    gamma: float = Field(20.0, ge=0, description="Weight of the distance to the target.")
    target: float = Field(25.0, ge=0, description="The rate's last target C, nats per image.")
    target_start: float = Field(0.0, ge=0, description="The target at the first image.")

    def make(self, length: Length) -> Objective:
        """Return the objective for a run of this length."""
        rise = linear(self.target_start, self.target, self.ramp(length))
        return capacity(self.gamma, target=rise)
