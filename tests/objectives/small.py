"""A VAE of two linear layers on 4x4 images, in float64, and the step it is trained with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from betavae.data.batches import Batch
from betavae.models.latents import Gaussian
from betavae.models.likelihoods import Bernoulli
from betavae.models.vae import VAE
from betavae.objectives.terms import Objective, Step, Terms

LATENTS = 3


def tiny_vae(latents: int = LATENTS, seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 2 * latents))
    decoder = nn.Sequential(nn.Linear(latents, 16), nn.Unflatten(1, (1, 4, 4)))
    return VAE(encoder, Gaussian(latents), decoder, Bernoulli()).double()


def images(n: int = 6, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 4, 4, generator=generator, dtype=torch.float64)


def step(
    images_seen: int = 0,
    dataset_size: int = 100,
    seed: int = 2,
) -> Step:
    return Step(images_seen, torch.Generator().manual_seed(seed), dataset_size)


def batch(x: Tensor, other: Tensor | None = None) -> Batch:
    return Batch(x, torch.arange(len(x)), other=images(seed=5) if other is None else other)


def gradients(objective: Objective, model: VAE, x: Tensor, at: Step | None = None) -> list[Tensor]:
    """Return the loss's gradient with respect to every weight of the model."""
    terms = objective(model, batch(x), at or step())
    return list(torch.autograd.grad(terms.loss, list(model.parameters())))


def learn(objective: Objective, model: VAE, x: Tensor, steps: int, lr: float = 1e-2) -> Terms:
    """Train on one batch as the loop does; return the last step's terms."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(0)
    for index in range(steps):
        at = Step(index * len(x), generator, len(x))
        terms = objective(model, batch(x, x), at)
        optimiser.zero_grad()
        terms.loss.backward()
        optimiser.step()
        if terms.after is not None:
            terms.after()
    return terms
