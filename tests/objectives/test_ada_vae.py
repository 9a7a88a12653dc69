"""Pairs of images: which latents are shared, and what becomes of those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import LATENTS, batch, images, step, tiny_vae
from torch.distributions import Normal, kl_divergence

from betavae import Config, train
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.models.latents import GaussianPosterior
from betavae.objectives import adagvae, adamlvae, beta_vae
from betavae.objectives.ada_vae import (
    changed_latents,
    mean_of_moments,
    normalised_product,
    pair_divergence,
    shared_average,
)

AVERAGES = (mean_of_moments, normalised_product)


def posterior(seed: int, rows: int = 5, latents: int = 4) -> GaussianPosterior:
    generator = torch.Generator().manual_seed(seed)
    return GaussianPosterior(
        *torch.randn(2, rows, latents, generator=generator, dtype=torch.float64)
    )


def normal(of: GaussianPosterior) -> Normal:
    return Normal(of.mean, of.stddev)


@pytest.mark.parametrize("average", AVERAGES)
def test_identical_posteriors_average_to_themselves(average: object) -> None:
    one = posterior(0)
    for found, expected in zip(average(one, one), one, strict=True):  # type: ignore[operator]
        torch.testing.assert_close(found, expected)


def test_ada_gvae_averages_means_and_variances() -> None:
    a, b = posterior(0), posterior(1)
    found = mean_of_moments(a, b)
    torch.testing.assert_close(found.mean, (a.mean + b.mean) / 2)
    torch.testing.assert_close(found.log_var.exp(), (a.log_var.exp() + b.log_var.exp()) / 2)


def test_ada_ml_vae_takes_the_product_of_the_densities() -> None:
    """The density is that of the normalised square root of the product, up to a constant."""
    a, b = posterior(0), posterior(1)
    found = normal(normalised_product(a, b))
    at = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None, None].expand(7, 5, 4)
    gap = found.log_prob(at) - (normal(a).log_prob(at) + normal(b).log_prob(at)) / 2
    torch.testing.assert_close(gap, gap[:1].expand_as(gap))
    # As the authors' code writes it.
    one, two = a.log_var.exp(), b.log_var.exp()
    var = 2 * one * two / (one + two)
    torch.testing.assert_close(normalised_product(a, b).log_var.exp(), var)
    torch.testing.assert_close(found.mean, (a.mean / one + b.mean / two) * var / 2)


def test_the_divergence_is_torch_s() -> None:
    a, b = posterior(0), posterior(1)
    torch.testing.assert_close(pair_divergence(a, b), kl_divergence(normal(a), normal(b)))


def test_latents_above_half_way_between_smallest_and_largest_divergence_changed() -> None:
    found = changed_latents(torch.tensor([[0.0, 1.0, 0.49, 0.51], [3.0, 9.0, 5.9, 6.1]]))
    assert found.tolist() == [[False, True, False, True]] * 2


def test_with_a_known_count_as_many_latents_changed() -> None:
    divergence = pair_divergence(posterior(0), posterior(1))
    found = changed_latents(divergence, torch.tensor([0, 1, 2, 3, 4]))
    assert found.sum(dim=1).tolist() == [0, 1, 2, 3, 4]
    for row, kept in zip(divergence, found, strict=True):
        if 0 < kept.sum() < 4:
            assert row[kept].min() > row[~kept].max()


def test_shared_latents_are_alike_in_both_images_and_changed_ones_as_they_were() -> None:
    both, changed = posterior(0, rows=10), torch.rand(5, 4) < 0.5
    found = shared_average(both, mean_of_moments, changed)
    for after, before in zip(found, both, strict=True):
        assert torch.equal(after[:5][~changed], after[5:][~changed])
        assert torch.equal(after[:5][changed], before[:5][changed])
        assert torch.equal(after[5:][changed], before[5:][changed])


@pytest.mark.parametrize("make", [adagvae, adamlvae])
def test_pairs_of_the_same_image_are_the_beta_vae_on_all_of_them(make: object) -> None:
    model, x = tiny_vae(), images()
    found = make(3.0)(model, batch(x, x), step())  # type: ignore[operator]
    expected = beta_vae(3.0)(model, batch(torch.cat((x, x))), step())
    torch.testing.assert_close(found.loss, expected.loss)


def test_terms_are_means_over_both_images() -> None:
    model, x, other = tiny_vae(), images(), images(seed=7)
    changed = torch.ones(6, LATENTS, dtype=torch.bool)  # nothing is shared
    pairs = replace(batch(x, other), changed=changed)
    found = adagvae(2.0, told="factors")(model, pairs, step())
    expected = beta_vae(2.0)(model, batch(torch.cat((x, other))), step())
    torch.testing.assert_close(found.loss, expected.loss)
    assert float(found.values["changed_latents"]) == LATENTS


@pytest.mark.parametrize(("told", "moved"), [("count", 1.0), ("factors", 2.0)])
def test_what_is_told_decides_which_latents_are_shared(told: str, moved: float) -> None:
    changed = torch.zeros(6, 2, dtype=torch.bool)
    changed[:, 1] = True  # one of two factors; the third latent has none and is left alone
    pairs = replace(batch(images(), images(seed=7)), changed=changed)
    found = adagvae(told=told)(tiny_vae(), pairs, step())  # type: ignore[arg-type]
    assert float(found.values["changed_latents"]) == moved


def test_bad_input_is_refused() -> None:
    model, x = tiny_vae(), images()
    with pytest.raises(InputError, match="beta must be >= 0, got -1"):
        adagvae(-1)
    with pytest.raises(InputError, match="told must be nothing, count or factors, got 'all'"):
        adamlvae(told="all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="adagvae needs pairs: a second image for each"):
        adagvae()(model, batch(x, x[:3]), step())
    with pytest.raises(InputError, match="told count needs pairs whose changed factors are known"):
        adagvae(told="count")(model, batch(x, x), step())
    many = replace(batch(x, x), changed=torch.ones(6, 4, dtype=torch.bool))
    with pytest.raises(InputError, match="told factors needs a latent a factor, 4, got 3"):
        adagvae(told="factors")(model, many, step())
    with pytest.raises(InputError, match="changes needs pairs=factors, got pairs=frames"):
        Config.from_mapping({"objective": {"name": "adagvae", "pairs": "frames", "changes": 1}})
    with pytest.raises(InputError, match=r"told=count needs pairs=factors, got pairs=p\.csv"):
        Config.from_mapping({"objective": {"name": "adagvae", "pairs": "p.csv", "told": "count"}})


@pytest.mark.parametrize("name", ["adagvae", "adamlvae"])
@pytest.mark.parametrize("pairs", ["factors", "frames"])
def test_it_trains(name: str, pairs: str) -> None:
    grid = Factors(("row", "column"), (4, 4))
    pixels = np.eye(16, dtype=np.uint8).reshape(16, 1, 4, 4).repeat(4, 2).repeat(4, 3)
    data = Dataset("dots", ImageStore.from_binary(pixels), grid, None, grid.names)
    options = {"objective": {"name": name, "pairs": pairs}, "images": 64, "latents": 3}
    run = train(Config.from_mapping(options), data, progress=False)
    assert 0 < run.records[-1].terms["changed_latents"] <= 3
