"""Settle, then wake: the factors that pay most first, the others beside them, both held apart."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.schedules import Schedule, constant, later, linear
from betavae.objectives.tc_vae import decompose
from betavae.objectives.terms import Step, Terms, check_pairs

SMOOTHING = 0.98  # weight of the past in the average of the rates
SETTLE_SHARE = 3 / 8  # of the run: its first part
OFF = 50.0  # weight of the rate of latents that stay silent


class SettleOptions(Options):
    """First a strong total correlation settles a few latents; then silent ones are woken.

    Sparse early factors (position, size) are learned under a weight on the total correlation
    that silences every other latent. Then `fresh` silent latents are drawn anew at a low weight
    of the rate and learn what is left (orientation, shape), while the settled latents are held
    where they are by an anchor, and paid for at a rising beta. Nobody is told the factors: a
    latent is settled when its rate is above `threshold` at the end of the first part.
    """

    name: Literal["settle"] = "settle"
    title = "Settled β-TCVAE"
    tc: float = Field(14.0, ge=0, description="First part: weight of the total correlation.")
    settle_images: int | None = Field(
        None, ge=1, description="Length of the first part. [default: 3/8 of the run]"
    )
    threshold: float = Field(
        0.5, gt=0, description="Nats from which a latent is settled at the end of the first part."
    )
    fresh: int = Field(4, ge=0, description="Silent latents that are woken.")
    spread: float = Field(
        0.3, gt=0, description="Standard deviation of the woken latents' new weights."
    )
    anchor: float = Field(
        50.0, ge=0, description="Weight of the squared distance of settled means to their old ones."
    )
    hold: float = Field(
        0.4, ge=0, lt=1, description="Share of the second part before the weights of rates rise."
    )
    beta: float = Field(4.0, ge=0, description="Last weight of the settled latents' rate; from 1.")
    fresh_beta: float = Field(0.8, ge=0, description="Last weight of the woken latents' rate.")
    fresh_start: float = Field(0.3, ge=0, description="First weight of the woken latents' rate.")

    def make(self, length: Length) -> SettleVAE:
        """Return the objective for a run of this length."""
        first = self.settle_images or max(1, round(SETTLE_SHARE * length.images))
        rest = max(1, length.images - first)
        still = first + round(self.hold * rest)
        rise = max(1, length.images - still)
        return SettleVAE(
            self,
            first,
            later(linear(1.0, self.beta, rise), still),
            later(linear(self.fresh_start, self.fresh_beta, rise), still),
        )

    def part_of_length(self) -> str | None:
        """Name what is a part of the run's length."""
        return "objective settle's schedule"


