from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from small import batch, gradients, images, step, tiny_vae
from torch import Tensor
from torch.distributions import Normal

from betavae._system.errors import InputError
from betavae.metrics import elbo_terms
from betavae.models.latents import gaussian_rate
from betavae.objectives import beta_vae, tcvae
from betavae.objectives.tc_vae import (
    decompose,
    log_aggregate,
    log_densities,
    mss_log_weights,
)


def posteriors(n: int, m: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, m, generator=generator, dtype=torch.float64)
    log_var = torch.randn(n, m, generator=generator, dtype=torch.float64) - 1
    return mean, log_var


def sample(mean: Tensor, log_var: Tensor, seed: int = 1) -> Tensor:
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=mean.dtype)
    return mean + (0.5 * log_var).exp() * noise


def test_log_densities_are_those_of_torch_distributions() -> None:
    mean, log_var = posteriors(5, 3)
    z = sample(mean, log_var)
    found = log_densities(z, mean, log_var)
    for j, i, k in itertools.product(range(3), range(5), range(5)):
        expected = Normal(mean[k, j], (0.5 * log_var[k, j]).exp()).log_prob(z[i, j])
        torch.testing.assert_close(found[j, i, k], expected)


def test_log_densities_have_the_right_gradient() -> None:
    mean, log_var = (part.requires_grad_() for part in posteriors(3, 2))
    z = sample(mean, log_var).detach().requires_grad_()
    assert torch.autograd.gradcheck(log_densities, (z, mean, log_var))


@pytest.mark.parametrize(("batch", "size"), [(2, 2), (2, 50), (7, 7), (64, 737_280)])
def test_every_row_of_the_mss_weights_sums_to_one(batch: int, size: int) -> None:
    """Peers' error: striding by B instead of B + 1 fills a column, and rows sum to anything."""
    weights = mss_log_weights(batch, size).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(batch, dtype=torch.float64))
    others = batch - 1
    torch.testing.assert_close(
        weights.diagonal(), torch.full((batch,), 1 / size, dtype=torch.float64)
    )
    stand_in = (size - others) / (size * others)
    for row in range(batch):
        kept = sorted(weights[row].tolist())
        expected = sorted([1 / size, stand_in, *[1 / others] * (batch - 2)])
        assert kept == pytest.approx(expected)


def test_the_mss_estimate_of_q_is_unbiased_over_every_possible_batch() -> None:
    """For a sample of image 0, over all ordered batches that start with it: mean = q(z)."""
    mean, log_var = posteriors(5)
    z = sample(mean, log_var)[:1]
    exact = Normal(mean, (0.5 * log_var).exp()).log_prob(z).sum(1).exp().mean()
    found = []
    for others in itertools.permutations(range(1, 5), 2):
        rows = [0, *others]
        log_q = log_densities(z.expand(3, -1), mean[rows], log_var[rows])
        found.append(log_aggregate(log_q, 5, "mss")[0][0].exp())
    torch.testing.assert_close(torch.stack(found).mean(), exact)


def test_mws_is_its_formula() -> None:
    mean, log_var = posteriors(4)
    z = sample(mean, log_var)
    density = Normal(mean, (0.5 * log_var).exp()).log_prob(z[:, None]).exp()  # (i, k, j)
    joint, marginals = log_aggregate(log_densities(z, mean, log_var), 30, "mws")
    torch.testing.assert_close(joint, (density.prod(2).sum(1) / (30 * 4)).log())
    torch.testing.assert_close(marginals, (density.sum(1) / (30 * 4)).log().t())


def test_weights_count_once_an_image_not_once_a_latent() -> None:
    """Peers' error: weights added before the sum over latents, so the joint gets M times them."""
    mean, log_var = posteriors(6, 4)
    z = sample(mean, log_var)
    log_q = log_densities(z, mean, log_var)
    joint, _ = log_aggregate(log_q, 1000, "mss")
    weights = mss_log_weights(6, 1000)
    wrong = (log_q + weights).sum(0).logsumexp(1)
    right = (log_q.sum(0) + weights).logsumexp(1)
    torch.testing.assert_close(joint, right)
    assert (right - wrong).min() > 1  # the error would show


@pytest.mark.parametrize("estimator", ["mws", "mss"])
def test_the_parts_sum_to_the_sampled_rate(estimator: str) -> None:
    mean, log_var = posteriors(9, 3)
    z = sample(mean, log_var)
    parts = decompose(z, mean, log_var, 200, estimator)  # type: ignore[arg-type]
    own = Normal(mean, (0.5 * log_var).exp()).log_prob(z).sum(1)
    prior = Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(sum(parts), (own - prior).mean())


