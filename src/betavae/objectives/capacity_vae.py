"""The capacity objective (Burgess et al. 2018): the rate is held at a rising target."""

from __future__ import annotations

from torch import Tensor

from betavae._system.errors import InputError
from betavae.models.vae import VAE
from betavae.objectives.terms import Objective, Step, Terms, Weight


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
    if not gamma >= 0:
        raise InputError(f"gamma must be >= 0, got {gamma}")
    if not callable(target) and not target >= 0:
        raise InputError(f"target must be >= 0, got {target}")

    def objective(model: VAE, images: Tensor, step: Step) -> Terms:
        found = step.forward(model, images)
        now = step.at(target)
        loss = found.distortion + gamma * (found.rate - now).abs()
        extras = {"capacity": images.new_full((), now)}
        return Terms.of(found, loss, beta=gamma, extras=extras)

    return objective
