"""The model that a configuration stands for, with parts of the user's own where they are given."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import torch
from torch import nn

from betavae._system.errors import InputError
from betavae.config import CUSTOM, Config
from betavae.models.dcign import DCIGN, dcign
from betavae.models.infogan import InfoGAN, infogan
from betavae.models.latents import Latent
from betavae.models.linear import Affine
from betavae.models.networks import NETWORKS, ImageShape, Pair, build_network
from betavae.models.vae import VAE
from betavae.objectives.terms import Objective

Model: TypeAlias = VAE | InfoGAN | DCIGN | Affine
"""`.latents`; `.code_means((B, C, H, W)) -> (B, M)`; `.decode((B, M)) -> (B, C, H, W)`."""

OwnNetwork: TypeAlias = Pair | Callable[[ImageShape, int], Pair]
"""A pair (encoder, decoder), or a function of (C, H, W) and the number of latents."""

TRUST = "BETAVAE_TRUST"


@dataclass(frozen=True)
class Own:
    """Parts that a user gives from Python in the place of configured ones.

    Attributes:
        objective: (model, batch, step) -> Terms.
        network: see `OwnNetwork`.
        latent: a latent module (`betavae.models.latents`).
    """

    objective: Objective | None = None
    network: OwnNetwork | None = None
    latent: Latent | None = None

    @property
    def any(self) -> bool:
        """Whether anything was given."""
        return any(part is not None for part in (self.objective, self.network, self.latent))

    def named_in(self, config: Config) -> Config:
        """Return the configuration with the parts' names: import paths where they have one.

        Raises:
            InputError: for an objective that is no function, or a latent of another number than
                the configuration's, where that is set.
        """
        changes: dict[str, Any] = {}
        if self.objective is not None:
            if not callable(self.objective):
                kind = type(self.objective).__name__
                raise InputError(f"objective must be a function, got {kind}")
            changes["objective"] = CUSTOM
        if self.network is not None:
            changes["network"] = import_path(self.network)
        if self.latent is not None:
            latents = self.latent.latents
            if "latents" in config.model_fields_set and config.latents != latents:
                raise InputError(f"latents must be {latents}, as latent has, got {config.latents}")
            changes |= {"latent": CUSTOM, "latents": latents}
        return config.replaced(**changes) if changes else config


def import_path(network: OwnNetwork) -> str:
    """Return ``module:name`` of a function that can be imported, else ``custom``."""
    module, name = getattr(network, "__module__", None), getattr(network, "__qualname__", "")
    if not callable(network) or not module or module == "__main__" or "<" in name:
        return CUSTOM
    return f"{module}:{name}"


def build_model(config: Config, image_shape: ImageShape, own: Own | None = None) -> Model:
    """Return the configured model, not trained yet, for images (C, H, W).

    Torch's global generator, seeded by the caller, draws the weights.

    Args:
        config: what to build.
        image_shape: (C, H, W).
        own: parts given from Python.

    Raises:
        InputError: when the method or network does not fit the images, or the network is code
            of the user's own that was not given.
    """
    name = config.method.name
    if config.method.name == "infogan":
        return infogan(image_shape, config.latents, config.method.categorical)
    if config.method.name == "dcign":
        return dcign(image_shape, config.latents, variational=config.method.clamp == "first")
    if name in ("pca", "ica"):
        return Affine.empty(image_shape, config.latents)
    own = own or Own()
    latent = config.latent.make(config.latents) if own.latent is None else deepcopy(own.latent)
    # Rows of d numbers are images (1, 1, d), whose values a Gaussian does not take for pixels.
    likelihood = config.likelihood.make(bounded=image_shape[:2] != (1, 1))
    if own.network is None and config.network in NETWORKS:
        outputs, inputs = latent.encoder_outputs, latent.decoder_inputs
        encoder, decoder = build_network(config.network, image_shape, outputs, inputs)
        return VAE(encoder, latent, decoder, likelihood)
    network = own.network if own.network is not None else trusted_network(config.network)
    pair = network(image_shape, config.latents) if callable(network) else deepcopy(network)
    encoder, decoder = _checked(pair, image_shape, latent)
    return VAE(encoder, latent, decoder, likelihood)


def trusted_network(path: str) -> OwnNetwork:
    """Import a network of the user's own by its path, which a file may have named.

    Loading a run executes nothing that its files name. So the path is imported only where the
    variable BETAVAE_TRUST lists its module.

    Raises:
        InputError: when it is not trusted, or not there.
    """
    module, _, name = path.partition(":")
    if path == CUSTOM or not name:
        raise InputError(
            "the network of this run was given from Python; give it again, with network="
        )
    if module not in os.environ.get(TRUST, "").split(","):
        raise InputError(
            f"the network of this run is code of your own, {path}: give it again with network=, "
            f"or say that you trust it with {TRUST}={module}"
        )
    return imported_network(path)


def imported_network(path: str) -> OwnNetwork:
    """Import ``module:name``.

    Raises:
        InputError: when there is no such module or function.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"cannot import the network {path}: {error}") from None
    if not callable(found):
        raise InputError(f"network {path} must be a function, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _checked(pair: Any, image_shape: ImageShape, latent: Latent) -> Pair:
    """Return a pair of modules that fit the images and the latent."""
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2) or not all(
        isinstance(part, nn.Module) for part in pair
    ):
        raise InputError(
            "network must be two modules, an encoder and a decoder, or a function of "
            f"(image_shape, latents) that returns them, got {type(pair).__name__}"
        )
    encoder, decoder = pair
    modes = encoder.training, decoder.training
    with torch.no_grad():
        encoder.eval(), decoder.eval()
        for what, module, given, wanted in (
            ("encoder", encoder, (2, *image_shape), (2, latent.encoder_outputs)),
            ("decoder", decoder, (2, latent.decoder_inputs), (2, *image_shape)),
        ):
            try:
                weight = next(module.parameters(), torch.zeros(()))
                found = tuple(module(torch.zeros(given, device=weight.device)).shape)
            except (RuntimeError, ValueError, TypeError) as error:
                reason = str(error).splitlines()[0]
                raise InputError(f"the {what} does not take {given}: {reason}") from None
            if found != wanted:
                raise InputError(f"the {what} must turn {given} into {wanted}, got {found}")
    encoder.train(modes[0]), decoder.train(modes[1])
    return encoder, decoder
