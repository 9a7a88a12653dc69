"""SlowVAE: the closed form beside an integral, and what its pairs pay."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import laplace, norm
from small import batch, images, step, tiny_vae

from betavae import InputError
from betavae.config import Config
from betavae.models.latents import GaussianPosterior
from betavae.objectives import beta_vae, slowvae
from betavae.objectives.slow_vae import laplace_divergence


@pytest.mark.parametrize(
    ("mean", "deviation", "centre", "decay"),
    [(0.0, 1.0, 0.0, 1.0), (0.3, 0.2, -1.1, 6.0), (-2.0, 0.05, -2.0, 6.0), (4.0, 2.0, 1.0, 0.5)],
)
def test_the_closed_form_is_the_integral(
    mean: float, deviation: float, centre: float, decay: float
) -> None:
    own, prior = norm(mean, deviation), laplace(centre, 1 / decay)
    expected, _ = quad(
        lambda z: own.pdf(z) * (own.logpdf(z) - prior.logpdf(z)),
        mean - 12 * deviation, mean + 12 * deviation, points=[centre], limit=200,
    )  # fmt: skip
    at = GaussianPosterior(
        torch.tensor([[mean]], dtype=torch.float64),
        torch.tensor([[2 * math.log(deviation)]], dtype=torch.float64),
    )
    found = laplace_divergence(at, torch.tensor([[centre]], dtype=torch.float64), decay)
    assert found.item() == pytest.approx(expected, rel=1e-7)


def test_far_away_the_price_is_the_decay_times_the_distance() -> None:
    at = GaussianPosterior(torch.tensor([[50.0]]), torch.zeros(1, 1))
    near = laplace_divergence(at, torch.tensor([[40.0]]), 6.0)
    far = laplace_divergence(at, torch.tensor([[39.0]]), 6.0)
    assert (far - near).item() == pytest.approx(6.0, rel=1e-4)


def test_the_loss_is_half_of_a_pair_s() -> None:
    model, x, other = tiny_vae(), images(), images(seed=7)
    terms = slowvae(10.0, beta=3.0)(model, batch(x, other), step())
    plain = beta_vae(1.0)(model, batch(torch.cat((x, other))), step())
    first, second = model.encode(x), model.encode(other)
    slowness = (
        laplace_divergence(first, second.mean, 6.0) + laplace_divergence(second, first.mean, 6.0)
    ).sum(dim=1).mean() / 2  # fmt: skip
    torch.testing.assert_close(terms.values["slowness"], slowness)
    values = plain.values
    expected = values["distortion"] + 1.5 * values["rate"] + 5 * slowness
    torch.testing.assert_close(terms.loss, expected)


def test_training_brings_the_codes_of_a_pair_together() -> None:
    x, gaps = images(), []
    other = (x + 0.2 * images(seed=7)).clamp(max=1)
    for gamma in (0.0, 10.0):
        model = tiny_vae()
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for index in range(60):
            optimiser.zero_grad()
            slowvae(gamma, beta=0.1)(model, batch(x, other), step(seed=index)).loss.backward()
            optimiser.step()
        with torch.no_grad():
            gaps.append((model.encode(x).codes - model.encode(other).codes).abs().mean().item())
    assert gaps[1] < gaps[0] / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": -1.0}, "gamma must be >= 0, got -1.0"),
        ({"beta": -1.0}, "beta must be >= 0, got -1.0"),
        ({"decay": 0.0}, "decay must be > 0 and finite, got 0.0"),
    ],
)
def test_bad_options_are_one_line(options: Mapping[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        slowvae(**options)  # type: ignore[arg-type]


def test_it_needs_pairs_and_takes_them_from_where_adagvae_does() -> None:
    with pytest.raises(InputError, match="slowvae needs pairs"):
        slowvae()(tiny_vae(), batch(images(), images(4)), step())
    frames = Config.from_mapping({"objective": {"name": "slowvae", "pairs": "frames"}})
    assert frames.objective.sampler.__name__ == "consecutive"  # type: ignore[union-attr]
    with pytest.raises(InputError, match="changes needs pairs=factors, got pairs=frames"):
        Config.from_mapping({"objective": {"name": "slowvae", "pairs": "frames", "changes": 1}})
