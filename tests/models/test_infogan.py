from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Normal

from betavae._system.errors import InputError
from betavae.config import Config
from betavae.data.batches import Batch, shuffled
from betavae.models.infogan import INSTANCE_NOISE, NOISE, InfoGAN, infogan, information
from betavae.objectives.terms import Step
from betavae.training.learners import Learner, infogan_step


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shapes_and_ranges() -> None:
    gan = InfoGAN((1, 64, 64), 5)
    latents = gan.draw(6, generator())
    assert latents.shape == (6, 10)
    assert (latents.abs() <= 1).all()
    images = gan.generator(latents)
    assert images.shape == (6, 1, 64, 64)
    assert (images.abs() <= 1).all()
    logits, means = gan.judge(images, generator())
    assert (logits.shape, means.shape) == ((6,), (6, 5))
    decoded = gan.eval().decode(latents[:, :5])
    assert (decoded >= 0).all()
    assert (decoded <= 1).all()
    widths = [m.out_features for m in gan.features if isinstance(m, nn.Linear)]
    assert widths == [256, 256]
    assert gan.recogniser[0].out_features == 128


def test_eval_means_do_not_depend_on_the_batch() -> None:
    gan = InfoGAN((1, 32, 32), 5)
    gan.judge(torch.rand(8, 1, 32, 32), generator())
    images = torch.rand(8, 1, 32, 32)
    gan.eval()
    torch.testing.assert_close(gan.code_means(images)[:3], gan.code_means(images[:3]))
    gan.train()
    assert not torch.allclose(gan.code_means(images)[:3], gan.code_means(images[:3]), atol=1e-3)


def test_only_real_images_move_the_running_statistics() -> None:
    gan = InfoGAN((1, 32, 32), 5)
    norm = next(m for m in gan.features if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    with gan.generated():
        gan.judge(torch.rand(8, 1, 32, 32), generator())
    assert torch.equal(norm.running_mean, before)
    assert norm.momentum == 0.1
    gan.judge(torch.rand(8, 1, 32, 32), generator())
    assert not torch.equal(norm.running_mean, before)


def test_instance_noise_is_on_what_is_judged_and_on_nothing_else() -> None:
    gan = InfoGAN((1, 32, 32), 5).eval()
    images = torch.zeros(2, 1, 32, 32)
    seen: list[torch.Tensor] = []
    gan.features[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    gan.judge(images, generator())
    assert float(seen[0].std()) == pytest.approx(INSTANCE_NOISE, rel=0.1)
    gan.code_means(images)
    assert torch.equal(seen[1], torch.full_like(images, -1.0))


def test_information_is_the_gaussian_bound() -> None:
    codes, means = torch.randn(2, 50, 3, generator=generator(), dtype=torch.float64)
    expected = Normal(means, 1.0).log_prob(codes).sum(dim=1).mean() + 3 * math.log(2)
    torch.testing.assert_close(information(codes, means), expected)
    assert information(codes, codes) > information(codes, means)


def test_each_player_moves_its_own_weights_only() -> None:
    gan = InfoGAN((1, 32, 32), 5)
    groups = [
        {"params": list(gan.generator.parameters()), "lr": 0.0},
        {"params": list(gan.critic_parameters()), "lr": 1e-2},
    ]
    before = {name: value.clone() for name, value in gan.named_parameters()}
    optimiser = torch.optim.Adam(groups)
    config = Config(method="infogan")
    learner = Learner(config, (1, 32, 32), gan, optimiser, generator(), shuffled, infogan_step)
    batch = Batch(torch.rand(8, 1, 32, 32), torch.arange(8))
    terms = learner.step(batch, Step(0, generator(), 8)).values
    moved = {name for name, value in gan.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert all(not name.startswith("generator") for name in moved)
    counts = {int(state["step"]) for state in optimiser.state.values()}
    assert counts == {1}  # nobody moved twice
    assert set(terms) == {"discriminator_loss", "generator_loss", "information", "told_apart"}


def test_other_sizes_are_one_line() -> None:
    with pytest.raises(InputError, match="multiple of 4, got 30x30"):
        infogan((1, 30, 30), 5)


def test_categorical_codes_are_one_hot_for_the_generator_and_logits_of_q() -> None:
    gan = InfoGAN((1, 32, 32), 4, (10, 3)).eval()
    latents = gan.draw(3000, generator())
    assert latents.shape == (3000, 4 + NOISE)
    for k, values in enumerate((10, 3)):
        counts = latents[:, k].long().bincount(minlength=values)
        assert torch.equal(latents[:, k], latents[:, k].floor())
        assert len(counts) == values
        assert (counts - 3000 / values).abs().max() < 6 * (3000 / values) ** 0.5
    assert (latents[:, 2:].abs() <= 1).all()
    entries = gan.entries(latents)
    assert entries.shape == (3000, 10 + 3 + 2 + NOISE)
    assert torch.equal(entries[:, :10].argmax(1).float(), latents[:, 0])
    assert torch.equal(entries[:, :13].sum(1), torch.full((3000,), 2.0))
    assert torch.equal(entries[:, 13:], latents[:, 2:])
    means = gan.code_means(torch.rand(5, 1, 32, 32))
    assert means.shape == (5, 4)
    assert torch.equal(means[:, :2], means[:, :2].floor())
    near = torch.tensor([[2.0, 1, 0, 0], [2.4, 0.6, 0, 0], [-9, 1, 0, 0], [0, 1, 0, 0]])
    images = gan.decode(near)
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[2], images[3])


def test_information_of_categorical_codes_is_their_cross_entropy() -> None:
    rng = generator(1)
    codes = torch.randint(4, (50, 1), generator=rng).double()
    read = torch.randn(50, 4 + 2, generator=rng, dtype=torch.float64)
    others = torch.randn(50, 2, generator=rng, dtype=torch.float64)
    chosen = Categorical(logits=read[:, :4]).log_prob(codes[:, 0]).mean() + math.log(4)
    expected = chosen + information(others, read[:, 4:])
    torch.testing.assert_close(information(torch.cat((codes, others), 1), read, (4,)), expected)
    sure = 100 * nn.functional.one_hot(codes[:, 0].long(), 4).double()
    assert float(information(codes, sure, (4,))) == pytest.approx(math.log(4))


def test_codes_may_all_be_categorical_but_no_more_than_all() -> None:
    assert infogan((1, 32, 32), 1, (10,)).eval().decode(torch.zeros(2, 1)).shape == (2, 1, 32, 32)
    with pytest.raises(InputError, match="latents must be >= 2, the number of categorical codes"):
        infogan((1, 32, 32), 1, (10, 3))
