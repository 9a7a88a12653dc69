"""FactorVAE (Kim & Mnih 2018): a discriminator estimates the total correlation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.data.batches import Batch, independent_pair
from betavae.models.likelihoods import at_least_float32
from betavae.models.vae import VAE
from betavae.objectives.length import Length
from betavae.objectives.ranks import Ranks
from betavae.objectives.state import pack_optimiser, unpack_optimiser
from betavae.objectives.terms import Step, Terms, check_weights

WIDTH, DEPTH, SLOPE = 1000, 6, 0.2


def factor(gamma: float = 6.4, *, learning_rate: float = 1e-4) -> FactorVAE:
    """Make the objective ``distortion + rate + gamma * TC``, TC from a discriminator.

    The discriminator tells codes from codes whose latents were shuffled over a second batch;
    the difference of its two logits estimates log q(z) / prod_j q(z_j). It learns after each
    step of the model, from detached codes, with an Adam of its own.

    Args:
        gamma: weight of the total correlation.
        learning_rate: the discriminator's.

    Source: Kim & Mnih 2018, Algorithm 2 and Appendix A.

    Raises:
        InputError: for an option out of range.
    """
    check_weights(gamma=gamma)
    if not learning_rate > 0:
        raise InputError(f"learning_rate must be > 0, got {learning_rate}")
    return FactorVAE(gamma, learning_rate)


def make_discriminator(latents: int) -> nn.Sequential:
    """Return six layers of 1000 leaky ReLUs and two logits: (joint, shuffled)."""
    layers: list[nn.Module] = []
    for a, b in pairwise([latents, *[WIDTH] * DEPTH]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 2))


def shuffled(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Return the codes (B, M) with every latent permuted over the batch by itself."""
    keys = torch.rand(latents.shape, generator=generator, device=latents.device)
    return latents.gather(0, keys.argsort(dim=0))


def tc_estimate(discriminator: nn.Module, latents: Tensor) -> Tensor:
    """Return the mean of log D / (1 - D) over codes (B, M), a scalar, in nats.

    The weights are held fixed: the gradient reaches the codes, never the discriminator.
    """
    fixed = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    logits = at_least_float32(functional_call(discriminator, fixed, (latents,)))
    return (logits[:, 0] - logits[:, 1]).mean()


def discriminator_loss(discriminator: nn.Module, joint: Tensor, product: Tensor) -> Tensor:
    """Return the cross-entropy of telling codes from shuffled codes, each (B, M), a scalar.

    Both are detached: no gradient reaches the encoder.
    """
    logits = discriminator(torch.cat((joint.detach(), product.detach())))
    classes = torch.arange(2, device=logits.device).repeat_interleave(len(joint))
    return functional.cross_entropy(logits, classes)


class FactorVAE:
    """The objective of `factor`; its state is the discriminator and its optimiser."""

    needs_gaussian = "factor"
    sampler = staticmethod(independent_pair)

    def __init__(self, gamma: float, learning_rate: float) -> None:
        self.gamma = gamma
        self.learning_rate = learning_rate
        self.discriminator: nn.Module | None = None

    def __call__(self, model: VAE, batch: Batch, step: Step) -> Terms:
        """Return the terms; the discriminator learns after the model's step."""
        if self.discriminator is None:
            raise RuntimeError("start(model, seed) comes before the first step")
        if batch.other is None:
            raise InputError("factor needs a second batch: draw with `independent_pair`")
        found, ranks = step.forward(model, batch.images), step.ranks
        own = ranks.part(found.latents)  # each rank's discriminator judges that rank's codes
        tc = ranks.average(tc_estimate(self.discriminator, own))
        with torch.no_grad():
            second = model.encode(batch.other).map(ranks.gather)
            rows, columns = second.mean.shape
            noise = step.normal(rows, columns, like=second.mean)
            product = shuffled(second.sample(noise), step.generator)
        return Terms.of(
            found,
            found.distortion + found.rate + self.gamma * tc,
            {"tc_estimate": tc, "beta": 1.0},
            after=lambda: self._learn(own, ranks.part(product), ranks),
        )

    def _learn(self, joint: Tensor, product: Tensor, ranks: Ranks) -> None:
        """Take one step of the discriminator, of all ranks' codes."""
        assert self.discriminator is not None
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(discriminator_loss(self.discriminator, joint, product))
        for weight in self.discriminator.parameters():
            assert weight.grad is not None
            weight.grad = ranks.average(weight.grad)
        self._optimiser.step()

    def start(self, model: VAE, seed: int) -> None:
        """Make a new discriminator from `seed`, beside the model."""
        weight = next(model.parameters())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            discriminator = make_discriminator(model.latents)
        self.discriminator = discriminator.to(weight.device, weight.dtype)
        self._optimiser = torch.optim.Adam(
            self.discriminator.parameters(),
            lr=self.learning_rate,
            betas=(0.5, 0.9),
            fused=weight.device.type in ("cpu", "cuda"),
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return the discriminator's weights and its optimiser's state."""
        assert self.discriminator is not None
        weights = self.discriminator.state_dict()
        moments = pack_optimiser(self._optimiser)
        return {f"discriminator.{name}": value for name, value in weights.items()} | {
            f"optimiser.{name}": value for name, value in moments.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave."""
        assert self.discriminator is not None
        parts: dict[str, dict[str, Tensor]] = {"discriminator": {}, "optimiser": {}}
        for name, value in state.items():
            part, inner = name.split(".", 1)
            parts[part][inner] = value
        self.discriminator.load_state_dict(parts["discriminator"])
        unpack_optimiser(self._optimiser, parts["optimiser"])


class FactorOptions(Options):
    """A discriminator estimates the total correlation (Kim & Mnih 2018)."""

    name: Literal["factor"] = "factor"
    title = "FactorVAE"
    gamma: float = Field(6.4, ge=0, description="Weight of the total correlation.")
    learning_rate: float = Field(1e-4, gt=0, description="The discriminator's learning rate.")

    def make(self, length: Length) -> FactorVAE:
        """Return the objective."""
        return factor(**self.model_dump(exclude={"name"}))
