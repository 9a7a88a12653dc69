"""Every model that gives codes, behind one idea: `code_means(images)`, and `decode(codes)`."""

from __future__ import annotations

from typing import TypeAlias

from betavae.config import Config
from betavae.models.dcign import DCIGN, dcign
from betavae.models.infogan import InfoGAN, infogan
from betavae.models.linear import Affine
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE

Model: TypeAlias = VAE | InfoGAN | DCIGN | Affine
"""`.latents`; `.code_means((B, C, H, W)) -> (B, M)`; `.decode((B, M)) -> (B, C, H, W)`."""


def build_model(config: Config, image_shape: ImageShape) -> Model:
    """Return the configured model, not trained yet, for images (C, H, W).

    Torch's global generator, seeded by the caller, draws the weights.

    Raises:
        InputError: when the method does not fit the images.
    """
    if config.method == "infogan":
        return infogan(image_shape, config.latents)
    if config.method == "dcign":
        return dcign(image_shape, config.latents)
    if config.method in ("pca", "ica"):
        return Affine.empty(image_shape, config.latents)
    return VAE.from_config(config, image_shape)
