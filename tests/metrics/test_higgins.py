"""The paper's score: known answers, its unit, its classifier, few rows."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from tables import rotation

from betavae._system.errors import InputError
from betavae.data import shapes2d
from betavae.metrics import Draws, FactorTable, factor_table, higgins_score
from betavae.metrics._shared.halves import group_factors
from betavae.metrics.higgins import draw_features

N = 20_000
NAMES = shapes2d.FACTORS.names
ONE = Draws(repeats=1)


@pytest.fixture(scope="module")
def factors() -> np.ndarray:
    return shapes2d.FACTORS.sample(N, np.random.default_rng(0))


def named(factors: np.ndarray) -> FactorTable:
    return factor_table(factors, NAMES)


def scaled(factors: np.ndarray) -> np.ndarray:
    return (factors - factors.mean(0)) / factors.std(0)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["higgins2017", "locatello2019"])
def test_the_factors_themselves_score_1(factors: np.ndarray, protocol: str) -> None:
    result = higgins_score(scaled(factors), named(factors), protocol=protocol, draws=ONE)
    assert result.score > 0.995
    assert result.protocol == protocol
    assert result.n_pairs == (20 if protocol == "higgins2017" else 64)
    assert result.about.factors == (NAMES[1:] if protocol == "higgins2017" else NAMES)
    assert result.about.rows == N
    assert result.about.seed == 0


def test_codes_that_know_nothing_score_chance(factors: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(size=(N, 10))
    assert higgins_score(noise, named(factors), draws=ONE).score == pytest.approx(0.25, abs=0.03)


def test_one_factor_may_go_unnoticed_but_not_two(factors: np.ndarray) -> None:
    """Four classes can be told from three latents: what the docstring warns of."""
    codes = scaled(factors)
    options: dict[str, Any] = {"draws": ONE}
    assert higgins_score(codes[:, [1, 3, 4]], named(factors), **options).score > 0.99
    two = higgins_score(codes[:, [3, 4]], named(factors), **options)
    assert two.score == pytest.approx(0.75, abs=0.04)
    confusion = two.confusion / two.confusion.sum(1, keepdims=True)
    assert confusion[2, 2] > 0.99
    assert confusion[3, 3] > 0.99


@pytest.mark.slow
def test_order_sign_and_dead_latents_change_little(factors: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    codes = scaled(factors)[:, 1:] + rng.normal(size=(N, 4))
    one = higgins_score(codes, factors).score
    other = np.hstack([-codes[:, ::-1], np.zeros((N, 2))])
    assert higgins_score(other, factors).score == pytest.approx(one, abs=0.02)


def test_more_pairs_lift_the_score(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] + np.random.default_rng(3).normal(size=(N, 4))
    few, many = (
        higgins_score(codes, factors, draws=Draws(n_pairs=n, repeats=1)).score for n in (5, 50)
    )
    assert many > few + 0.05


def test_the_seed_decides(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] + np.random.default_rng(4).normal(size=(N, 4))
    one, two = (
        higgins_score(codes, factors, draws=Draws(repeats=2), rng=7).to_dict() for _ in range(2)
    )
    assert one == two
    assert len(one["scores"]) == 2
    assert one["score"] == pytest.approx(np.mean(one["scores"]))
    assert one["deviation"] == pytest.approx(np.std(one["scores"]), abs=1e-12) or one[
        "deviation"
    ] == pytest.approx(np.std(one["scores"], ddof=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, f: (c[:-1], f), r"\d"),
        (lambda c, f: (np.where(c > 3, np.nan, np.nan), f), "(?i)nan"),
        (lambda c, f: (c[:1], f[:1]), r"."),
        (lambda c, f: (c, np.zeros_like(f)), r"."),
        (lambda c, f: (c.astype(str), f), r"."),
    ],
)
def test_bad_arrays_are_one_line(factors: np.ndarray, change: object, message: str) -> None:
    codes, values = change(scaled(factors)[:200], factors[:200])  # type: ignore[operator]
    with pytest.raises(InputError, match=message) as caught:
        higgins_score(codes, values, draws=ONE)
    assert "\n" not in str(caught.value)


def test_codes_of_unknown_unit_are_counted_in_their_own(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] + np.random.default_rng(5).normal(size=(N, 4))
    options: dict[str, Any] = {"draws": Draws(1000, 1000, repeats=1)}
    results = [higgins_score(unit * codes, factors, **options) for unit in (1.0, 1e-3, 1e3)]
    assert results[0].score == pytest.approx(results[1].score, abs=0.01)
    assert results[0].score == pytest.approx(results[2].score, abs=0.01)
    assert [r.unit for r in results] == ["the largest latent's standard deviation"] * 3
    assert results[1].unit_size == pytest.approx(1e-3 * results[0].unit_size)


def test_in_the_priors_unit_a_collapsed_code_scores_chance(factors: np.ndarray) -> None:
    """Identity codes times 1e-6 used to score 1.000."""
    options: dict[str, Any] = {"unit": "prior", "draws": ONE}
    codes = scaled(factors)
    assert higgins_score(codes, named(factors), **options).score > 0.995
    collapsed = higgins_score(1e-6 * codes, named(factors), **options)
    assert collapsed.score == pytest.approx(0.25, abs=0.03)
    assert collapsed.unit == "the prior's"
    with pytest.raises(InputError, match="unit must be one of 'prior', 'std', got 'prio'"):
        higgins_score(codes, factors, unit="prio")
    with pytest.raises(InputError, match="unit must be 'prior', 'std' or a number > 0, got 0"):
        higgins_score(codes, factors, unit=0)


@pytest.mark.slow
def test_five_factors_of_anybody_all_count(factors: np.ndarray) -> None:
    result = higgins_score(scaled(factors), factors, draws=ONE)
    assert result.factor_columns == (0, 1, 2, 3, 4)
    assert result.about.left_out == ()
    known = higgins_score(scaled(factors), named(factors), draws=ONE)
    assert known.about.left_out == ("shape (resampled freely)",)
    other = ("category", "instance", "elevation", "azimuth", "lighting")  # SmallNORB
    assert len(higgins_score(factors, factor_table(factors, other), draws=ONE).factor_columns) == 5


@pytest.mark.slow
def test_adagrad_stops_short_of_the_optimum(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] @ rotation(4, 1)
    options: dict[str, Any] = {"draws": ONE}
    best = higgins_score(codes, named(factors), **options)
    steps = higgins_score(codes, named(factors), protocol="higgins2017-adagrad", **options)
    assert steps.steps == (30_000,)
    assert steps.protocol == "higgins2017-adagrad"
    assert steps.score < best.score + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 40, 100])
@pytest.mark.parametrize("protocol", ["higgins2017", "locatello2019"])
def test_noise_on_few_rows_is_not_recognised(n: int, protocol: str) -> None:
    """Points drawn from the same few rows are no new points: noise used to score up to 1."""
    rng = np.random.default_rng(n)
    scores, inside = [], 0
    for seed in range(8):
        values = np.stack([np.arange(n) % 2, np.arange(n) // 2 % 3], axis=1)
        result = higgins_score(
            rng.normal(size=(n, 4)), values, protocol=protocol,
            draws=Draws(300, 300, repeats=2), rng=seed,
        )  # fmt: skip
        scores.append(result.score)
        inside += result.interval[0] <= 0.5 <= result.interval[1]
        assert f"rests on {n} rows only" in result.about.notes[0]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.12)
    assert inside >= 6


def test_rows_that_allow_no_pair_are_told() -> None:
    values = np.stack([np.arange(4) // 2, np.arange(4) % 2], axis=1)
    with pytest.raises(InputError, match="no value that two rows of each half of the rows share"):
        higgins_score(values, values)


def test_an_unknown_protocol_is_named(factors: np.ndarray) -> None:
    with pytest.raises(InputError, match="higgins2017"):
        higgins_score(scaled(factors), factors, protocol="higgins2016")


def test_raw_pixels_at_200_pairs_take_no_more_memory_than_at_5() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (500, 4096)).astype(np.uint8)
    groups = group_factors(rng.integers(0, 3, (500, 2)))
    peaks = {}
    for pairs in (5, 200):
        tracemalloc.start()
        features, _ = draw_features(pixels, groups, 60, pairs, np.random.default_rng(1))
        peaks[pairs] = tracemalloc.get_traced_memory()[1] - features.nbytes
        tracemalloc.stop()
    # Some points' pixels at a time, never those of all sixty: 98 MB.
    assert peaks[200] < 30e6
