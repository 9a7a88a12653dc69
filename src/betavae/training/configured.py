"""What a configuration stands for: its objective, its schedules, its optimiser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.objectives import (
    Objective,
    beta_vae,
    capacity,
    constrained,
    dip,
    factor,
    infovae,
    tcvae,
)
from betavae.training import schedules

FACTORIES: dict[str, Callable[..., Objective]] = {
    "constrained": constrained,
    "tcvae": tcvae,
    "factor": factor,
    "dip": dip,
    "infovae": infovae,
}
"""Objectives whose options are their factory's arguments, name by name."""


def make_objective(config: Config, pixels: int) -> Objective:
    """Return the configured objective for images of `pixels` values (N = C*H*W).

    Raises:
        InputError: for options that the objective refuses.
    """
    name, given = config.objective.name, config.objective.given()
    if name == "custom":
        raise InputError("objective custom is a function: give it from Python, to train or BetaVAE")
    if name == "beta":
        return beta_vae(beta_schedule(config, pixels), **given)
    if name == "capacity":
        end, start = given.pop("target", 25.0), given.pop("target_start", 0.0)
        ramp = given.pop("target_ramp", config.resolved_ramp())
        return capacity(target=schedules.linear(start, end, ramp), **given)
    return FACTORIES[name](**given)


def beta_schedule(config: Config, pixels: int) -> schedules.Schedule:
    """Return the configured weight of the rate as a function of the images seen."""
    end = config.resolved_beta(pixels)
    if config.beta_schedule == "constant":
        return schedules.constant(end)
    ramp = config.resolved_ramp()
    if config.beta_schedule == "linear":
        return schedules.linear(config.beta_start, end, ramp)
    if config.beta_schedule == "cyclical":
        return schedules.cyclical(config.beta_start, end, ramp, config.beta_cycles)
    if end <= 0:
        raise InputError(f"beta must be > 0 with beta_schedule=exponential, got {end:g}")
    return schedules.exponential(config.beta_start, end, ramp)


def learning_rate_schedule(config: Config) -> schedules.Schedule:
    """Return the configured learning rate as a function of the images seen."""
    peak, decay = config.learning_rate, config.resolved_decay()
    if config.learning_rate_schedule == "constant":
        return schedules.constant(peak)
    if config.learning_rate_schedule == "linear":
        fall = schedules.linear(peak, 0.0, decay)
    else:
        fall = schedules.cosine(peak, decay)
    return schedules.later(fall, config.images - decay)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters the rate, times the group's `share` of it if it has one."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


def make_optimiser(config: Config, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """Return Adam or Adagrad, fused where the device has it.

    Adagrad starts its accumulator at 0.1, as TensorFlow's did for the paper; torch's 0 would
    make the first step move every weight by the whole learning rate.
    """
    fused = device.type in ("cpu", "cuda")
    if config.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=fused)
    return torch.optim.Adagrad(
        model.parameters(),
        lr=config.learning_rate,
        initial_accumulator_value=0.1,
        fused=device.type == "cpu",
    )
