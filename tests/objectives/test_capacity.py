from __future__ import annotations

import pytest
import torch
from small import batch, images, step, tiny_vae

from betavae._system.errors import InputError
from betavae.models.latents import gaussian_rate
from betavae.objectives import capacity, schedules


def test_the_absolute_value_is_of_the_batch_mean_not_of_each_image() -> None:
    """Peers' error: |KL - C| per image, which punishes images on both sides of a met target."""
    model, x = tiny_vae(), images()
    with torch.no_grad():
        rates = gaussian_rate(*model.encode(x)).sum(1)
    target = float(rates.mean())
    assert (rates - target).abs().mean() > 1e-3  # the images differ: the error would show
    terms = capacity(50.0, target=target)(model, batch(x), step())
    torch.testing.assert_close(terms.loss, terms.values["distortion"])


@pytest.mark.parametrize(("target", "sign"), [(0.0, 1.0), (1e3, -1.0)])
def test_the_rate_is_pushed_towards_the_target_from_both_sides(target: float, sign: float) -> None:
    model, x = tiny_vae(), images()
    terms = capacity(7.0, target=target)(model, batch(x), step())
    torch.testing.assert_close(
        terms.loss, terms.values["distortion"] + 7.0 * sign * (terms.values["rate"] - target)
    )


def test_the_target_follows_its_schedule_and_is_recorded() -> None:
    objective = capacity(target=schedules.linear(0.0, 25.0, images=100))
    model, x = tiny_vae(), images()
    targets = [
        float(objective(model, batch(x), step(n)).values["capacity"]) for n in (0, 50, 100, 900)
    ]
    assert targets == [0.0, 12.5, 25.0, 25.0]


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="gamma must be >= 0, got -1"):
        capacity(-1)
    with pytest.raises(InputError, match="target must be >= 0, got -2"):
        capacity(target=-2)