class SettleVAE:
    """The objective of `SettleOptions`.

    Its state is the average of the rates, which latents are settled and which woken, and the
    weights of the encoder at the end of the first part.
    """

    needs_gaussian = "settle"

    def __init__(
        self,
        options: SettleOptions,
        settle_images: int,
        beta: Schedule,
        fresh_beta: Schedule,
    ) -> None:
        self.options = options
        self.settle_images = settle_images
        self.beta, self.fresh_beta = beta, fresh_beta
        self._encoder: nn.Module | None = None
        self._rates = torch.empty(0)
        self._settled = self._fresh = self._woken = torch.empty(0, dtype=torch.bool)

    def __call__(self, model: VAE, batch: Batch, step: Step) -> Terms:
        """Return the terms of the part that the step is in; the first step of the second wakes."""
        if self._encoder is None:
            raise RuntimeError("start(model, seed) comes before the first step")
        if step.images_seen < self.settle_images:
            return self._settle(model, batch, step)
        if not bool(self._woken):
            self._wake(model, step)
        return self._refine(model, batch, step, self._encoder)

    def _settle(self, model: VAE, batch: Batch, step: Step) -> Terms:
        """Distortion + rate + tc * TC, by minibatch stratified sampling."""
        found = step.forward(model, batch.images)
        mean, log_var = found.posterior
        check_pairs("settle", len(mean))
        parts = decompose(found.latents, mean, log_var, step.dataset_size, "mss")
        tc = parts.total_correlation
        loss = found.distortion + found.rate + self.options.tc * tc
        rates = found.rate_per_latent.detach()

        def average() -> None:
            first = self._rates.isnan()
            past = torch.where(first, rates, self._rates)
            self._rates = SMOOTHING * past + (1 - SMOOTHING) * rates

        values: dict[str, Tensor | float] = {"tc_estimate": tc, "beta": 1.0}
        return Terms.of(found, loss, values, average)

    @torch.no_grad()
    def _wake(self, model: VAE, step: Step) -> None:
        """Tell settled latents by their rate, keep the encoder, and draw silent ones anew."""
        assert self._encoder is not None
        silent = (self._rates <= self.options.threshold).nonzero().flatten()
        woken = silent[: self.options.fresh]
        self._settled = self._rates > self.options.threshold
        self._fresh = torch.zeros_like(self._settled)
        self._fresh[woken] = True
        self._encoder.load_state_dict(model.encoder.state_dict())
        last, first = touching(model)
        latents, spread = len(self._rates), self.options.spread
        rows, columns = last.weight.shape[1], first.weight.shape[0]
        last.weight[woken] = spread * step.normal(len(woken), rows, last.weight)
        last.weight[latents + woken] = 0.0
        last.bias[woken] = 0.0
        last.bias[latents + woken] = -2.0
        first.weight[:, woken] = spread * step.normal(columns, len(woken), first.weight)
        self._woken = torch.ones_like(self._woken)

    def _refine(self, model: VAE, batch: Batch, step: Step, encoder: nn.Module) -> Terms:
        """Distortion + each latent's rate at its own weight + the anchor of the settled ones."""
        found = step.forward(model, batch.images)
        beta, fresh_beta = self.beta(step.images_seen), self.fresh_beta(step.images_seen)
        weights = torch.full_like(found.rate_per_latent, OFF)
        weights[self._settled], weights[self._fresh] = beta, fresh_beta
        with torch.no_grad():
            before = model.latent(encoder(batch.images)).codes
        moved = (found.posterior.mean - step.ranks.gather(before))[:, self._settled]
        distance = moved.square().sum(dim=1).mean()
        loss = found.distortion + (weights * found.rate_per_latent).sum()
        loss = loss + self.options.anchor * distance
        values: dict[str, Tensor | float] = {
            "anchor": distance,
            "beta": beta,
            "fresh_beta": fresh_beta,
        }
        return Terms.of(found, loss, values)

    def start(self, model: VAE, seed: int) -> None:
        """Begin the first part, with nothing settled."""
        touching(model)  # says what is wrong with the network before the first step
        device = next(model.parameters()).device
        self._encoder = deepcopy(model.encoder).requires_grad_(False).eval()
        self._rates = torch.full((model.latents,), torch.nan, device=device)
        self._settled = torch.zeros(model.latents, dtype=torch.bool, device=device)
        self._fresh = torch.zeros_like(self._settled)
        self._woken = torch.zeros((), dtype=torch.bool, device=device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages, the masks and the old encoder's weights."""
        assert self._encoder is not None
        encoder = {f"encoder.{k}": v for k, v in self._encoder.state_dict().items()}
        own = {"rates": self._rates, "settled": self._settled, "fresh": self._fresh}
        return {**own, "woken": self._woken, **encoder}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave."""
        assert self._encoder is not None
        device = self._rates.device
        self._rates = state["rates"].to(device)
        self._settled, self._fresh = state["settled"].to(device), state["fresh"].to(device)
        self._woken = state["woken"].to(device)
        prefix = "encoder."
        self._encoder.load_state_dict(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )


def touching(model: VAE) -> tuple[nn.Linear, nn.Linear]:
    """Return the two layers whose rows and columns stand for single latents.

    Raises:
        InputError: when the encoder does not end, or the decoder not begin, with a Linear layer.
    """
    last = [m for m in model.encoder.modules() if isinstance(m, nn.Linear)][-1:]
    first = [m for m in model.decoder.modules() if isinstance(m, nn.Linear)][:1]
    if (
        not (last and first)
        or last[0].out_features != 2 * model.latents
        or first[0].in_features != model.latents
    ):
        raise InputError(
            "objective settle needs a network whose encoder ends, and whose decoder begins, with "
            "a Linear layer"
        )
    return last[0], first[0]


def settle(settle_images: int = 200_000, **options: float) -> SettleVAE:
    """Make the objective, with constant weights in its second part; see `SettleOptions`.

    Args:
        settle_images: length of the first part.
        options: of `SettleOptions`.
    """
    chosen = SettleOptions.model_validate({"settle_images": settle_images, **options})
    return SettleVAE(chosen, settle_images, constant(chosen.beta), constant(chosen.fresh_beta))
