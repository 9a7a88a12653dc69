from __future__ import annotations

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.data import shapes2d
from betavae.metrics import higgins_score

N = 20_000


@pytest.fixture(scope="module")
def factors() -> np.ndarray:
    return shapes2d.FACTORS.sample(N, np.random.default_rng(0))


def scaled(factors: np.ndarray) -> np.ndarray:
    return (factors - factors.mean(0)) / factors.std(0)


@pytest.mark.parametrize("protocol", ["higgins2017", "locatello2019"])
def test_the_factors_themselves_score_1(factors: np.ndarray, protocol: str) -> None:
    result = higgins_score(scaled(factors), factors, protocol=protocol, seeds=1)
    assert result.score > 0.995
    assert result.protocol == protocol
    assert result.n_pairs == (20 if protocol == "higgins2017" else 64)
    assert len(result.factor_columns) == (4 if protocol == "higgins2017" else 5)


def test_codes_that_know_nothing_score_chance(factors: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(size=(N, 10))
    assert higgins_score(noise, factors, seeds=1).score == pytest.approx(0.25, abs=0.03)


def test_one_factor_may_go_unnoticed_but_not_two(factors: np.ndarray) -> None:
    """Four classes can be told from three latents: what the docstring warns of."""
    codes = scaled(factors)
    assert higgins_score(codes[:, [1, 3, 4]], factors, seeds=1).score > 0.99
    two = higgins_score(codes[:, [3, 4]], factors, seeds=1)
    assert two.score == pytest.approx(0.75, abs=0.04)
    confusion = two.confusion / two.confusion.sum(1, keepdims=True)
    assert confusion[2, 2] > 0.99
    assert confusion[3, 3] > 0.99


def test_order_sign_and_dead_latents_change_little(factors: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    codes = scaled(factors)[:, 1:] + rng.normal(size=(N, 4))
    one = higgins_score(codes, factors).score
    other = np.hstack([-codes[:, ::-1], np.zeros((N, 2))])
    assert higgins_score(other, factors).score == pytest.approx(one, abs=0.02)


def test_more_pairs_lift_the_score(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] + np.random.default_rng(3).normal(size=(N, 4))
    few, many = (higgins_score(codes, factors, n_pairs=n, seeds=1).score for n in (5, 50))
    assert many > few + 0.05


def test_the_seed_decides(factors: np.ndarray) -> None:
    codes = scaled(factors)[:, 1:] + np.random.default_rng(4).normal(size=(N, 4))
    one, two = (higgins_score(codes, factors, seeds=2, rng=7).to_dict() for _ in range(2))
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
        higgins_score(codes, values, seeds=1)
    assert "\n" not in str(caught.value)


def test_the_unit_of_the_codes_does_not_matter(factors: np.ndarray) -> None:
    """An untrained network's codes are a hundredth of a trained one's."""
    codes = scaled(factors)[:, 1:] + np.random.default_rng(5).normal(size=(N, 4))
    as_given, small, large = (
        higgins_score(unit * codes, factors, seeds=1, n_train=1000, n_test=1000).score
        for unit in (1.0, 1e-3, 1e3)
    )
    assert small == pytest.approx(as_given, abs=0.01)
    assert large == pytest.approx(as_given, abs=0.01)


def test_an_unknown_protocol_is_named(factors: np.ndarray) -> None:
    with pytest.raises(InputError, match="higgins2017"):
        higgins_score(scaled(factors), factors, protocol="higgins2016")
