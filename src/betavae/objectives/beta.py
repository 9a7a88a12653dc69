"""The beta-VAE objective (Higgins et al. 2017, Eq. 4), with free bits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives import schedules
from betavae.objectives.length import Length
from betavae.objectives.terms import Objective, Step, Terms, Weight, check_weights


def beta_vae(beta: Weight = 4.0, *, free_bits: float = 0.0) -> Objective:
    """Make the objective ``distortion + beta * sum_j max(free_bits, rate_j)``.

    Args:
        beta: the weight of the rate, or a schedule of it.
        free_bits: nats per latent that cost nothing; 0 is the plain objective. The floor is
            put under the batch's mean rate of a latent, not under each image's.

    Source: Higgins et al. 2017, Eq. 4; beta = 1 is the VAE of Kingma & Welling 2014. Free bits:
    Kingma et al. 2016, Eq. 15, one group a latent.

    Raises:
        InputError: for negative weights.
    """
    check_weights(beta=beta, free_bits=free_bits)

    def objective(model: VAE, batch: Batch, step: Step) -> Terms:
        found = step.forward(model, batch.images)
        weight = step.at(beta)
        paid = found.rate_per_latent.clamp(min=free_bits).sum() if free_bits else found.rate
        return Terms.of(found, found.distortion + weight * paid, {"beta": weight})

    return objective


class BetaOptions(Options):
    """Distortion plus beta times the rate (Higgins et al. 2017)."""

    name: Literal["beta"] = "beta"
    title = "β-VAE"
    bare = (
        "beta", "beta_norm", "beta_schedule", "beta_start", "beta_ramp", "beta_cycles",
    )  # fmt: skip
    exclusive = ("beta", "beta_norm")

    beta: float | None = Field(
        None, ge=0, description="Weight of the rate (KL), nats on both sides. [default: 4]"
    )
    beta_norm: float | None = Field(
        None, ge=0, description="The same weight normalised: beta * latents / pixels (A.5)."
    )
    beta_schedule: Literal["constant", "linear", "exponential", "cyclical"] = Field(
        "constant", description="How beta moves from beta_start to its value over beta_ramp."
    )
    beta_start: float = Field(0.0, ge=0, description="Value of beta at the first image.")
    beta_ramp: int | None = Field(
        None, ge=1, description="Images over which beta moves. [default: 40 % of the run]"
    )
    beta_cycles: int = Field(
        4, ge=1, le=10_000, description="Rises of the cyclical schedule, each half of its cycle."
    )
    free_bits: float = Field(0.0, ge=0, description="Nats per latent that cost nothing.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.beta is not None and self.beta_norm is not None:
            raise ValueError("give beta or beta_norm, not both")
        if self.beta_schedule == "exponential":
            if not self.beta_start > 0:
                raise ValueError("beta_start must be > 0 with beta_schedule=exponential, got 0")
            if 0 in (self.beta, self.beta_norm):
                raise ValueError("beta must be > 0 with beta_schedule=exponential, got 0")
        return self

    @property
    def label(self) -> str:
        """The last weight in a word, for titles and folders: ``4``, or ``norm0.1``."""
        norm = self.beta_norm
        return f"{self.resolved(1, 1):g}" if norm is None else f"norm{norm:g}"

    def resolved(self, pixels: int, latents: int) -> float:
        """Return the last weight of the rate, for images of `pixels` values (N = C*H*W).

        Source: Higgins et al. 2017, A.5: beta_norm = beta M / N.
        """
        if self.beta_norm is not None:
            return self.beta_norm * pixels / latents
        return 4.0 if self.beta is None else self.beta

    def schedule(self, length: Length) -> schedules.Schedule:
        """Return the weight of the rate as a function of the images seen."""
        end, start = self.resolved(length.pixels, length.latents), self.beta_start
        ramp = self.beta_ramp or length.ramp
        if self.beta_schedule == "constant":
            return schedules.constant(end)
        if self.beta_schedule == "linear":
            return schedules.linear(start, end, ramp)
        if self.beta_schedule == "cyclical":
            return schedules.cyclical(start, end, ramp, self.beta_cycles)
        return schedules.exponential(start, end, ramp)

    def make(self, length: Length) -> Objective:
        """Return the objective for a run of this length."""
        return beta_vae(self.schedule(length), free_bits=self.free_bits)

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length, if anything."""
        moving = self.beta_schedule != "constant" and self.beta_ramp is None
        return "beta_ramp" if moving else None
