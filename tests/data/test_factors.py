"""Factors: index and classes are inverse, pairs share their factor and nothing else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.data.shapes2d import FACTORS


@st.composite
def grids(draw: st.DrawFn) -> Factors:
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    return Factors(tuple(f"f{k}" for k in range(len(sizes))), tuple(sizes))


@given(grids())
def test_index_and_classes_are_inverse(factors: Factors) -> None:
    rows = np.arange(len(factors))
    classes = factors.classes(rows)
    assert classes.shape == (len(factors), len(factors.sizes))
    np.testing.assert_array_equal(factors.index(classes), rows)
    np.testing.assert_array_equal(factors.table(), classes)
    assert len(np.unique(classes, axis=0)) == len(factors)
    # The last factor varies fastest: row numbers are mixed-radix numbers.
    strides = np.cumprod((1, *factors.sizes[:0:-1]))[::-1]
    np.testing.assert_array_equal(classes @ strides, rows)


@given(grids(), st.integers(0, 2**32 - 1))
def test_samples_lie_on_the_grid_and_repeat_with_their_seed(factors: Factors, seed: int) -> None:
    sample = factors.sample(50, np.random.default_rng(seed))
    assert sample.shape == (50, len(factors.sizes))
    np.testing.assert_array_equal(factors.classes(factors.index(sample)), sample)
    np.testing.assert_array_equal(sample, factors.sample(50, np.random.default_rng(seed)))


@given(grids(), st.data())
def test_pairs_share_the_fixed_factor_exactly(factors: Factors, data: st.DataObject) -> None:
    fixed = data.draw(st.integers(0, len(factors.sizes) - 1))
    first, second = factors.sample_pairs(40, fixed, np.random.default_rng(0))
    np.testing.assert_array_equal(first[:, fixed], second[:, fixed])
    factors.check(first)
    factors.check(second)


@pytest.mark.parametrize("fixed", range(5))
def test_everything_else_in_a_pair_is_uniform_and_independent(fixed: int) -> None:
    first, second = FACTORS.sample_pairs(40_000, fixed, np.random.default_rng(fixed))
    for k, size in enumerate(FACTORS.sizes):
        counts = np.bincount(second[:, k], minlength=size)
        deviation = np.abs(counts - 40_000 / size) / np.sqrt(40_000 / size)
        assert deviation.max() < 5, f"factor {k} is not uniform"
        if k != fixed:
            assert (first[:, k] == second[:, k]).mean() == pytest.approx(1 / size, abs=0.012)
            table = np.zeros((size, size))
            np.add.at(table, (first[:, k], second[:, k]), 1)
            assert chi2_contingency(table).pvalue > 1e-5, f"factor {k} depends on its partner"


def test_the_paper_s_grid() -> None:
    assert len(FACTORS) == 737_280
    assert FACTORS.index([[1, 2, 3, 4, 5]]) == 245760 + 2 * 40960 + 3 * 1024 + 4 * 32 + 5
    assert FACTORS.column("posX") == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Factors(("a",), (1, 2)), "one name a size, got 1 names and 2 sizes"),
        (lambda: Factors(("a",), (0,)), "sizes must be >= 1, got (0,)"),
        (lambda: FACTORS.column("scal"), "got 'scal'; did you mean 'scale'?"),
        (lambda: FACTORS.index([[0, 0, 40, 0, 0]]), "orientation must be in 0..39, got 40"),
        (lambda: FACTORS.index([[0, -1, 0, 0, 0]]), "scale must be in 0..5, got -1"),
        (lambda: FACTORS.index([[0, 0, 0]]), "got shape (1, 3)"),
        (lambda: FACTORS.index([[0.0, 0, 0, 0, 0]]), "got dtype float64"),
        (lambda: FACTORS.classes([737_280]), "rows must be in 0..737279, got 737280"),
        (lambda: FACTORS.classes([-1]), "rows must be in 0..737279, got -1"),
        (lambda: FACTORS.sample_pairs(1, 5, np.random.default_rng()), "in 0..4, got 5"),
    ],
)
def test_wrong_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        call()
