"""Splits: what is held out, left out, or made to go together; the rest is as it was."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.data.batches import changed_factors, labelled, shuffled
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.data.splits import SplitOptions, matching, split, subset, together

GRID = Factors(("kind", "x", "y"), (3, 10, 20))
PIXELS = np.arange(600, dtype=np.uint64)[:, None] // np.array([1, 256], np.uint64) % 256
IMAGES = np.zeros((600, 1, 8, 8), np.uint8)
IMAGES[:, 0, 0, :2] = PIXELS  # an image says its row
DATA = Dataset(
    "rows", ImageStore.from_uint8(IMAGES), GRID, None, GRID.names, {"kind": ("a", "b", "c")}
)


def row_of(images: object) -> np.ndarray:
    first = np.rint(np.asarray(images)[:, 0, 0, :2] * 255).astype(int)
    return first[:, 0] + 256 * first[:, 1]


@pytest.mark.parametrize(("hold_out", "count"), [(0.1, 60), (25, 25), (0.999 / 600, 1)])
def test_held_out_and_trained_on_are_the_whole(hold_out: float, count: int) -> None:
    found = split(DATA, SplitOptions(hold_out))
    assert len(found.held_out) == count
    assert (np.sort(np.r_[found.train, found.held_out]) == np.arange(600)).all()
    again, other = (split(DATA, SplitOptions(hold_out, seed=seed)) for seed in (0, 1))
    assert (again.held_out == found.held_out).all()
    assert len(other.held_out) == count
    assert count < 3 or (other.held_out != found.held_out).any()


def test_conditions_hold_together() -> None:
    classes = GRID.table()
    assert (matching(DATA, "kind=b") == (classes[:, 0] == 1)).all()
    expected = (classes[:, 0] == 2) & (classes[:, 1] > 3) & (classes[:, 2] <= 7)
    assert (matching(DATA, "kind=c, x > 3,y<=7") == expected).all()
    left = split(DATA, SplitOptions(None, None, "kind!=0,x>=5")).train
    assert len(left) == 600 - 2 * 5 * 20


def test_correlated_factors_follow_the_published_density() -> None:
    chances = together(DATA, "x:y:0.2")
    classes = GRID.table()
    apart = classes[:, 1] / 9 - classes[:, 2] / 19
    assert chances == pytest.approx(np.exp(-(apart**2) / 0.08))
    kept = np.concatenate(
        [split(DATA, SplitOptions(None, "x:y:0.2", seed=seed)).train for seed in range(200)]
    )
    shares = np.bincount(kept, minlength=600) / 200
    assert abs(shares - chances).max() < 0.2
    assert abs(shares - chances).mean() < 0.03
    assert np.corrcoef(classes[kept, 1], classes[kept, 2])[0, 1] > 0.6
    wide = split(DATA, SplitOptions(None, "x:y:1000")).train
    assert len(wide) == 600


def test_a_part_gives_the_images_and_factors_of_its_rows() -> None:
    rows = np.array([3, 77, 300, 599])
    part = subset(DATA, rows)
    assert len(part.images) == 4
    assert part.grid is None
    assert (row_of(part.images[[2, 0]]) == [300, 3]).all()
    assert (part.factors(np.array([1, 3])) == GRID.classes(rows[[1, 3]])).all()
    assert part.fingerprint() == Dataset("x", ImageStore.from_uint8(IMAGES[rows])).fingerprint()
    assert (row_of(pickle.loads(pickle.dumps(part.images))[3]) == 599).all()
    binary = ImageStore.from_binary((IMAGES > 0).astype(np.uint8))
    packed = subset(Dataset("b", binary), rows).images
    assert (packed[1] == binary[77]).all()
    assert (packed.ever_set() == binary.ever_set()).all()


def test_samplers_stay_within_a_part() -> None:
    found = split(DATA, SplitOptions(0.3, None, "kind=a,x<5"))
    part = subset(DATA, found.train)
    draw, few = changed_factors(1)(part, 64, 0), labelled(9)(part, 32, 0)
    for step in range(20):
        pairs = draw(step)
        first, second = (row_of(part.images[rows]) for rows in (pairs.rows, pairs.other))
        assert np.isin(first, found.train).all()
        assert np.isin(second, found.train).all()
        differ = GRID.classes(first) != GRID.classes(second)
        assert (differ == pairs.changed.numpy()).all()
        assert (differ.sum(1) == 1).all()
        assert (draw(step).other == pairs.other).all()
        told = few(step)
        assert (told.labels.numpy() == part.factors(told.other.numpy())).all()
    epoch = [shuffled(part, 10, 0)(step).rows for step in range(len(found.train) // 10)]
    assert len(np.unique(np.concatenate(epoch))) == 10 * len(epoch)


def test_pairs_that_a_part_does_not_hold_are_refused() -> None:
    alone = subset(DATA, GRID.index([[0, 0, 0], [1, 1, 1], [2, 2, 2]]))
    with pytest.raises(InputError, match="too few pairs"):
        changed_factors(1)(alone, 8, 0)(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SplitOptions(0), "hold_out must be a share"),
        (SplitOptions(1.5), "hold_out must be a share"),
        (SplitOptions(600), "1..598, got 600"),
        (SplitOptions(None, None, "shape=1"), "has no factor 'shape'"),
        (SplitOptions(None, None, "kidn=a"), "did you mean 'kind'"),
        (SplitOptions(None, None, "kind=d"), "one of a, b, c or a whole number"),
        (SplitOptions(None, None, "x=10"), "goes from 0 to 9, got 10"),
        (SplitOptions(None, None, "x>"), "conditions such as"),
        (SplitOptions(None, None, ""), "conditions such as"),
        (SplitOptions(None, None, "x>=0"), "at least 2 images to train on, got 0"),
        (SplitOptions(None, "x:y", None), "two factors and a number above 0"),
        (SplitOptions(None, "x:x:1", None), "two factors and a number above 0"),
        (SplitOptions(None, "x:y:-1", None), "two factors and a number above 0"),
        (SplitOptions(None, "x:z:1", None), "has no factor 'z'"),
    ],
)
def test_what_cannot_be_split_is_one_line(options: SplitOptions, message: str) -> None:
    with pytest.raises(InputError, match=message) as found:
        split(DATA, options)
    assert "\n" not in str(found.value)
