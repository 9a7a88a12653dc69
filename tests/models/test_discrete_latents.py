"""Quantised, categorical and joint latents: what they carry, and what reaches the encoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from betavae import BetaVAE, Config, train
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.models.joint import Joint
from betavae.models.quantised import FiniteScalar, Quantised
from betavae.runs.latent_ranges import Scale
from betavae.runs.representation import represent
from betavae.runs.traversals import traverse

LATENTS = [Quantised(3, 4), FiniteScalar(3, 4), FiniteScalar(3, 5), Joint(4, (2, 5)), Joint(1)]


def numbers(rows: int, columns: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator)


def dots() -> Dataset:
    grid = Factors(("row", "column"), (4, 4))
    pixels = np.eye(16, dtype=np.uint8).reshape(16, 1, 4, 4).repeat(4, 2).repeat(4, 3)
    return Dataset("dots", ImageStore.from_binary(pixels), grid, None, grid.names)


@pytest.mark.parametrize("latent", LATENTS)
def test_every_latent_answers_the_interface(latent: Any) -> None:
    posterior = latent(numbers(6, latent.encoder_outputs))
    sample = posterior.sample(numbers(6, latent.noise_columns))
    assert posterior.codes.shape == (6, latent.latents)
    assert sample.shape == (6, latent.decoder_inputs)
    assert posterior.rate_per_latent().shape == (latent.latents,)
    assert all(len(array) == 6 for array in posterior.arrays().values())
    assert latent.decoder_codes(posterior.codes).shape == sample.shape
    assert latent.prior(numbers(7, latent.noise_columns)).shape == (7, latent.decoder_inputs)
    part = posterior.map(lambda tensor: tensor[2:4])
    assert torch.equal(part.codes, posterior.codes[2:4])
    assert torch.equal(part.sample(numbers(2, latent.noise_columns)).detach().isfinite(),
                       torch.ones(2, latent.decoder_inputs, dtype=torch.bool))  # fmt: skip


@pytest.mark.parametrize("latent", LATENTS[:3])
def test_quantised_codes_are_levels_and_levels_stay(latent: Any) -> None:
    posterior = latent(2 * numbers(50, 3))
    for k in range(3):
        book = latent.book_of(k)
        assert set(posterior.codes[:, k].tolist()) <= set(book.tolist())
        assert latent.levels(k, len(book)).tolist() == book.tolist()
    torch.testing.assert_close(latent.decoder_codes(posterior.codes), posterior.codes)


def test_levels_are_the_nearest_ones_and_gradients_go_where_they_should() -> None:
    latent = Quantised(2, 3, quantisation=2.0, commitment=5.0)
    raw = torch.tensor([[0.2, -0.4]], requires_grad=True)
    posterior = latent(raw)
    assert posterior.codes.tolist() == [[0.0, -0.5]]
    assert posterior.place.tolist() == [[1, 0]]
    (straight,) = torch.autograd.grad(posterior.sample(raw[:, :0]).sum(), raw, retain_graph=True)
    assert straight.tolist() == [[1.0, 1.0]]  # as if nothing were rounded
    penalty = posterior.penalty()
    squares = 0.2**2 + 0.1**2
    assert float(penalty.detach()) == pytest.approx((2 + 5) * squares)
    to_raw, to_book = torch.autograd.grad(penalty, (raw, latent.book))
    torch.testing.assert_close(to_raw, 5.0 * 2 * torch.tensor([[0.2, 0.1]]))
    expected = torch.zeros(2, 3)
    expected[0, 1], expected[1, 0] = -2.0 * 2 * 0.2, -2.0 * 2 * 0.1
    torch.testing.assert_close(to_book, expected)


@pytest.mark.parametrize(
    "latent", [Quantised(2, 1), FiniteScalar(2, 1), Joint(2, (1, 1)), Quantised(2, 4)]
)
def test_a_book_of_one_carries_nothing_and_a_level_for_each_image_its_log(latent: Any) -> None:
    if isinstance(latent, Quantised) and latent.book.shape[1] == 4:
        raw = latent.book.detach().t().clone()  # four images, four levels
        torch.testing.assert_close(latent(raw).rate_per_latent(), torch.full((2,), math.log(4)))
        return
    posterior = latent(numbers(9, latent.encoder_outputs))
    torch.testing.assert_close(posterior.rate_per_latent(), torch.zeros(2), atol=1e-6, rtol=0)
    assert len(posterior.codes.unique()) == 1


def test_a_temperature_towards_zero_is_the_argmax() -> None:
    latent, cold = Joint(2, (3, 4), 0.67), Joint(2, (3, 4), 1e-5)
    raw, noise = numbers(200, latent.encoder_outputs), numbers(200, latent.noise_columns, 1)
    sharp = cold(raw).sample(noise)
    torch.testing.assert_close(sharp, sharp.round(), atol=1e-3, rtol=0)
    soft = latent(raw).sample(noise)
    for part, other in zip(sharp.split((3, 4), 1), soft.split((3, 4), 1), strict=True):
        torch.testing.assert_close(part.sum(dim=1), torch.ones(200))
        assert torch.equal(part.argmax(dim=1), other.argmax(dim=1))
    decoded = cold.decoder_codes(cold(raw).codes)
    logits = raw.split((3, 4), dim=1)
    likeliest = [one.argmax(dim=1) for one in logits]
    assert [p.argmax(dim=1).tolist() for p in decoded.split((3, 4), 1)] == [
        one.tolist() for one in likeliest
    ]


def test_samples_of_a_category_come_as_often_as_it_says() -> None:
    latent = Joint(1, (3,), 0.01)
    shares = torch.tensor([0.2, 0.5, 0.3])
    noise = numbers(40_000, 3)
    drawn = latent(shares.log().expand(40_000, 3)).sample(noise).mean(dim=0)
    torch.testing.assert_close(drawn, shares, atol=0.01, rtol=0)
    torch.testing.assert_close(latent.prior(noise).mean(dim=0), torch.full((3,), 1 / 3),
                               atol=0.01, rtol=0)  # fmt: skip


def test_the_rates_of_a_joint_latent_are_torch_s() -> None:
    latent = Joint(3, (4,))
    raw = numbers(7, latent.encoder_outputs)
    posterior = latent(raw)
    category = torch.distributions.Categorical(logits=raw[:, 4:])
    even = torch.distributions.Categorical(logits=torch.zeros(7, 4))
    expected = torch.distributions.kl_divergence(category, even).mean()
    torch.testing.assert_close(posterior.rate_per_latent()[2], expected)


CASES: dict[str, dict[str, Any]] = {
    "qlae": {"latent": {"name": "quantised", "levels": 4}},
    "decayed": {"latent": "quantised", "optimiser": {"name": "adam", "weight_decay": 0.1}},
    "fsq": {"latent": {"name": "quantised", "levels": 3, "rule": "fsq"}},
    "joint": {"latent": {"name": "joint", "categories": "3"}, "objective": "joint"},
    "joint under beta": {"latent": {"name": "joint", "categories": [3, 2]}, "beta": 2.0},
}


@pytest.mark.parametrize("name", CASES)
def test_it_trains_and_is_traversed_through_its_levels(name: str) -> None:
    data = dots()
    config = Config.from_mapping({**CASES[name], "images": 96, "latents": 3})
    assert Config.from_mapping(config.given()) == config
    run = train(config, data, progress=False)
    assert math.isfinite(run.records[-1].loss)
    found = represent(run.model, data)
    scale = Scale.of_latent(run.model.latent, np.array([1.0, 2.0, 3.0]))
    shown = traverse(run.model, data.images[[3]], scale, steps=5)
    assert shown.images.shape[2] == len(shown.values)
    assert shown.latents.tolist() == [2, 1, 0]
    if "quantised" in str(CASES[name]["latent"]):
        assert found.arrays["index"].shape == (16, 3)
        book = run.model.latent.book_of(0)
        assert shown.values.tolist() == list(range(len(book)))
        np.testing.assert_allclose(scale.levels(shown.values)[0], book.detach().numpy())
    else:
        assert found.arrays["probabilities"].shape[0] == 16
        assert scale.levels(shown.values)[2].tolist() == (
            [0, 0, 1, 2, 2] if name == "joint" else [0, 0, 0, 1, 1]
        )


def test_the_estimator_takes_them() -> None:
    images = dots().images[list(range(16))].numpy()
    for latent in ("quantised", "joint"):
        model = BetaVAE(latents=3, latent=latent, images=64, random_state=0).fit(images)
        assert model.transform(images).shape == (16, 3)
        assert model.sample(5).shape == model.inverse_transform(np.zeros((5, 3))).shape


def test_bad_options_are_refused_in_one_line() -> None:
    for options, words in (
        ({"latent": {"name": "quantised", "levels": 0}}, "levels must be >= 1, got 0"),
        ({"latent": {"name": "joint", "categories": "3,0"}}, "categories must be sizes >= 1"),
        ({"latent": {"name": "joint", "temperature": 0}}, "temperature must be > 0, got 0"),
    ):
        with pytest.raises(InputError, match=words):
            Config.from_mapping(options)
    for options, words in (
        ({"latent": {"name": "joint", "categories": "3,3"}, "latents": 1}, "latents must be >= 2"),
        ({"objective": "joint"}, "objective joint needs latent joint, got gaussian"),
        ({"objective": "tcvae", "latent": "quantised"}, "tcvae needs Gaussian latents, got quant"),
    ):
        with pytest.raises(InputError, match=words):
            train(Config.from_mapping({**options, "images": 8}), dots(), progress=False)
