"""Terms measured on chosen images, with noise of their own: after training, or during it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from betavae.data.dataset import Dataset
from betavae.models.vae import VAE
from betavae.objectives.elbo import elbo_pass

HELD_OUT_IMAGES = 1024  # of those held out: what is measured during training


@torch.inference_mode()
def measure(
    model: VAE, dataset: Dataset, rows: NDArray[np.int64], *, seed: int = 0, batch: int = 512
) -> tuple[float, NDArray[np.float64]]:
    """Return the distortion and the rate of each latent (M,), nats per image, over `rows`.

    The model is taken on the device where it is; the noise is the same on all of them.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    distortion, rates = 0.0, torch.zeros(model.latents, dtype=torch.float64)
    for part in torch.split(torch.from_numpy(rows), batch):
        images = dataset.images.batch(part, device)
        noise = torch.randn(len(part), model.latent.noise_columns, generator=generator).to(device)
        found = elbo_pass(model, images, noise)
        distortion += float(found.distortion) * len(part)
        rates += found.rate_per_latent.double().cpu() * len(part)
    return distortion / len(rows), (rates / len(rows)).numpy()


@dataclass(frozen=True)
class HeldOut:
    """Measures what a VAE in training does with images that it never sees.

    Attributes:
        dataset: the whole set.
        rows: held-out rows of it.
    """

    dataset: Dataset
    rows: NDArray[np.int64]

    def __call__(self, model: Any) -> dict[str, float]:
        """Return ``held_out_distortion`` and ``held_out_rate``, nats an image, on 1,024 or all.

        The images and the noise are the same each time, and training's noise is left alone.
        """
        places = np.linspace(0, len(self.rows) - 1, min(len(self.rows), HELD_OUT_IMAGES))
        training = model.training
        model.eval()
        try:
            distortion, rates = measure(model, self.dataset, self.rows[places.astype(np.int64)])
        finally:
            model.train(training)
        return {"held_out_distortion": distortion, "held_out_rate": float(rates.sum())}


Measure = Callable[[Any], dict[str, float]]
"""Further terms of a model in training, by name."""
