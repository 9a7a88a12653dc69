"""The options of every objective, as the command line and TOML files name them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from betavae._system.errors import did_you_mean

Name = Literal[
    "beta", "constrained", "capacity", "tcvae", "factor", "dip", "infovae", "custom"
]  # fmt: skip

TAKES: dict[str, tuple[str, ...]] = {
    "beta": ("free_bits",),
    "constrained": ("epsilon", "hold", "step_size", "smoothing", "initial"),
    "capacity": ("gamma", "target", "target_start", "target_ramp"),
    "tcvae": ("alpha", "beta", "gamma", "estimator"),
    "factor": ("gamma", "learning_rate"),
    "dip": ("kind", "off_diagonal", "diagonal"),
    "infovae": ("alpha", "scale"),
    "custom": (),
}
"""Which options belong to which objective; defaults are those of `betavae.objectives`."""


class ObjectiveOptions(BaseModel):
    """An objective by name with its options; None stands for the objective's own default.

    Written ``objective = "tcvae"``, or as a table of ``name`` and options.

    >>> print(ObjectiveOptions(name="tcvae", beta=6))
    tcvae beta 6
    >>> ObjectiveOptions(name="tcvae", beta=6).given()
    {'beta': 6.0}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name = Field(
        "beta",
        description="Training objective, --objective NAME for short (docs/objectives.md); "
        "custom is a function given from Python.",
    )
    alpha: float | None = Field(
        None,
        description="tcvae (1): weight of the index-code mutual information. infovae (0.5): how "
        "much of it goes unpunished.",
    )
    beta: float | None = Field(
        None, ge=0, description="tcvae (6): weight of the total correlation."
    )
    gamma: float | None = Field(
        None,
        ge=0,
        description="capacity (20): weight of the distance to the target. tcvae (1): weight of "
        "the dimension-wise KL. factor (6.4): weight of the total correlation.",
    )
    free_bits: float | None = Field(
        None, ge=0, description="beta (0): nats per latent that cost nothing."
    )
    epsilon: float | None = Field(
        None, description="constrained (10 for the rate): nats per image of the held term."
    )
    hold: Literal["rate", "distortion"] | None = Field(
        None, description="constrained (rate): the held term; the other is minimised."
    )
    step_size: float | None = Field(
        None, gt=0, description="constrained (0.0005): step of log beta, per step and nat."
    )
    smoothing: float | None = Field(
        None, ge=0, lt=1, description="constrained (0.99): weight of the past in the average."
    )
    initial: float | None = Field(
        None, gt=0, description="constrained (1): the multiplier at the first step."
    )
    target: float | None = Field(
        None, ge=0, description="capacity (25): the rate's last target C, nats per image."
    )
    target_start: float | None = Field(
        None, ge=0, description="capacity (0): the target at the first image."
    )
    target_ramp: int | None = Field(
        None, ge=1, description="capacity (40 % of the run): images over which the target rises."
    )
    estimator: Literal["mws", "mss"] | None = Field(
        None, description="tcvae (mws): minibatch weighted or stratified sampling."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="factor (0.0001): the discriminator's learning rate."
    )
    kind: Literal["i", "ii"] | None = Field(
        None, description="dip (ii): covariance of the means (i) or of the codes (ii)."
    )
    off_diagonal: float | None = Field(
        None, ge=0, description="dip (10): weight of the covariances."
    )
    diagonal: float | None = Field(
        None, ge=0, description="dip (10 times the other for i, as the other for ii): variances."
    )
    scale: float | None = Field(
        None, ge=0, description="infovae (100): the paper's lambda, weight of KL(q(z) || p(z))."
    )

    def given(self) -> dict[str, Any]:
        """Return the options that were given, without the name."""
        return self.model_dump(exclude={"name"}, exclude_none=True)

    @model_validator(mode="after")
    def _applicable(self) -> Self:
        takes = TAKES[self.name]
        for key in self.given():
            if key not in takes:
                default = "" if "name" in self.model_fields_set else " (the default)"
                raise ValueError(
                    f"objective {self.name}{default} has no option '{key}'"
                    f"{did_you_mean(key, takes) or '; it has ' + (', '.join(takes) or 'none')}"
                    f"{', and --beta' if self.name == 'beta' else ''}"
                )
        return self

    def __str__(self) -> str:
        parts = [f"{key.replace('_', ' ')} {_short(value)}" for key, value in self.given().items()]
        return " ".join([self.name, ", ".join(parts)]).strip()


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"
