"""How rows are drawn: pairs and votes share the value they should, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import grid, identity_codes, noisy_codes

from betavae.metrics import Draws, factor_table, factor_vae_score, higgins_score, live_latents
from betavae.metrics._shared.groups import group_rows, relabel, split_rows
from betavae.metrics.higgins import draw_features


@given(
    st.lists(st.integers(-1, 6), min_size=1, max_size=60).filter(lambda v: max(v) >= 0),
    st.integers(0, 1000),
)
def test_drawn_rows_have_the_value_drawn(values: list[int], seed: int) -> None:
    column = np.array(values)
    groups = group_rows(column)
    assert groups.counts.sum() == (column >= 0).sum()
    assert len(groups.starts) == len({v for v in values if v >= 0})
    rng = np.random.default_rng(seed)
    drawn = groups.draw_values((50,), rng)
    rows = groups.draw_rows(drawn, rng)
    known = np.unique(column[column >= 0])
    np.testing.assert_array_equal(column[rows], known[drawn])


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(0, 9))
def test_a_grid_groups_as_a_sort_does(inner: int, sizes: int, outer: int, spoilt: int) -> None:
    """Whole grids take a short cut; one value changed must leave it."""
    column = np.tile(np.arange(sizes).repeat(inner), outer)
    if spoilt < len(column):
        column[spoilt] = 0
    groups = group_rows(column)
    np.testing.assert_array_equal(groups.rows, np.argsort(column, kind="stable"))
    values, counts = np.unique(column, return_counts=True)
    np.testing.assert_array_equal(groups.counts, counts)
    np.testing.assert_array_equal(column[groups.rows[groups.starts]], values)


def test_large_values_and_large_counts_group_the_same() -> None:
    column = np.array([40_000, 3, 40_000, -1, 70_000])
    groups = group_rows(column)
    np.testing.assert_array_equal(groups.rows, [1, 0, 2, 4])
    np.testing.assert_array_equal(groups.counts, [1, 2, 1])
    labels, n = relabel(column)
    np.testing.assert_array_equal(labels, [1, 0, 1, -1, 2])
    assert n == 3


def test_a_point_of_the_fixed_factor_has_no_difference() -> None:
    factors = grid(4, 5, 6)
    codes = identity_codes(factors)
    groups = [group_rows(factors[:, k]) for k in range(3)]
    features, labels = draw_features(codes, groups, 400, 7, np.random.default_rng(0))
    for k in range(3):
        own = features[labels == k]
        assert (own[:, k] == 0).all()
        assert (np.delete(own, k, axis=1) > 0).mean() > 0.99


def test_features_have_the_expected_mean() -> None:
    """E|a - b| of two different rows, whatever the pairs are averaged over."""
    factors = grid(4, 5)
    codes = factors.astype(np.float64)
    groups = [group_rows(factors[:, k]) for k in range(2)]
    features, labels = draw_features(codes, groups, 4000, 3, np.random.default_rng(0))
    expected = np.abs(np.subtract.outer(np.arange(5), np.arange(5))).sum() / (5 * 4)
    assert features[labels == 0][:, 1].mean() == pytest.approx(expected, abs=0.05)


def test_unsigned_pixels_do_not_wrap() -> None:
    factors = grid(3, 4, repeat=5)
    pixels = (factors @ np.array([[80, 0], [0, 60]])).astype(np.uint8)
    groups = [group_rows(factors[:, k]) for k in range(2)]
    as_bytes, _ = draw_features(pixels, groups, 100, 4, np.random.default_rng(0))
    as_floats, _ = draw_features(
        pixels.astype(np.float32), groups, 100, 4, np.random.default_rng(0)
    )
    np.testing.assert_allclose(as_bytes, as_floats)


def test_wide_codes_are_gathered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = grid(3, 4, repeat=5)
    codes, _ = noisy_codes(factors)
    groups = [group_rows(factors[:, k]) for k in range(2)]
    whole, _ = draw_features(codes, groups, 50, 4, np.random.default_rng(0))
    monkeypatch.setattr("betavae.metrics.higgins.GATHER_BYTES", 1000)
    parts, _ = draw_features(codes, groups, 50, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(whole, parts)


def test_higgins_by_protocol() -> None:
    factors = grid(3, 3, 3, 3, 3)
    codes = identity_codes(factors)
    options = {"draws": Draws(300, 200, repeats=1)}
    names = ("shape", "scale", "orientation", "posX", "posY")
    paper = higgins_score(codes, factor_table(factors, names), **options)
    assert paper.factor_columns == (1, 2, 3, 4)
    assert paper.n_pairs == 20
    assert paper.confusion.sum() == 200
    assert paper.confusion.shape == (4, 4)
    other = higgins_score(codes, factors, protocol="locatello2019", **options)
    assert other.factor_columns == (0, 1, 2, 3, 4)
    assert other.n_pairs == 64
    assert higgins_score(codes, factors, factor_columns=[0, 2], **options).factor_columns == (0, 2)


@pytest.mark.slow
def test_exact_votes_are_what_sampled_votes_tend_to() -> None:
    factors = grid(4, 5, 6, repeat=2)
    codes, _ = noisy_codes(factors)
    exact = factor_vae_score(codes, factors, protocol="exact")
    sampled = factor_vae_score(codes, factors, draws=Draws(400, 2000, batch_size=2000))
    assert float(sampled) == pytest.approx(float(exact), abs=0.05)
    assert exact.votes.sum() == pytest.approx(3)  # one vote a factor, shared by its values


def test_exact_votes_by_hand() -> None:
    """Two values of one factor: latent 0 is constant within 0, latent 1 within 1."""
    codes = np.array([[0.0, 1.0], [0.0, -1.0], [3.0, 5.0], [-3.0, 5.0]])
    factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    result = factor_vae_score(codes, factors, protocol="exact")
    np.testing.assert_allclose(result.votes[:, 0], [0.5, 0.5])


def test_dead_latents_do_not_vote() -> None:
    factors = grid(4, 5, repeat=3)
    codes = np.concatenate([identity_codes(factors), np.full((60, 2), 0.7)], axis=1)
    for protocol in ("locatello2019", "kim2018", "exact"):
        result = factor_vae_score(codes, factors, protocol=protocol)
        np.testing.assert_array_equal(result.live, [True, True, False, False])
        assert result.score == 1
        assert result.votes[2:].sum() == 0


def test_live_latents_by_scale() -> None:
    z = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 0.01, 0.3]
    np.testing.assert_array_equal(live_latents(z), [True, False, True])
    np.testing.assert_array_equal(live_latents(z * 1e-6), [True, False, True])
    np.testing.assert_array_equal(live_latents(z * 1e3), [True, True, True])
    assert not live_latents(np.full((10, 2), 0.1, np.float32)).any()


def test_splits_are_disjoint() -> None:
    train, test = split_rows(np.arange(100), 60, 30, np.random.default_rng(0))
    assert len(train) == 60
    assert len(test) == 30
    assert not set(train) & set(test)
