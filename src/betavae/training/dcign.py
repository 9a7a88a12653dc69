"""Training DC-IGN: batches in which one factor moves, and its gradient rule."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import DataOrder
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.models.dcign import DCIGN, assigned_latents, clamp_inactive
from betavae.training.alternating import Named, Parts, seeded_model

WARM_START = 0.1  # of the steps: plain batches, no clamping, until there is something to clamp


def one_factor_rows(
    grid: Factors, batch: int, seed: int, step: int
) -> tuple[NDArray[np.int64], int]:
    """Return the rows (batch,) of a step, in which one factor varies, and that factor.

    Its values come equally often, up to one, and in random order; all other factors are drawn
    once. A pure function of seed and step, so that any step can be taken again.
    """
    rng = np.random.default_rng((seed, step))
    factor = int(rng.integers(len(grid.names)))
    classes = np.repeat(grid.sample(1, rng), batch, axis=0)
    size = grid.sizes[factor]
    shuffled = [rng.permutation(size) for _ in range(-(-batch // size))]
    classes[:, factor] = np.concatenate(shuffled)[:batch]
    return grid.index(classes), factor


def prepare(config: Config, dataset: Dataset, device: torch.device) -> Parts:
    """Return DC-IGN, its optimiser and its step.

    The loss is the cross-entropy summed over pixels, mean over the batch.

    Source: Kulkarni et al. 2015; Adam(5e-4, (0.9, 0.99)) as in the authors' code, where the
    paper says rmsprop.

    Raises:
        InputError: when the data has no full factor grid, or the latents are too few.
    """
    grid = dataset.grid
    if grid is None:
        raise InputError(
            f"method dcign needs images of every combination of known factors; "
            f"{dataset.name} has no factor grid"
        )
    active = torch.zeros(len(grid.names), config.latents, dtype=torch.bool, device=device)
    for factor, latents in enumerate(assigned_latents(grid, config.latents)):
        active[factor, latents] = True
    model = seeded_model(config, dataset, device)
    assert isinstance(model, DCIGN)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    rows, batch = len(dataset.images), min(config.batch, len(dataset.images))
    warm = round(WARM_START * config.images / batch)

    order = DataOrder(rows, batch, config.seed)

    def take_step(index: int, generator: torch.Generator) -> Named:
        if index < warm:
            chosen, factor = order(index), None
        else:
            drawn, factor = one_factor_rows(grid, batch, config.seed, index)
            chosen = torch.from_numpy(drawn)
        images = dataset.images.batch(chosen, device)
        codes = model.encoder(images)
        shown = codes if factor is None else clamp_inactive(codes, active[factor])
        logits = model.decoder(shown)
        distortion = binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        optimiser.zero_grad(set_to_none=True)
        distortion.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"distortion": distortion}

    return Parts(model, optimiser, take_step)
