"""Training InfoGAN: one step of the discriminator and Q, one of the generator."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from betavae.config import Config
from betavae.data.batches import DataOrder
from betavae.data.dataset import Dataset
from betavae.models.infogan import InfoGAN, information
from betavae.training.alternating import Named, Parts, seeded_model
from betavae.training.configured import set_learning_rate

CRITIC_RATE = 0.2  # of the generator's: 2e-4 to 1e-3 (openai/InfoGAN)


def prepare(config: Config, dataset: Dataset, device: torch.device) -> Parts:
    """Return InfoGAN, one Adam for both players, and its step.

    Source: Higgins et al. 2017, A.2: Adam with beta1 = 0.5, learning rate 1e-3 (generator) and
    2e-4 (discriminator and Q).
    """
    gan = seeded_model(config, dataset, device)
    assert isinstance(gan, InfoGAN)
    groups: list[dict[str, Any]] = [
        {"params": list(gan.generator.parameters())},
        {"params": list(gan.critic_parameters()), "share": CRITIC_RATE},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.5, 0.999))
    set_learning_rate(optimiser, config.learning_rate)
    rows = len(dataset.images)
    order = DataOrder(rows, min(config.batch, rows), config.seed)

    def take_step(index: int, generator: torch.Generator) -> Named:
        chosen = order(index)
        real = dataset.images.batch(chosen, device) * 2 - 1
        return play(gan, optimiser, real, generator)

    return Parts(gan, optimiser, take_step)


def play(
    gan: InfoGAN, optimiser: torch.optim.Optimizer, real: Tensor, generator: torch.Generator
) -> Named:
    """Take one step of each player on real images (B, C, H, W) in [-1, 1].

    The generated images are those of one draw, judged again once the discriminator has moved.
    Adam leaves alone what has no gradient, so each step moves its own player only.
    """
    latents = gan.draw(len(real), generator)
    codes = latents[:, : gan.latents]
    fake = gan.generator(latents)
    step = partial(_step, optimiser)

    on_real, _ = gan.judge(real, generator)
    with gan.generated():
        on_fake, means = gan.judge(fake.detach(), generator)
    critic = softplus(-on_real).mean() + softplus(on_fake).mean()
    step(critic - information(codes, means), list(gan.critic_parameters()))

    with gan.generated():
        judged, means = gan.judge(fake, generator)
    fooling, told = softplus(-judged).mean(), information(codes, means)
    step(fooling - told, list(gan.generator.parameters()))
    right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
    return {
        "discriminator_loss": critic,
        "generator_loss": fooling,
        "information": told,
        "told_apart": right,
    }


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, weights: list[Tensor]) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=weights)  # type: ignore[no-untyped-call]
    optimiser.step()
