"""Settle, then wake: what each part of the objective does to which latents."""

from __future__ import annotations

import pytest
import torch
from small import batch, images, step, tiny_vae
from torch import nn

from betavae import Config
from betavae._system.errors import InputError
from betavae.models.latents import Gaussian
from betavae.models.likelihoods import Bernoulli
from betavae.models.vae import VAE
from betavae.objectives import settle
from betavae.objectives.settle_vae import OFF, SettleVAE
from betavae.objectives.tc_vae import decompose


def begun(latents: int = 4, **options: float) -> tuple[SettleVAE, VAE]:
    objective, model = settle(100, **options), tiny_vae(latents)
    objective.start(model, 0)
    return objective, model


def settled(objective: SettleVAE, rates: list[float]) -> None:
    objective._rates = torch.tensor(rates, dtype=torch.float64)


def test_the_first_part_is_beta_tcvae_with_weight_one_on_the_rest() -> None:
    objective, model = begun(tc=5.0)
    terms = objective(model, batch(images()), step())
    found = step().forward(model, images())
    tc = decompose(found.latents, *found.posterior, 100, "mss").total_correlation
    torch.testing.assert_close(terms.loss, found.distortion + found.rate + 5.0 * tc)


def test_waking_redraws_the_silent_latents_and_leaves_the_settled_ones() -> None:
    objective, model = begun(fresh=1, spread=0.5)
    settled(objective, [2.0, 0.1, 0.0, 3.0])
    encoder, decoder = model.encoder[1], model.decoder[0]
    before = encoder.weight.clone(), decoder.weight.clone()
    means = model.encode(images()).mean
    objective(model, batch(images()), step(images_seen=100))
    after = model.encode(images())
    assert torch.equal(after.mean[:, [0, 2, 3]], means[:, [0, 2, 3]])
    assert not torch.equal(encoder.weight[1], before[0][1])
    assert torch.equal(encoder.bias[[1, 5]], torch.tensor([0.0, -2.0], dtype=torch.float64))
    assert torch.equal(decoder.weight[:, [0, 2, 3]], before[1][:, [0, 2, 3]])
    assert not torch.equal(decoder.weight[:, 1], before[1][:, 1])
    again = encoder.weight.clone()
    objective(model, batch(images()), step(images_seen=106))
    assert torch.equal(encoder.weight, again)  # once only


def test_the_second_part_weighs_each_latent_for_itself_and_anchors_the_settled() -> None:
    objective, model = begun(fresh=1, beta=4.0, fresh_beta=0.5, anchor=7.0)
    settled(objective, [2.0, 0.1, 0.0, 3.0])
    terms = objective(model, batch(images()), step(images_seen=100))
    found = step().forward(model, images())
    rates = found.rate_per_latent
    assert float(terms.values["anchor"].detach()) == 0.0  # nothing has moved yet
    with torch.no_grad():
        model.encoder[1].bias[:4] += 0.5
    terms = objective(model, batch(images()), step(images_seen=100, seed=3))
    found = step(seed=3).forward(model, images())
    rates = found.rate_per_latent
    weights = torch.tensor([4.0, 0.5, OFF, 4.0], dtype=torch.float64)
    anchor = 2 * 0.25  # two settled latents, each moved by .5
    expected = found.distortion + (weights * rates).sum() + 7.0 * anchor
    torch.testing.assert_close(terms.loss, expected)
    assert float(terms.values["anchor"].detach()) == pytest.approx(anchor)


def test_the_old_encoder_gets_no_gradient_and_the_state_comes_back() -> None:
    objective, model = begun()
    settled(objective, [2.0, 0.1, 0.0, 3.0])
    objective(model, batch(images()), step(images_seen=100)).loss.backward()
    state = {name: value.clone() for name, value in objective.state_dict().items()}
    other = settle(100)
    other.start(model, 1)
    other.load_state_dict(state)
    one = objective(model, batch(images()), step(images_seen=120))
    two = other(model, batch(images()), step(images_seen=120))
    assert torch.equal(one.loss, two.loss)


def test_what_it_cannot_train_is_one_line() -> None:
    with pytest.raises(InputError, match="settle needs at least 2 images a batch"):
        begun()[0](begun()[1], batch(images(1)), step())
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    odd = VAE(encoder, Gaussian(2), nn.Unflatten(1, (1, 1, 2)), Bernoulli())
    with pytest.raises(InputError, match="a network whose encoder ends"):
        settle().start(odd, 0)
    with pytest.raises(InputError, match="fresh must be >= 0"):
        Config.from_mapping({"objective": {"name": "settle", "fresh": -1}})
