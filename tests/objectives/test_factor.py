from __future__ import annotations

import pytest
import torch
from small import batch, images, step, tiny_vae
from torch import nn

from betavae._system.errors import InputError
from betavae.models.vae import VAE
from betavae.objectives import beta_vae, factor
from betavae.objectives.factor_vae import (
    FactorVAE,
    discriminator_loss,
    make_discriminator,
    shuffled,
    tc_estimate,
)


def started(gamma: float = 6.4) -> tuple[FactorVAE, VAE, nn.Module]:
    model, objective = tiny_vae(), factor(gamma)
    objective.start(model, 0)
    assert objective.discriminator is not None
    return objective, model, objective.discriminator


def test_the_discriminator_puts_no_gradient_into_the_encoder() -> None:
    """Peers' error: codes that are not detached, so the encoder learns to fool it twice."""
    objective, model, _ = started()
    terms = objective(model, batch(images()), step())
    assert terms.after is not None
    model.zero_grad()
    terms.after()
    assert all(weight.grad is None for weight in model.parameters())


def test_the_vae_puts_no_gradient_into_the_discriminator() -> None:
    objective, model, discriminator = started()
    before = [weight.clone() for weight in discriminator.parameters()]
    objective(model, batch(images()), step()).loss.backward()
    assert all(weight.grad is None for weight in discriminator.parameters())
    assert all(weight.grad is not None for weight in model.parameters())
    for a, b in zip(before, discriminator.parameters(), strict=True):
        assert torch.equal(a, b)  # a call alone moves nothing


def test_the_second_batch_puts_no_gradient_anywhere_and_is_another_batch() -> None:
    objective, model, _ = started()
    second = images(seed=9).requires_grad_()
    terms = objective(model, batch(images(), second), step())
    terms.loss.backward()
    assert terms.after is not None
    terms.after()
    assert second.grad is None


def test_the_loss_is_the_elbo_plus_gamma_tc() -> None:
    objective, model, discriminator = started(3.0)
    x = images()
    terms = objective(model, batch(x), step())
    plain = beta_vae(1.0)(model, batch(x), step())
    torch.testing.assert_close(terms.loss, plain.loss + 3.0 * terms.values["tc_estimate"])
    codes = step().forward(model, x).latents
    torch.testing.assert_close(terms.values["tc_estimate"], tc_estimate(discriminator, codes))


def test_gamma_zero_is_the_vae() -> None:
    objective, model, _ = started(0.0)
    ours = torch.autograd.grad(
        objective(model, batch(images()), step()).loss, list(model.parameters())
    )
    plain = beta_vae(1.0)(model, batch(images()), step()).loss
    for a, b in zip(ours, torch.autograd.grad(plain, list(model.parameters())), strict=True):
        torch.testing.assert_close(a, b)


def test_shuffling_keeps_every_latent_s_values_and_breaks_the_rows() -> None:
    codes = torch.arange(40.0).view(20, 2)
    mixed = shuffled(codes, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed.sort(dim=0).values, codes)
    assert (mixed[:, 1] - mixed[:, 0] != 1).any()  # each latent by a permutation of its own


def test_a_trained_discriminator_finds_the_total_correlation_of_gaussians() -> None:
    """Two latents of correlation .9: TC = -log(1 - .81) / 2 = .83 nats."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                            nn.Linear(64, 2))  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(1)

    def codes(n: int) -> torch.Tensor:
        z = torch.randn(n, 2, generator=generator)
        return torch.stack((z[:, 0], 0.9 * z[:, 0] + (1 - 0.81) ** 0.5 * z[:, 1]), 1)

    for _ in range(600):
        optimiser.zero_grad()
        discriminator_loss(network, codes(256), shuffled(codes(256), generator)).backward()
        optimiser.step()
    assert float(tc_estimate(network, codes(20_000))) == pytest.approx(0.83, abs=0.1)


def test_the_discriminator_is_the_paper_s() -> None:
    layers = [layer for layer in make_discriminator(10) if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in layers]
    assert widths == [(10, 1000), *[(1000, 1000)] * 5, (1000, 2)]


def test_a_second_training_starts_afresh() -> None:
    objective, model, discriminator = started()
    first = discriminator.state_dict()
    terms = objective(model, batch(images()), step())
    assert terms.after is not None
    terms.after()
    objective.start(model, 0)
    assert objective.discriminator is not None
    for name, value in objective.discriminator.state_dict().items():
        torch.testing.assert_close(value, first[name], rtol=0, atol=1e-3)
    assert set(objective.state_dict()) == {f"discriminator.{name}" for name in first}


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="gamma must be >= 0, got -1"):
        factor(-1)
    with pytest.raises(InputError, match="learning_rate must be > 0, got 0"):
        factor(learning_rate=0)
