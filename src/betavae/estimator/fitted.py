"""What a fitted `BetaVAE` keeps, for the parts of it that share and draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.estimator_input import Form

if TYPE_CHECKING:
    import torch

    from betavae.models.vae import VAE
    from betavae.training.learners import Learner
    from betavae.training.records import Record


class Fitted:
    """Learned state, declared once; `betavae.estimator.beta_vae.BetaVAE` says what each is."""

    model_: VAE
    config_: Config
    records_: list[Record]
    image_shape_: tuple[int, int, int]
    n_features_in_: int
    feature_names_in_: Any
    _form: Form
    _learner: Learner | None
    _images: Dataset | None
    """What `fit` or `partial_fit` saw last; None in a model that was read from files."""

    def _device(self) -> torch.device:
        from betavae.training.machine import choose_device

        return choose_device(self.config_.device)
