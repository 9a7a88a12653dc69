"""Training objectives: functions of (model, images, step) that return named terms."""

from __future__ import annotations

from betavae.objectives.beta import beta_vae
from betavae.objectives.capacity_vae import capacity
from betavae.objectives.constrained_vae import constrained
from betavae.objectives.dip_vae import dip
from betavae.objectives.factor_vae import factor
from betavae.objectives.info_vae import infovae
from betavae.objectives.state import Stateful
from betavae.objectives.tc_vae import tcvae
from betavae.objectives.terms import Objective, Step, Terms

__all__ = [
    "Objective",
    "Stateful",
    "Step",
    "Terms",
    "beta_vae",
    "capacity",
    "constrained",
    "dip",
    "factor",
    "infovae",
    "tcvae",
]
