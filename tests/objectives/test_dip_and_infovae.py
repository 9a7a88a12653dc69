from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small import batch, gradients, images, learn, step, tiny_vae

from betavae._system.errors import InputError
from betavae.models.latents import GaussianPosterior
from betavae.objectives import beta_vae, dip, infovae
from betavae.objectives.dip_vae import covariance
from betavae.objectives.elbo import elbo_pass
from betavae.objectives.info_vae import SCALES, kernel, mmd


def normals(n: int, m: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, m, generator=generator, dtype=torch.float64)


def test_dip_covariances_are_numpy_s() -> None:
    mean, log_var = normals(12, 3, 0), normals(12, 3, 1)
    expected = np.cov(mean.numpy().T)
    np.testing.assert_allclose(covariance(mean, log_var, "i").numpy(), expected)
    expected = expected + np.diag(log_var.exp().mean(0).numpy())
    np.testing.assert_allclose(covariance(mean, log_var, "ii").numpy(), expected)


@pytest.mark.parametrize(("kind", "diagonal"), [("i", 70.0), ("ii", 7.0)])
def test_dip_penalty_is_its_formula_with_the_paper_s_ratio(kind: str, diagonal: float) -> None:
    model, x = tiny_vae(), images()
    found = step().forward(model, x)
    matrix = covariance(*found.posterior, kind)  # type: ignore[arg-type]
    expected = 0.0
    for i in range(3):
        for j in range(3):
            weight = diagonal if i == j else 7.0
            expected += weight * (matrix[i, j].item() - (i == j)) ** 2
    terms = dip(kind, off_diagonal=7.0)(model, batch(x), step())  # type: ignore[arg-type]
    penalty = terms.values["covariance_penalty_estimate"]
    assert penalty.item() == pytest.approx(expected)
    torch.testing.assert_close(
        terms.loss, terms.values["distortion"] + terms.values["rate"] + penalty
    )


def test_dip_i_leaves_the_variances_alone_and_ii_does_not() -> None:
    mean, log_var = normals(12, 3, 0), normals(12, 3, 1).requires_grad_()
    assert covariance(mean, log_var, "ii").sum().requires_grad
    assert not covariance(mean, log_var, "i").requires_grad


@pytest.mark.slow
def test_dip_drives_the_codes_covariance_to_the_identity() -> None:
    x = (images(32) > 0.5).double()
    model = tiny_vae()
    learn(dip("ii", off_diagonal=1000.0), model, x, 1500)
    mean, log_var = model.encode(x)
    off = covariance(mean, log_var, "ii").detach() - torch.eye(3)
    assert off.abs().max() < 0.1


def test_dip_stays_in_float32_under_autocast() -> None:
    mean, log_var = normals(64, 10, 0).float(), normals(64, 10, 1).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = covariance(mean, log_var, "i")
    torch.testing.assert_close(inside, covariance(mean, log_var, "i"), rtol=0, atol=0)


def test_the_kernel_is_its_formula() -> None:
    x, y = normals(4, 3, 0), normals(5, 3, 1)
    squares = ((x[2] - y[3]) ** 2).sum()
    expected = sum(6 * s / (6 * s + squares) for s in SCALES)
    torch.testing.assert_close(kernel(x, y)[2, 3], expected)


def test_the_mmd_of_equal_distributions_is_zero_on_average() -> None:
    """Peers' error: the diagonal left in, which adds about 2 * 7 / B to every estimate."""
    values = torch.stack([mmd(normals(8, 3, 2 * s), normals(8, 3, 2 * s + 1)) for s in range(600)])
    error = float(values.std()) / math.sqrt(600)
    assert abs(float(values.mean())) < 4 * error
    assert error < 0.02  # the error's bias, 1.75, would show a hundred times over
    assert (values < 0).any()


def test_the_mmd_tells_another_distribution() -> None:
    values = [float(mmd(normals(64, 3, s), normals(64, 3, 99 + s) + 1)) for s in range(20)]
    assert min(values) > 0.05


def test_infovae_weighs_rate_and_mmd_as_the_paper_does() -> None:
    model, x = tiny_vae(), images()
    terms = infovae(0.25, scale=50.0)(model, batch(x), step())
    loss = (
        terms.values["distortion"]
        + 0.75 * terms.values["rate"]
        + 49.25 * terms.values["mmd_estimate"]
    )
    torch.testing.assert_close(terms.loss, loss)
    assert terms.values["beta"] == 0.75


def test_infovae_without_either_is_the_vae() -> None:
    model, x = tiny_vae(), images()
    ours = gradients(infovae(0.0, scale=1.0), model, x)
    for a, b in zip(ours, gradients(beta_vae(1.0), model, x), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("objective", [dip("i"), dip("ii"), infovae()])
def test_the_losses_have_the_right_gradient(objective: object) -> None:
    model, x = tiny_vae(2), images(3)

    def loss(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
        class Fixed:
            latents = 2
            decoder, likelihood, latent = model.decoder, model.likelihood, model.latent

            def encode(self, images: torch.Tensor) -> GaussianPosterior:
                return GaussianPosterior(mean, log_var)

        value: torch.Tensor = objective(Fixed(), batch(x), step()).loss  # type: ignore[operator]
        return value

    parameters = [normals(3, 2, s).requires_grad_() for s in (0, 1)]
    assert torch.autograd.gradcheck(loss, parameters)


def test_bad_options_are_refused() -> None:
    for make, message in (
        (lambda: dip("iii"), "kind must be i or ii, got 'iii'"),
        (lambda: dip(off_diagonal=-1), "off_diagonal must be >= 0, got -1"),
        (lambda: dip(diagonal=-1), "diagonal must be >= 0, got -1"),
        (lambda: infovae(1.5), "alpha must be <= 1, got 1.5"),
        (lambda: infovae(scale=-1), "scale must be >= 0, got -1"),
        (lambda: infovae(0.2, scale=0.5), r"alpha \+ scale must be >= 1, got 0.7"),
        (lambda: dip()(tiny_vae(), batch(images(1)), step()), "dip needs at least 2 images"),
        (
            lambda: infovae()(tiny_vae(), batch(images(1)), step()),
            "infovae needs at least 2 images",
        ),
    ):
        with pytest.raises(InputError, match=message):
            make()


def test_a_pass_is_unchanged_by_being_run_through_a_step() -> None:
    model, x = tiny_vae(), images()
    at = step()
    noise = torch.randn(6, 3, generator=step().generator, dtype=torch.float64)
    for a, b in zip(at.forward(model, x), elbo_pass(model, x, noise), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
