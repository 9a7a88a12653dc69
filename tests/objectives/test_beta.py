from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import Batch
from betavae.models.latents import gaussian_rate
from betavae.models.likelihoods import Bernoulli, Gaussian
from betavae.models.vae import VAE
from betavae.objectives import schedules
from betavae.objectives.beta import beta_vae
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.terms import Step
from betavae.training.build import build_model


def small_vae(**options: object) -> VAE:
    torch.manual_seed(0)
    return build_model(Config(network="fc", latents=3, **options), (1, 32, 32)).double()


def images(n: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 1, 32, 32, generator=generator, dtype=torch.float64)


def step(images_seen: int = 0) -> Step:
    return Step(images_seen, torch.Generator().manual_seed(2), 5)


def batch(x: torch.Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


def test_rate_is_the_kl_of_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    log_var = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    expected = kl_divergence(Normal(mean, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_rate(mean, log_var), expected)


def test_rate_gradient() -> None:
    mean = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    log_var = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gaussian_rate, (mean, log_var))


def test_bernoulli_distortion_is_the_log_likelihood_summed_over_pixels() -> None:
    raw, x = torch.randn(4, 1, 6, 6), torch.randint(0, 2, (4, 1, 6, 6)).float()
    expected = -torch.distributions.Bernoulli(logits=raw).log_prob(x).sum((1, 2, 3)).mean()
    torch.testing.assert_close(Bernoulli().distortion(raw, x), expected)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_gaussian_distortion_is_the_log_likelihood_with_its_constant(sigma: float) -> None:
    raw, x = torch.randn(4, 3, 6, 6), torch.rand(4, 3, 6, 6)
    expected = -Normal(raw, sigma).log_prob(x).sum((1, 2, 3)).mean()
    torch.testing.assert_close(Gaussian(sigma).distortion(raw, x), expected)


def test_loss_is_distortion_plus_beta_times_rate_in_nats_per_image() -> None:
    model, x = small_vae(), images()
    terms = beta_vae(schedules.constant(4.0))(model, batch(x), step())
    torch.testing.assert_close(terms.loss, terms.values["distortion"] + 4.0 * terms.values["rate"])
    torch.testing.assert_close(terms.values["rate"], terms.per_latent.sum())
    mean, log_var = model.encode(x)
    torch.testing.assert_close(terms.per_latent, gaussian_rate(mean, log_var).mean(0))


def test_terms_do_not_depend_on_the_batch_being_repeated() -> None:
    """Sums over the batch instead of means, or means over pixels, would change beta's meaning."""
    model, x = small_vae(), images()
    noise = torch.zeros(5, 3, dtype=torch.float64)
    once = elbo_pass(model, x, noise)
    twice = elbo_pass(model, x.repeat(2, 1, 1, 1), noise.repeat(2, 1))
    torch.testing.assert_close(once.distortion, twice.distortion)
    torch.testing.assert_close(once.rate_per_latent, twice.rate_per_latent)


def test_beta_norm_and_per_pixel_means_give_the_same_gradient_direction() -> None:
    model, x = small_vae(), images()
    pixels, latents = 1024, 3
    beta = Config(beta_norm=0.5, latents=latents).beta((1, 1, pixels))
    noise = torch.zeros(5, 3, dtype=torch.float64)
    found = elbo_pass(model, x, noise)
    ours = torch.autograd.grad(found.distortion + beta * found.rate, list(model.parameters()))
    found = elbo_pass(model, x, noise)
    normalised = found.distortion / pixels + 0.5 * found.rate / latents
    theirs = torch.autograd.grad(normalised, list(model.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b * pixels)


def test_beta_zero_leaves_the_autoencoder() -> None:
    model, x = small_vae(), images()
    terms = beta_vae(schedules.constant(0.0))(model, batch(x), step())
    assert terms.loss == terms.values["distortion"]


def test_schedules_follow_the_images_seen() -> None:
    model, x = small_vae(), images()
    objective = beta_vae(schedules.linear(0.0, 4.0, images=100))
    assert [
        objective(model, batch(x), step(seen)).values["beta"] for seen in (0, 50, 100, 900)
    ] == [
        0,
        2,
        4,
        4,
    ]
    decay = schedules.exponential(16.0, 4.0, images=100)
    assert decay(50) == pytest.approx(8.0)


def test_same_noise_source_same_terms() -> None:
    model, x = small_vae(), images()
    objective = beta_vae(schedules.constant(1.0))
    assert objective(model, batch(x), step()).loss == objective(model, batch(x), step()).loss


def test_the_cyclical_schedule_ends_at_beta_and_starts_every_cycle_anew() -> None:
    rises = schedules.cyclical(1.0, 5.0, images=400, cycles=4)
    assert [rises(100 * cycle) for cycle in range(4)] == [1.0] * 4
    assert [rises(seen) for seen in (25, 50, 99, 400, 10_000)] == [3.0, 5.0, 5.0, 5.0, 5.0]


def test_free_bits_put_a_floor_under_the_mean_rate_of_each_latent() -> None:
    model, x = small_vae(), images()
    plain = beta_vae(2.0)(model, batch(x), step())
    floor = plain.per_latent.median().item()
    terms = beta_vae(2.0, free_bits=floor)(model, batch(x), step())
    paid = torch.maximum(plain.per_latent, torch.tensor(floor, dtype=torch.float64)).sum()
    torch.testing.assert_close(terms.loss, terms.values["distortion"] + 2.0 * paid)
    torch.testing.assert_close(
        terms.values["rate"], plain.values["rate"]
    )  # what is recorded is the rate itself


def test_a_latent_below_its_free_bits_gets_no_gradient_from_the_rate() -> None:
    model, x = small_vae(), images()
    lots = beta_vae(7.0, free_bits=1e3)(model, batch(x), step())
    weights = list(model.encoder.parameters())
    with_rate = torch.autograd.grad(lots.loss, weights)
    without = torch.autograd.grad(beta_vae(0.0)(model, batch(x), step()).loss, weights)
    for a, b in zip(with_rate, without, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("options", [{"beta": -1.0}, {"free_bits": -0.1}, {"beta": float("nan")}])
def test_bad_weights_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be >= 0"):
        beta_vae(**options)
