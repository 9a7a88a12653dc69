"""HFS: the distance of a support from a product of intervals, by hand and by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from small import batch, images, learn, step, tiny_vae

from betavae import InputError
from betavae.objectives import hfs
from betavae.objectives.hfs_vae import narrowness, support_distance


def every_point(rows: int, latents: int) -> torch.Tensor:
    """Return the rows whose values make all B^2 points of each pair of latents."""
    picked = torch.zeros(rows * rows, latents, latents, dtype=torch.long)
    one = torch.arange(rows).repeat(rows)
    other = torch.arange(rows).repeat_interleave(rows)
    for i, j in combinations(range(latents), 2):
        picked[:, i, j], picked[:, j, i] = one, other
    return picked


def test_it_is_the_sum_of_pairwise_hausdorff_distances() -> None:
    codes = np.random.default_rng(0).normal(size=(7, 3))
    expected = 0.0
    for i, j in combinations(range(3), 2):
        made = np.array([(a, b) for a in codes[:, i] for b in codes[:, j]])
        squares = ((made[:, None] - codes[:, [i, j]]) ** 2).sum(axis=2)
        expected += squares.min(axis=1).max()
    found = support_distance(torch.from_numpy(codes), every_point(7, 3))
    assert found.item() == pytest.approx(expected)


def test_a_grid_has_none_however_unlikely_its_corners_and_a_diagonal_has() -> None:
    axis = torch.linspace(-1, 1, 4, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    often = torch.cat([grid, grid[:1].expand(40, 2)])  # correlated, on the same support
    assert support_distance(often, every_point(len(often), 2)).item() == 0
    line = torch.stack([axis, axis], dim=1)
    # The corner (-1, 1) is nearest to points at 1/3 or -1/3 on the line.
    assert support_distance(line, every_point(4, 2)).item() == pytest.approx(
        (2 / 3) ** 2 + (4 / 3) ** 2
    )


def test_ranges_that_reach_from_0_to_1_are_wide_enough() -> None:
    wide = torch.tensor([[-0.1, 0.0], [1.2, 1.0]])
    assert narrowness(wide).item() == 0
    assert narrowness(torch.full((3, 2), 0.25)).item() == pytest.approx(2 * (0.75 + 0.25))


def test_the_loss_is_the_sum_of_its_terms() -> None:
    terms = hfs(3.0, beta=0.5, scale=2.0)(tiny_vae(), batch(images()), step())
    values = terms.values
    torch.testing.assert_close(
        terms.loss,
        values["distortion"]
        + 0.5 * values["rate"]
        + 3 * values["support_distance_estimate"]
        + 2 * values["narrowness_estimate"],
    )


@pytest.mark.slow
def test_training_brings_the_support_closer_to_a_product() -> None:
    x = images(32)
    far, near = tiny_vae(), tiny_vae()
    learn(hfs(0.0, beta=0.0), far, x, 300)
    learn(hfs(100.0, beta=0.0), near, x, 300)
    distances = []
    for model in (far, near):
        codes = model.encode(x).codes.detach()
        spread = codes.amax(dim=0) - codes.amin(dim=0)
        distances.append(support_distance(codes / spread, every_point(32, 3)).item())
    assert distances[1] < distances[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": -1.0}, "gamma must be >= 0, got -1.0"),
        ({"beta": -1.0}, "beta must be >= 0, got -1.0"),
        ({"points": 0}, "points must be >= 1, got 0"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        hfs(**options)  # type: ignore[arg-type]
