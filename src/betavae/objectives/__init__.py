"""Training objectives: functions of (model, batch, step) that return named terms."""

from __future__ import annotations

from betavae.objectives.ada_vae import AdaGVAEOptions, AdaMLVAEOptions, adagvae, adamlvae
from betavae.objectives.beta import BetaOptions, beta_vae
from betavae.objectives.capacity_vae import CapacityOptions, capacity
from betavae.objectives.constrained_vae import ConstrainedOptions, constrained
from betavae.objectives.custom import CustomOptions
from betavae.objectives.dip_vae import DIPOptions, dip
from betavae.objectives.factor_vae import FactorOptions, factor
from betavae.objectives.hfs_vae import HFSOptions, hfs
from betavae.objectives.info_vae import InfoVAEOptions, infovae
from betavae.objectives.joint_vae import JointOptions, joint
from betavae.objectives.semi_vae import SemiOptions, semi
from betavae.objectives.settle_vae import SettleOptions, settle
from betavae.objectives.slow_vae import SlowVAEOptions, slowvae
from betavae.objectives.state import Stateful
from betavae.objectives.tc_vae import TCOptions, tcvae
from betavae.objectives.terms import Objective, Step, Terms, asks

AnyObjective = (
    BetaOptions
    | ConstrainedOptions
    | CapacityOptions
    | TCOptions
    | FactorOptions
    | DIPOptions
    | InfoVAEOptions
    | SettleOptions
    | AdaGVAEOptions
    | AdaMLVAEOptions
    | JointOptions
    | HFSOptions
    | SemiOptions
    | SlowVAEOptions
    | CustomOptions
)
"""The options of every objective: a new one is named here and nowhere else."""

__all__ = [
    "AnyObjective",
    "Objective",
    "Stateful",
    "Step",
    "Terms",
    "adagvae",
    "adamlvae",
    "asks",
    "beta_vae",
    "capacity",
    "constrained",
    "dip",
    "factor",
    "hfs",
    "infovae",
    "joint",
    "semi",
    "settle",
    "slowvae",
    "tcvae",
]
