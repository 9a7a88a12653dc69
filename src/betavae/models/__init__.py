"""Encoders, decoders, latents, likelihoods, the VAE that joins them, and the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy

if TYPE_CHECKING:
    from betavae.models.dcign import DCIGN as DCIGN
    from betavae.models.infogan import InfoGAN as InfoGAN
    from betavae.models.latents import Gaussian as Gaussian
    from betavae.models.latents import Point as Point
    from betavae.models.likelihoods import Bernoulli as Bernoulli
    from betavae.models.likelihoods import ContinuousBernoulli as ContinuousBernoulli
    from betavae.models.likelihoods import Gaussian as GaussianLikelihood  # noqa: F401
    from betavae.models.linear import Affine as Affine
    from betavae.models.networks import NETWORKS as NETWORKS
    from betavae.models.networks import build_network as build_network
    from betavae.models.vae import VAE as VAE

_HOMES = {
    "Affine": "linear",
    "Bernoulli": "likelihoods",
    "ContinuousBernoulli": "likelihoods",
    "DCIGN": "dcign",
    "Gaussian": "latents",
    "GaussianLikelihood": "likelihoods:Gaussian",
    "InfoGAN": "infogan",
    "NETWORKS": "networks",
    "Point": "latents",
    "VAE": "vae",
    "build_network": "networks",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
