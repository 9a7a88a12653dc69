"""BetaVAE: the whole system behind scikit-learn's fit and transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from betavae.config import Config
from betavae.data.arrays import to_store
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from betavae.models.vae import VAE
    from betavae.training.records import Record


class BetaVAE:
    """Learn codes of images.

    Args:
        options: any option of `betavae.config.Config`: beta, latents, network, images, seed, ...
            `objective` may also be a function, made by `betavae.objectives` or your own:
            ``BetaVAE(objective=tcvae(beta=6))``.

    Attributes:
        model_: the trained VAE (after `fit`).
        records_: the training records (after `fit`).
        config_: the validated configuration (after `fit`).

    Source: Higgins et al. 2017.

    >>> import numpy as np
    >>> images = np.zeros((64, 32, 32), np.uint8); images[::2, 8:16, 8:16] = 255
    >>> vae = BetaVAE(latents=2, images=256, batch=32).fit(images)
    >>> codes = vae.transform(images)
    >>> codes.shape, vae.inverse_transform(codes).shape
    ((64, 2), (64, 1, 32, 32))
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def fit(
        self, images: ImageStore | NDArray[Any], y: object = None, *, out: Path | None = None
    ) -> BetaVAE:
        """Train on images: (N, H, W), (N, H, W, C) or (N, C, H, W), or an ImageStore.

        Args:
            images: uint8 in 0..255, binary, or floats in [0, 1]; square, side 32, 64 or 128.
            y: ignored.
            out: also write a run folder there.

        Raises:
            InputError: for options or images that cannot be used.
        """
        from betavae.training.loop import train

        given = self.options.get("objective")
        objective = given if callable(given) else None
        named = {"objective": "custom"} if objective else {}
        self.config_ = Config.from_mapping({**self.options, **named})
        dataset = Dataset("array", _store(images))
        run = train(self.config_, dataset, out, objective=objective, progress=False)
        self.model_: VAE = run.model
        self.records_: list[Record] = run.records
        return self

    def transform(self, images: ImageStore | NDArray[Any]) -> NDArray[np.float32]:
        """Return the posterior means, (N, M) float32."""
        from betavae.representation import represent

        model = self._fitted()
        device = next(model.parameters()).device
        return represent(model, Dataset("array", _store(images)), device=device).mean

    def fit_transform(
        self, images: ImageStore | NDArray[Any], y: object = None
    ) -> NDArray[np.float32]:
        """Train, then return the codes of the same images."""
        store = _store(images)
        return self.fit(store).transform(store)

    def inverse_transform(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return mean images (N, C, H, W) in [0, 1] for codes (N, M)."""
        import torch

        model = self._fitted()
        latents = torch.as_tensor(np.asarray(codes), dtype=torch.float32)
        if latents.ndim != 2 or latents.shape[1] != model.latents:
            raise InputError(f"codes must be (N, {model.latents}), got {tuple(latents.shape)}")
        device = next(model.parameters()).device
        with torch.inference_mode():
            parts = [model.decode(part.to(device)).cpu() for part in torch.split(latents, 1024)]
        return torch.cat(parts).numpy()

    def score(self, images: ImageStore | NDArray[Any], factors: NDArray[Any]) -> float:
        """Return the disentanglement metric of the images' codes, in [0, 1].

        Args:
            images: as for `fit`.
            factors: (N, K) integer factors.
        """
        from betavae.metrics.higgins import higgins_score

        return higgins_score(self.transform(images), factors).score

    def sample(self, n: int, *, seed: int = 0) -> NDArray[np.float32]:
        """Return `n` mean images of latents drawn from the prior, (n, C, H, W) in [0, 1]."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            return self._fitted().sample(n, generator).cpu().numpy()

    def _fitted(self) -> VAE:
        if not hasattr(self, "model_"):
            raise InputError("this BetaVAE is not fitted yet: call fit(images) first")
        return self.model_


def _store(images: ImageStore | NDArray[Any]) -> ImageStore:
    return images if isinstance(images, ImageStore) else to_store(np.asarray(images))
