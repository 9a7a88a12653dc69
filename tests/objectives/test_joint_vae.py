"""JointVAE's objective: a capacity for each kind of latent."""

from __future__ import annotations

import math

import pytest
import torch
from small import batch, images, step
from torch import nn

from betavae._system.errors import InputError
from betavae.models.joint import Joint
from betavae.models.likelihoods import Bernoulli
from betavae.models.vae import VAE
from betavae.objectives import joint


def vae(latent: Joint) -> VAE:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, latent.encoder_outputs))
    decoder = nn.Sequential(nn.Linear(latent.decoder_inputs, 16), nn.Unflatten(1, (1, 4, 4)))
    return VAE(encoder, latent, decoder, Bernoulli()).double()


def test_each_rate_is_held_at_its_own_capacity() -> None:
    model, x = vae(Joint(3, (3,))), images()
    terms = joint(7.0, continuous=100.0, discrete=0.0)(model, batch(x), step())
    values = terms.values
    torch.testing.assert_close(
        terms.loss,
        values["distortion"]
        + 7.0 * (100.0 - values["continuous_rate"])
        + 7.0 * values["discrete_rate"],
    )
    torch.testing.assert_close(values["rate"], values["continuous_rate"] + values["discrete_rate"])


def test_categories_are_not_asked_for_more_than_they_can_carry() -> None:
    model = vae(Joint(3, (3, 2)))
    terms = joint(discrete=9.0)(model, batch(images()), step())
    assert terms.values["discrete_capacity"] == pytest.approx(math.log(6))


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="gamma must be >= 0, got -1"):
        joint(-1)
    with pytest.raises(InputError, match="discrete must be >= 0, got -2"):
        joint(discrete=-2)
