"""What a code is: the interface that every latent has, and what the first two say."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from betavae._system.errors import InputError
from betavae.models.latents import Gaussian, GaussianPosterior, Point


def numbers(rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("latent", [Gaussian(3), Point(3)])
def test_every_latent_answers_the_interface(latent: Gaussian | Point) -> None:
    posterior = latent(numbers(5, latent.encoder_outputs))
    sample = posterior.sample(numbers(5, latent.noise_columns))
    assert posterior.codes.shape == (5, latent.latents)
    assert sample.shape == (5, latent.decoder_inputs)
    assert posterior.rate_per_latent().shape == (latent.latents,)
    assert all(len(array) == 5 for array in posterior.arrays().values())
    assert latent.decoder_codes(posterior.codes).shape == sample.shape
    assert latent.levels(0, 5, 2.0).tolist() == [-2, -1, 0, 1, 2]
    halves = posterior.map(lambda tensor: tensor[2:4])
    assert torch.equal(halves.codes, posterior.codes[2:4])
    assert type(halves) is type(posterior)


def test_a_gaussian_s_rate_and_sample_are_torch_s() -> None:
    posterior = Gaussian(3)(numbers(7, 6))
    mean, log_var = posterior
    normal = Normal(mean, torch.exp(0.5 * log_var))
    expected = kl_divergence(normal, Normal(0.0, 1.0)).mean(dim=0)
    torch.testing.assert_close(posterior.rate_per_latent(), expected)
    noise = numbers(7, 3)
    torch.testing.assert_close(posterior.sample(noise), mean + normal.stddev * noise)
    torch.testing.assert_close(posterior.stddev, normal.stddev)
    assert torch.equal(Gaussian(3).prior(noise), noise)


def test_equal_posteriors_average_to_themselves() -> None:
    """As objectives on pairs step in between encoding and sampling."""
    posterior = Gaussian(2)(numbers(4, 4))
    both = GaussianPosterior(*(torch.stack((part, part)).mean(dim=0) for part in posterior))
    torch.testing.assert_close(both.codes, posterior.codes)


def test_half_precision_is_widened() -> None:
    posterior = Gaussian(2)(torch.ones(3, 4, dtype=torch.bfloat16))
    assert posterior.mean.dtype == torch.float32


def test_a_point_carries_its_codes_without_a_rate() -> None:
    codes = numbers(4, 2)
    posterior = Point(2)(codes)
    assert torch.equal(posterior.sample(torch.zeros(4, 0)), codes)
    assert posterior.rate_per_latent().tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match="no prior to sample from"):
        Point(2).prior(torch.zeros(1, 0))
