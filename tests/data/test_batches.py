"""Samplers: functions of the step's number, so that any step can be taken again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from betavae._system.errors import InputError
from betavae.data.batches import (
    Rows,
    Sampler,
    changed_factors,
    fetch,
    independent_pair,
    labelled,
    one_factor,
    shuffled,
)
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore

GRID = Factors(("shape", "x", "y"), (3, 4, 5))


def images(rows: int) -> ImageStore:
    pixels = np.random.default_rng(0).integers(0, 2, (rows, 1, 8, 8)).astype(np.uint8)
    return ImageStore.from_binary(pixels)


def grid() -> Dataset:
    return Dataset("grid", images(len(GRID)), GRID, None, GRID.names)


SAMPLERS = {
    "shuffled": shuffled,
    "independent_pair": independent_pair,
    "one_factor": one_factor(),
    "changed_factors": changed_factors(),
    "labelled": labelled(7),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_is_a_function_of_seed_and_step(name: str) -> None:
    sampler: Sampler = SAMPLERS[name]
    one, two, other = sampler(grid(), 12, 3), sampler(grid(), 12, 3), sampler(grid(), 12, 4)
    later = [two(step) for step in (7, 2, 0)][::-1]  # in another order
    for step, again in zip((0, 2, 7), later, strict=True):
        for a, b in zip(one(step), again, strict=True):
            assert (a is None and b is None) or torch.equal(a, b)
    assert not torch.equal(one(0).rows, other(0).rows)
    assert len(one(0).rows) == 12


def test_batches_of_one_factor_vary_that_factor_alone() -> None:
    draw, varied = one_factor(warm=2)(grid(), 12, 3), set()
    assert draw(1).changed is None
    for step in range(2, 30):
        drawn = draw(step)
        assert drawn.changed is not None
        factor = int(drawn.changed)
        classes = GRID.classes(drawn.rows.numpy())
        assert [k for k in range(3) if len(set(classes[:, k])) > 1] == [factor]
        counts = np.bincount(classes[:, factor], minlength=GRID.sizes[factor])
        assert counts.max() - counts.min() <= 1
        varied.add(factor)
    assert varied == {0, 1, 2}


@pytest.mark.parametrize("k", [1, 2, None])
def test_pairs_differ_in_exactly_the_factors_that_are_said_to_change(k: int | None) -> None:
    draw, counts = changed_factors(k)(grid(), 50, 0), set()
    values = set()
    for step in range(20):
        drawn = draw(step)
        assert drawn.other is not None
        assert drawn.changed is not None
        first, second = (GRID.classes(rows.numpy()) for rows in (drawn.rows, drawn.other))
        assert np.array_equal(first != second, drawn.changed.numpy())
        counts |= set(drawn.changed.sum(dim=1).tolist())
        values |= set(map(tuple, second.tolist()))
    assert counts == ({1, 2} if k is None else {k})
    assert len(values) == len(GRID)  # every combination comes up


def test_every_other_value_is_as_likely_as_any() -> None:
    drawn = changed_factors(1)(grid(), 30_000, 0)(0)
    assert drawn.other is not None
    assert drawn.changed is not None
    of_y = drawn.changed[:, 2]
    first = GRID.classes(drawn.rows[of_y].numpy())[:, 2]
    second = GRID.classes(drawn.other[of_y].numpy())[:, 2]
    moves = np.bincount((second - first) % 5, minlength=5)
    assert moves[0] == 0
    assert moves[1:].min() > 0.9 * moves[1:].max()


def test_labelled_images_are_a_fixed_few_with_their_factors() -> None:
    draw, told = labelled(5)(grid(), 20, 5), set()
    for step in range(9):
        drawn = draw(step)
        assert drawn.labels is not None
        assert drawn.other is not None
        assert (drawn.labels.numpy() == GRID.classes(drawn.other.numpy())).all()
        assert torch.equal(drawn.rows, shuffled(grid(), 20, 5)(step).rows)
        told |= set(drawn.other.tolist())
    assert len(told) == 5
    assert len(labelled()(grid(), 20, 5)(0).rows) == 20


def test_images_of_which_nothing_is_known_are_never_drawn_as_labelled() -> None:
    labels = np.full((20, 2), -1)
    labels[3], labels[7, 1], labels[11, 0] = (1, 2), 0, 4
    data = Dataset("few", images(20), labels=labels, factor_names=("a", "b"))
    assert data.factor_sizes == (5, 3)
    drawn = [labelled()(data, 10, 0)(step) for step in range(5)]
    assert {row for one in drawn for row in one.other.tolist()} == {3, 7, 11}
    assert all((labels[one.other] == one.labels.numpy()).all() for one in drawn)
    with pytest.raises(InputError, match=r"labels must be in 1..3, the images of few .* got 4"):
        labelled(4)(data, 10, 0)
    with pytest.raises(InputError, match="labels need a data set with factors; few has none"):
        labelled()(replace(data, labels=labels * 0 - 1), 10, 0)


def test_a_second_batch_is_another_one() -> None:
    draw = independent_pair(grid(), 12, 0)
    assert all(not torch.equal(draw(step).rows, draw(step).other) for step in range(10))


def test_fetch_takes_this_process_s_part_of_everything() -> None:
    data = grid()
    drawn = Rows(torch.tensor([3, 1, 4, 1]), torch.tensor([5, 9, 2, 6]), torch.arange(8).view(4, 2))
    whole, half = fetch(data, drawn), fetch(data, drawn, part=lambda rows: rows.chunk(2)[1])
    assert len(whole) == 4
    assert torch.equal(half.images, whole.images[2:])
    assert half.rows.tolist() == [4, 1]
    assert half.other is not None
    assert torch.equal(half.other, data.images[[2, 6]])
    assert half.labels is not None
    assert half.labels.tolist() == [[4, 5], [6, 7]]


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (one_factor(), "plain has no factor grid"),
        (changed_factors(1), "pairs that differ in a few factors need images of every combination"),
        (labelled(3), "labels need a data set with factors; plain has none"),
    ],
)
def test_data_without_factors_is_one_line(sampler: Sampler, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sampler(Dataset("plain", images(20)), 4, 0)


def test_bad_options_are_one_line() -> None:
    with pytest.raises(InputError, match="changed factors must be >= 1, got 0"):
        changed_factors(0)
    with pytest.raises(InputError, match=r"must be in 1..2 with the 3 factors .* got 3"):
        changed_factors(3)(grid(), 4, 0)
    with pytest.raises(InputError, match="labels must be >= 1, got 0"):
        labelled(0)
