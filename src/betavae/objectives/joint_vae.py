"""JointVAE (Dupont 2018): a rising capacity each for Gaussian and for categorical latents."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field
from torch import Tensor

from betavae.data.batches import Batch
from betavae.models.joint import Joint
from betavae.models.vae import VAE
from betavae.objectives.capacity_vae import RisingOptions
from betavae.objectives.length import Length
from betavae.objectives.schedules import linear
from betavae.objectives.terms import Objective, Step, Terms, Weight, asks, check_weights


def joint(gamma: float = 30.0, *, continuous: Weight = 25.0, discrete: Weight = 1.1) -> Objective:
    """Make the objective ``distortion + gamma |R_z - C_z(t)| + gamma |R_c - C_c(t)|``.

    R_z and R_c are the batch's mean rates of the Gaussian and of the categorical latents.

    Args:
        gamma: how hard both rates are held.
        continuous: C_z in nats per image, or a schedule of it.
        discrete: C_c likewise; never more than the categories can carry, the sum of log sizes.

    Source: Dupont 2018, Eq. 7.

    Raises:
        InputError: for negative values.
    """
    check_weights(gamma=gamma, continuous=continuous, discrete=discrete)

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        latent = model.latent
        assert isinstance(latent, Joint)  # which `check_latent` has seen to
        found = step.forward(model, batch.images)
        most = math.fsum(map(math.log, latent.sizes))
        now, then = step.at(continuous), min(step.at(discrete), most)
        of_gaussians = found.rate_per_latent[: latent.gaussians].sum()
        of_categories = found.rate_per_latent[latent.gaussians :].sum()
        held = (of_gaussians - now).abs() + (of_categories - then).abs()
        values: dict[str, Tensor | float] = {
            "continuous_rate": of_gaussians,
            "discrete_rate": of_categories,
            "continuous_capacity": now,
            "discrete_capacity": then,
            "gamma": gamma,
        }
        return Terms.of(found, found.distortion + gamma * held, values)

    return asks(objective, joint="joint")


class JointOptions(RisingOptions):
    """Rates of Gaussians and categories are held at rising targets (Dupont 2018)."""

    name: Literal["joint"] = "joint"
    title = "JointVAE"
    gamma: float = Field(30.0, ge=0, description="Weight of the distances to the targets.")
    continuous: float = Field(25.0, ge=0, description="Last target of the Gaussians' rate, nats.")
    discrete: float = Field(1.1, ge=0, description="Last target of the categories' rate, nats.")

    def make(self, length: Length) -> Objective:
        """Return the objective for a run of this length."""
        ramp = self.ramp(length)
        return joint(
            self.gamma,
            continuous=linear(0.0, self.continuous, ramp),
            discrete=linear(0.0, self.discrete, ramp),
        )
