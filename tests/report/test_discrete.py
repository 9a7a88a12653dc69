"""What a report calls a model whose latents are not Gaussian."""

from __future__ import annotations

from betavae import Config
from betavae.report.words import model_name


def test_the_name_says_what_the_latents_are() -> None:
    assert model_name(Config(beta=4), 4.0) == "β-VAE with β = 4"
    assert model_name(Config(beta=4, latent="quantised"), 4.0) == (
        "β-VAE with β = 4, quantised latents"
    )
    joint = Config(objective="joint", latent="joint")
    assert model_name(joint, None) == "JointVAE (joint), Gaussian and categorical latents"
