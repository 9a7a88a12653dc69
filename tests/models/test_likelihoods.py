"""Decoder distributions: known answers in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.images import ImageStore
from betavae.models.likelihoods import (
    NEAR_HALF,
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    LearntGaussian,
    log_constant,
)

LOGITS = [
    -40.0,
    -6.0,
    -1.0,
    -0.31,
    -0.29,
    -1e-3,
    -1e-9,
    0.0,
    1e-9,
    1e-3,
    0.29,
    0.31,
    1.0,
    6.0,
    40.0,
]


def as_tensor(logit: float) -> torch.Tensor:
    return torch.tensor([[logit]], dtype=torch.float64)


@pytest.mark.parametrize("logit", LOGITS)
def test_the_continuous_bernoulli_is_a_density(logit: float) -> None:
    """Against numerical integration: of 1 the whole, of x the mean."""

    def density(x: float) -> float:
        images = torch.tensor([[x]], dtype=torch.float64)
        return math.exp(-float(ContinuousBernoulli().distortion(as_tensor(logit), images)))

    assert quad(density, 0, 1, points=[0.05, 0.95])[0] == pytest.approx(1, abs=1e-9)
    mean = quad(lambda x: x * density(x), 0, 1, points=[0.05, 0.95])[0]
    assert float(ContinuousBernoulli().mean(as_tensor(logit))) == pytest.approx(mean, abs=1e-9)


def test_constant_by_the_papers_formula() -> None:
    """C = 2 atanh(1 - 2 lambda) / (1 - 2 lambda), and 2 at one half (Eq. 8)."""
    for value in (0.01, 0.2, 0.4, 0.6, 0.99):
        logit = torch.tensor(math.log(value / (1 - value)), dtype=torch.float64)
        expected = math.log(2 * math.atanh(1 - 2 * value) / (1 - 2 * value))
        assert float(log_constant(logit)) == pytest.approx(expected, abs=1e-10)
    assert float(log_constant(torch.tensor(0.0))) == pytest.approx(math.log(2))


def test_series_and_quotients_meet_and_gradients_are_finite_everywhere() -> None:
    for edge in (NEAR_HALF, -NEAR_HALF):
        near = torch.tensor([edge * (1 - 1e-12), edge * (1 + 1e-12)], dtype=torch.float64)
        for function in (log_constant, ContinuousBernoulli().mean):
            assert float(function(near).diff().abs()) < 1e-9
    for dtype in (torch.float32, torch.float64):
        logits = torch.tensor([*LOGITS, 100.0, -100.0], dtype=dtype, requires_grad=True)
        total = log_constant(logits).sum() + ContinuousBernoulli().mean(logits).sum()
        assert torch.isfinite(torch.autograd.grad(total, logits)[0]).all()
    # d log C / dl is the mean of a Bernoulli less that of the continuous one: E[x] minimises.
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(log_constant(logits).sum(), logits)
    expected = torch.sigmoid(logits) - ContinuousBernoulli().mean(logits)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_the_distortion_is_summed_over_pixels_and_averaged_over_images() -> None:
    raw, images = torch.randn(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    whole = ContinuousBernoulli().distortion(raw, images)
    parts = [ContinuousBernoulli().distortion(raw[k : k + 1], images[k : k + 1]) for k in range(3)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())
    difference = Bernoulli().distortion(raw, images) - whole
    torch.testing.assert_close(difference, log_constant(raw).sum() / 3)


def test_a_configuration_chooses_it_by_name() -> None:
    config = Config.from_mapping({"likelihood": "continuous-bernoulli"})
    assert config.likelihood.make() == ContinuousBernoulli()
    assert Config.from_mapping({"sigma": 0.2, "likelihood": "gaussian"}).likelihood.make() == (
        Gaussian(0.2)
    )


def test_a_store_knows_black_and_white_from_grey() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8)).astype(np.uint8)
    assert not ImageStore.from_uint8(grey).binary
    assert ImageStore.from_uint8((grey > 99).astype(np.uint8) * 255).binary
    assert ImageStore.from_binary(grey > 99).binary


def test_a_learnt_deviation_is_the_fixed_one_of_its_value() -> None:
    raw, images = torch.rand(2, 5, 3, 4, 4, dtype=torch.float64)
    learnt = LearntGaussian().double()
    expected = Gaussian(learnt.sigma).distortion(raw, images)
    assert float(learnt.distortion(raw, images).detach()) == pytest.approx(
        float(expected), rel=1e-12
    )


def test_a_learnt_deviation_ends_at_the_error_of_the_decoder() -> None:
    images = torch.rand(64, 1, 4, 4)
    raw = images + 0.05 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    learnt = LearntGaussian()
    optimiser = torch.optim.Adam(learnt.parameters(), lr=1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        learnt.distortion(raw, images).backward()
        optimiser.step()
    error = float((raw - images).square().mean().sqrt())
    assert learnt.sigma == pytest.approx(error, rel=0.01)
    # Rybkin et al. 2021: the optimal variance leaves N/2 log(2 pi e sigma^2).
    optimal = 8 * math.log(2 * math.pi * math.e * error**2)
    assert float(learnt.distortion(raw, images).detach()) == pytest.approx(optimal, abs=0.02)


@pytest.mark.parametrize("sigma", [0, -1.0, True, "", math.inf, "learned", [1]])
def test_a_deviation_is_a_positive_number_or_learnt(sigma: object) -> None:
    with pytest.raises(InputError, match="sigma must be a number > 0, or learnt"):
        Config.from_mapping({"likelihood": {"name": "gaussian", "sigma": sigma}})
