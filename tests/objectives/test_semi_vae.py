"""Few labels: the price's known minima, what its gradient reaches, and what a short run finds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import batch, images, step, tiny_vae
from torch import nn

from betavae import BetaVAE, InputError
from betavae.config import Config
from betavae.data.batches import Batch, changed_factors
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.objectives import adagvae, beta_vae, factor, semi, tcvae
from betavae.objectives.semi_vae import SemiVAE, cross_covariance, cross_entropy, squared_error
from betavae.training.fit import train

GRID = Factors(("x", "y"), (5, 4))


def squares() -> Dataset:
    """Return 4 x 4 squares on 16 x 16 at every place of a grid of 5 x 4 places."""
    store = np.zeros((len(GRID), 1, 16, 16), np.uint8)
    for row, (x, y) in enumerate(GRID.table()):
        store[row, 0, 3 * y : 3 * y + 4, 3 * x : 3 * x + 4] = 1
    found = ImageStore.from_binary(store)
    return Dataset("squares", found, GRID, None, GRID.names)


def small_network(shape: tuple[int, int, int], latents: int) -> tuple[nn.Module, nn.Module]:
    """Return an encoder and a decoder of one layer each."""
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 2 * latents))
    return encoder, nn.Sequential(nn.Linear(latents, pixels), nn.Unflatten(1, shape))


def labelled_batch(labels: torch.Tensor) -> Batch:
    x = images(len(labels))
    return Batch(x, torch.arange(len(x)), labels=labels, other=images(len(x), seed=5))


def ready(objective: SemiVAE, sizes: tuple[int, ...] = (3, 4)) -> SemiVAE:
    objective.start(tiny_vae(), 0)
    objective.sizes = sizes
    return objective


def test_the_cross_entropy_is_least_at_the_logits_of_the_rescaled_factors() -> None:
    sizes = torch.tensor([5, 4])
    labels = torch.tensor([[1, 3], [4, 2], [2, -1]])
    targets = labels.clamp(min=0).double() / sizes
    means = torch.cat([torch.logit(targets.clamp(min=0.2)), torch.ones(3, 1)], dim=1).double()
    means.requires_grad_()
    entropy = -(targets * targets.log() + (1 - targets) * (1 - targets).log())
    entropy[2, 1] = 0  # not known
    found = cross_entropy(means, labels, sizes)
    torch.testing.assert_close(found, entropy.sum() / 3)
    (gradient,) = torch.autograd.grad(found, means)
    assert gradient.abs().max() < 1e-12
    assert cross_entropy(means.detach() + 0.1, labels, sizes) > found


def test_the_squared_error_is_nought_at_the_classes_over_the_scale() -> None:
    labels = torch.tensor([[1, 3], [0, -1]])
    means = torch.tensor([[0.5, 1.5, 9.0], [0.0, 7.0, 9.0]], dtype=torch.float64)
    assert squared_error(means, labels, torch.tensor(2.0)).item() == 0
    # 1 x .5 and 1.5 x .5 too little in the first row of two
    assert squared_error(means, labels, torch.tensor(1.0)).item() == (0.25 + 2.25) / 2


def test_the_covariance_is_numpy_s_without_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    means, labels = rng.normal(size=(9, 3)), rng.integers(0, 4, (9, 2))
    both = np.cov(means.T, labels.T, bias=True)[:3, 3:]
    both[[0, 1], [0, 1]] = 0
    found = cross_covariance(torch.from_numpy(means), torch.from_numpy(labels))
    assert found.item() == pytest.approx((both**2).sum())
    gap = labels.copy()
    gap[:4, 1] = -1
    one = np.cov(means[4:].T, labels[4:, 1], bias=True)[:3, 3]
    expected = (both[:, 0] ** 2).sum() + one[0] ** 2 + one[2] ** 2
    found = cross_covariance(torch.from_numpy(means), torch.from_numpy(gap))
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("regulariser", ["xent", "l2", "cov"])
def test_the_gradient_comes_through_known_labels_alone(regulariser: str) -> None:
    labels = torch.tensor([[1, 3], [-1, -1], [2, -1], [0, 0]])
    made = ready(semi(regulariser=regulariser))  # type: ignore[arg-type]
    means = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(made.price(means, labels), means)
    assert (gradient[1] == 0).all()
    assert (gradient[[0, 3], 0] != 0).all()
    if regulariser != "cov":  # which ties every latent to every other factor
        assert gradient[2, 1] == 0
        assert (gradient[:, 2] == 0).all()


@pytest.mark.parametrize("base", [beta_vae(2.0), tcvae(3.0), factor(5.0)])
def test_the_loss_is_the_base_s_and_the_price(base: object) -> None:
    labels = torch.tensor([[1, 3], [2, 0], [0, 1], [2, 2]])
    told, model = labelled_batch(labels), tiny_vae()
    made = ready(semi(base, gamma=7.0))  # type: ignore[arg-type]
    terms = made(model, told, step())
    alone = made.base(model, batch(told.images, told.images), step())
    price = cross_entropy(model.encode(told.other).mean, labels, torch.tensor([3, 4]))
    torch.testing.assert_close(terms.loss, alone.loss + 7 * price)
    torch.testing.assert_close(terms.values["supervised"], price)
    assert (terms.after is None) == (alone.after is None)


@pytest.mark.parametrize("base", ["beta", "tcvae"])
def test_the_first_latents_come_to_be_the_labelled_factors(base: str) -> None:
    config = Config.from_mapping(
        {
            "objective": {"name": "semi", "base": base, "weight": 1.0, "labels": 15},
            "latents": 3, "images": 8000, "batch": 20, "learning_rate": 1e-2,
        }
    )  # fmt: skip
    data = squares()
    run = train(config, data, progress=False, network=small_network)
    with torch.no_grad():
        means = run.model.encode(data.images[torch.arange(20)]).mean.numpy()
    each = np.corrcoef(means.T, GRID.table().T)[:3, 3:]
    assert each[0, 0] > 0.9
    assert each[1, 1] > 0.9
    assert abs(each[[0, 1], [1, 0]]).max() < 0.3


@pytest.mark.parametrize("option", [{"base": "factor"}, {"regulariser": "l2"}])
def test_training_goes_on_with_the_same_bits(option: Mapping[str, str], tmp_path: Path) -> None:
    options = {
        "objective": {"name": "semi", **option}, "latents": 3, "batch": 16, "checkpoint_every": 80,
    }  # fmt: skip
    plain: dict[str, Any] = {"progress": False, "network": small_network}
    whole = train(Config.from_mapping({**options, "images": 160}), squares(), **plain)
    train(Config.from_mapping({**options, "images": 80}), squares(), tmp_path, **plain)
    longer = Config.from_mapping({**options, "images": 160})
    run = train(longer, squares(), tmp_path, resume=True, **plain)
    state, other = run.learner.state(), whole.learner.state()  # type: ignore[union-attr]
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)
    for one, two in zip(run.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, two)
    if "regulariser" in option:
        assert state["objective.scale"] != 1


def test_the_scale_learns_towards_the_classes() -> None:
    made, model = ready(semi(regulariser="l2")), tiny_vae()
    told = labelled_batch(torch.tensor([[2, 3], [2, 3], [2, 3], [2, 3]]))
    terms = made(model, told, step())
    means = model.encode(told.other).mean[:, :2].detach()
    terms.loss.backward()
    slope = 2 * ((means - told.labels) * means).sum(dim=1).mean()  # type: ignore[operator]
    torch.testing.assert_close(made.scale.grad, 100 * slope)
    assert terms.after is not None
    terms.after()
    assert (made.scale < 1) == (slope > 0)
    assert made.scale.grad is None


def test_fit_takes_labels_with_gaps_as_y() -> None:
    data = squares()
    x = np.stack([data.images[row][0].numpy() for row in range(20)])
    y = np.where(np.arange(20)[:, None] % 2, GRID.table(), -1)
    options: dict[str, Any] = {
        "latents": 2, "images": 160, "batch": 16, "network": small_network, "random_state": 0
    }  # fmt: skip
    told = BetaVAE(objective={"name": "semi", "labels": 10}, **options).fit(x, y)
    assert "supervised" in told.records_[-1].terms
    again = BetaVAE(objective=semi(labels=10), **options).fit(x, y)
    assert (again.transform(x) == told.transform(x)).all()
    with pytest.raises(InputError, match=r"labels must be in 1..10, .* got 11"):
        BetaVAE(objective={"name": "semi", "labels": 11}, **options).fit(x, y)
    with pytest.raises(InputError, match="labels need a data set with factors; array has none"):
        BetaVAE(objective="semi", **options).fit(x)
    with pytest.raises(InputError, match="y must"):
        BetaVAE(objective="semi", **options).fit(x, y[:7])
    with pytest.raises(InputError, match="y must be >= 0, or -1 where not known, got -4"):
        BetaVAE(objective="semi", **options).fit(x, y - 3)
    plain = BetaVAE(beta=1.0, **options)  # which has no use for labels
    assert (plain.fit(x, y).transform(x) == plain.fit(x).transform(x)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": -1.0}, "gamma must be >= 0, got -1.0"),
        ({"labels": 0}, "labels must be >= 1, got 0"),
        ({"regulariser": "l3"}, "regulariser must be xent, l2 or cov, got 'l3'"),
        ({"base": adagvae(sampler=changed_factors(1))}, "base that sees shuffled images"),
    ],
)
def test_bad_options_are_one_line(options: Mapping[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        semi(**options)  # type: ignore[arg-type]


def test_fewer_latents_than_factors_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = Config.from_mapping({"objective": "semi", "latents": 1, "images": 32})
    with pytest.raises(InputError, match=r"latents must be >= 2 with squares, got 1"):
        train(config, squares(), tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "config.json").exists()
    with pytest.raises(InputError, match="labelled images beside the batch"):
        ready(semi())(tiny_vae(), batch(images()), step())