def test_on_a_tiny_set_the_exact_parts_sum_to_the_mean_kl_by_brute_force() -> None:
    """MI + TC + dimension-wise KL = mean KL, by quadrature over two latents and four images."""
    mean, log_var = posteriors(4, seed=3)
    axis = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    cell = float(axis[1] - axis[0])
    one = Normal(mean, (0.5 * log_var).exp()).log_prob(axis[:, None, None]).exp()  # (T, N, 2)
    joint = torch.einsum("an,bn->nab", one[..., 0], one[..., 1])
    q = joint.mean(0)
    marginals = one.mean(1)
    product = marginals[:, None, 0] * marginals[None, :, 1]
    prior = Normal(0.0, 1.0).log_prob(axis)

    def integral(values: Tensor) -> float:
        return float(values.nan_to_num(0).sum()) * cell**2

    mi = integral((joint * (joint / q).log()).mean(0))
    tc = integral(q * (q / product).log())
    kl = sum(
        float((marginals[:, j] * (marginals[:, j].log() - prior)).nan_to_num(0).sum()) * cell
        for j in range(2)
    )
    rate = float(gaussian_rate(mean, log_var).sum(1).mean())
    assert mi + tc + kl == pytest.approx(rate, abs=1e-9)
    # ... and the metric that evaluates whole data sets finds the same three parts.
    whole = elbo_terms(mean.numpy(), log_var.numpy(), n_samples=40_000)
    assert whole.index_code_mi == pytest.approx(mi, abs=4 * whole.standard_error)
    assert whole.total_correlation == pytest.approx(tc, abs=4 * whole.standard_error)
    assert whole.dimension_wise_kl == pytest.approx(kl, abs=5e-3)


def test_the_estimates_approach_a_closed_form_gaussian() -> None:
    """Codes x ~ N(0, S), z = x + noise: q(z) is Gaussian and every term is known."""
    rng = np.random.default_rng(0)
    batch, noise = 2048, 0.5
    spread = np.array([[1.0, 0.8], [0.8, 1.0]])
    mean = torch.from_numpy(rng.multivariate_normal(np.zeros(2), spread, batch))
    log_var = torch.full_like(mean, math.log(noise))
    whole = spread + noise * np.eye(2)
    variances = np.diag(whole)
    tc = 0.5 * math.log(variances.prod() / np.linalg.det(whole))
    mi = 0.5 * math.log(np.linalg.det(whole) / noise**2)
    kl = 0.5 * float((variances - 1 - np.log(variances)).sum())
    # The batch is the data set: MWS then has its constant, log N a sum, and nothing else.
    shift = math.log(batch)
    found = decompose(sample(mean, log_var), mean, log_var, batch, "mws")
    assert float(found.index_code_mi) - shift == pytest.approx(mi, abs=0.06)
    assert float(found.total_correlation) - shift == pytest.approx(tc, abs=0.06)
    assert float(found.dimension_wise_kl) + 2 * shift == pytest.approx(kl, abs=0.06)
    found = decompose(sample(mean, log_var), mean, log_var, 10**6, "mss")
    assert float(found.index_code_mi) == pytest.approx(mi, abs=0.06)
    assert float(found.total_correlation) == pytest.approx(tc, abs=0.06)
    assert float(found.dimension_wise_kl) == pytest.approx(kl, abs=0.06)


@pytest.mark.parametrize("estimator", ["mws", "mss"])
def test_all_weights_one_is_the_vae_gradient_for_gradient(estimator: str) -> None:
    model, x = tiny_vae(), images()
    objective = tcvae(1.0, alpha=1.0, gamma=1.0, estimator=estimator)  # type: ignore[arg-type]
    for a, b in zip(
        gradients(objective, model, x), gradients(beta_vae(1.0), model, x), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_equal_weights_are_beta_vae_in_expectation() -> None:
    """alpha = beta = gamma = w weighs the sampled rate by w: beta-VAE's gradient, with noise."""
    model, x = tiny_vae(), images()
    draws = [
        gradients(tcvae(3.0, alpha=3.0, gamma=3.0), model, x, step(seed=s)) for s in range(400)
    ]
    expected = [gradients(beta_vae(3.0), model, x, step(seed=s)) for s in range(400)]
    for place in range(len(expected[0])):
        ours = torch.stack([draw[place] for draw in draws])
        theirs = torch.stack([draw[place] for draw in expected])
        error = (ours - theirs).std(0) / 20
        assert ((ours - theirs).mean(0).abs() <= 4.5 * error + 1e-12).all()


def test_the_loss_weighs_the_estimates_that_it_records() -> None:
    model, x = tiny_vae(), images()
    terms = tcvae(6.0, alpha=0.5, gamma=2.0, estimator="mss")(model, batch(x), step())
    extras = terms.values
    assert "beta" not in extras  # which is the rate's weight: here the parts have their own
    loss = terms.values["distortion"] + terms.values["rate"] + 5 * extras["tc_estimate"]
    loss = loss - 0.5 * extras["mi_estimate"] + extras["dimension_wise_kl_estimate"]
    torch.testing.assert_close(terms.loss, loss)


def test_densities_stay_in_float32_under_autocast() -> None:
    mean, log_var = (part.float() for part in posteriors(32, 10))
    log_var = log_var - 6  # sharp posteriors: bfloat16 would be wrong by whole nats
    z = sample(mean, log_var)
    plain = decompose(z, mean, log_var, 1000)
    with torch.autocast("cpu", torch.bfloat16):
        inside = decompose(z, mean, log_var, 1000)
        halves = decompose(z.bfloat16(), mean.bfloat16(), log_var.bfloat16(), 1000)
    for a, b, c in zip(plain, inside, halves, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert c.dtype == torch.float32


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="estimator must be mws or mss, got 'mcs'"):
        tcvae(estimator="mcs")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="alpha must be finite"):
        tcvae(alpha=math.nan)
    with pytest.raises(InputError, match="at least 2 images a batch, got 1"):
        tcvae()(tiny_vae(), batch(images(1)), step())
