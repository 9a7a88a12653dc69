"""What people bring: frames, tensors, text, vectors, one column; and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tables import grid, identity_codes, noisy_codes

from betavae._system.errors import InputError
from betavae.metrics import (
    Codes,
    bin_factors,
    evaluate,
    factor_table,
    live_latents,
    mcc_score,
    mig_score,
    modularity_score,
    sap_score,
)

FACTORS = grid(3, 4, 5, repeat=4)
MEAN, LOG_VAR = noisy_codes(FACTORS)
EXPECTED = float(mig_score(MEAN, FACTORS))


class Frame:
    """A data frame of another library than pandas: columns by name, each an array."""

    def __init__(self, **columns: Any) -> None:
        self.kept = columns
        self.columns = list(columns)

    def __len__(self) -> int:
        return len(next(iter(self.kept.values())))

    def __getitem__(self, name: str) -> Any:
        return np.asarray(self.kept[name]).view(Column)

    def to_numpy(self) -> Any:
        return np.stack([np.asarray(v) for v in self.kept.values()], axis=1)


class Column(np.ndarray[Any, Any]):
    def to_numpy(self) -> Any:
        return np.asarray(self)


class Arrow:
    """An Arrow table, as far as it is looked at."""

    column_names = ("shape", "scale", "x")

    def column(self, name: str) -> Any:
        return FACTORS[:, self.column_names.index(name)]

    def __len__(self) -> int:
        return len(FACTORS)


def test_data_frames_keep_their_names() -> None:
    frame = Frame(shape=FACTORS[:, 0], scale=FACTORS[:, 1], x=FACTORS[:, 2])
    for factors in (frame, Arrow()):
        result = mig_score(MEAN, factors)
        assert float(result) == EXPECTED
        assert result.about.factors == ("shape", "scale", "x")
        assert evaluate(MEAN, factors, metrics="mig").factor_names == ("shape", "scale", "x")
    codes = Frame(**{f"z{j}": MEAN[:, j] for j in range(MEAN.shape[1])})
    assert float(mig_score(codes, FACTORS)) == EXPECTED
    with pytest.raises(InputError, match=r"codes column z0 must be numeric, .* got dtype <U1"):
        mig_score(Frame(z0=["a"] * len(FACTORS)), FACTORS)


def test_pandas_frames_and_series() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(FACTORS, columns=["shape", "scale", "x"])
    frame["shape"] = np.array(["square", "ellipse", "heart"])[FACTORS[:, 0]]
    result = mig_score(pandas.DataFrame(MEAN), frame)
    assert float(result) == pytest.approx(EXPECTED)
    assert result.about.factors == ("shape", "scale", "x")
    one = mig_score(MEAN, frame["x"])
    assert one.about.factors == ("x",)
    frame.loc[::7, "shape"] = None  # an empty cell is not known
    assert float(mig_score(MEAN, frame)) == pytest.approx(EXPECTED, abs=0.05)


def test_text_becomes_classes() -> None:
    names = np.array(["square", "ellipse", "heart"])
    factors = [[names[a], int(b), str(c)] for a, b, c in FACTORS]
    assert float(mig_score(MEAN, factors)) == pytest.approx(EXPECTED)
    assert float(mig_score(MEAN, FACTORS.astype(str))) == pytest.approx(EXPECTED)
    results = evaluate(MEAN, np.array(factors, dtype=object), metrics="mig,sap:kumar2018")
    assert results["mig:locatello2019"].score == pytest.approx(EXPECTED)


def test_one_factor_may_be_flat() -> None:
    assert float(mig_score(MEAN, FACTORS[:, 2])) == float(mig_score(MEAN, FACTORS[:, 2:]))
    assert evaluate(MEAN, list(FACTORS[:, 2]), metrics="mig").n_factors == 1


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64", "int64", "uint8"])
def test_tensors_of_any_type(name: str) -> None:
    import torch

    codes = torch.from_numpy(10 * MEAN).to(getattr(torch, name)).requires_grad_(name[0] in "fb")
    result = mig_score(codes, torch.from_numpy(FACTORS).to(torch.int32))
    assert 0 < float(result) < 1
    if name == "float64":
        assert float(result) == pytest.approx(EXPECTED)


def test_what_numpy_refuses_is_named() -> None:
    class Odd:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise TypeError("no array of this kind")

    with pytest.raises(InputError, match=r"codes must be an array, got a \w+.Odd that numpy refu"):
        mig_score(Odd(), FACTORS)


def test_a_constant_column_is_left_out_and_named() -> None:
    factors = np.concatenate([FACTORS, np.full((len(FACTORS), 1), 2)], axis=1)
    names = ("shape", "scale", "x", "colour")
    result = mig_score(MEAN, factor_table(factors, names))
    assert float(result) == EXPECTED
    assert result.about.left_out == ("colour (takes one value)",)
    results = evaluate(Codes(MEAN, factors, LOG_VAR, names), metrics="mig,sap:kumar2018,mcc")
    assert "mig:locatello2019 leaves out colour (takes one value)" in str(results)
    for entry in results.to_dict()["metrics"].values():
        assert entry["left_out"] == ["colour (takes one value)"]
    with pytest.raises(InputError, match="factors column 3 must take at least 2 values, got 1"):
        mig_score(MEAN, factors, factor_columns=[0, 3])
    with pytest.raises(InputError, match=r"got 1 \(left out: factor1 \(takes one value\), factor2"):
        modularity_score(MEAN, FACTORS * [1, 0, 0])


@pytest.mark.parametrize("metric", [mig_score, sap_score, mcc_score, evaluate])
def test_one_rule_for_minus_one(metric: Any) -> None:
    options = {sap_score: {"protocol": "kumar2018"}, evaluate: {"metrics": "mig"}}.get(metric, {})
    with pytest.raises(InputError, match=r"must be >= -1 \(-1: not known\), got -2"):
        metric(MEAN, FACTORS - 2, **options)
    signs = 2 * (FACTORS > 1) - 1
    with pytest.raises(InputError, match=r"map them to 0 and 1: \(factors \+ 1\) // 2"):
        metric(MEAN, signs, **options)
    metric(MEAN, (signs + 1) // 2, **options)
    metric(MEAN, np.where(FACTORS == 0, -1, FACTORS), **options)


def test_negative_classes_are_classes_where_a_mask_says_what_is_known() -> None:
    known = np.ones(len(FACTORS), bool)
    known[0] = False
    binned = bin_factors(FACTORS - 2, known=known)
    np.testing.assert_array_equal(binned[1:], FACTORS[1:])
    assert (binned[0] == -1).all()
    whole = evaluate(
        MEAN, factor_table(FACTORS - 2, known=np.ones(len(FACTORS), bool)), metrics="mig"
    )
    assert whole["mig:locatello2019"].score == EXPECTED


def test_fractions_may_be_negative() -> None:
    angle = np.random.default_rng(0).normal(size=(len(FACTORS), 1))
    assert bin_factors(angle, bins=4).max() == 3
    assert float(mcc_score(angle, angle)) == pytest.approx(1)


def test_vectors_count_by_their_first_principal_component() -> None:
    direction = np.random.default_rng(0).normal(size=(3, 4))
    codes = identity_codes(FACTORS)
    vectors = codes[:, :, None] * direction + 1e-3 * np.random.default_rng(1).normal(
        size=(len(codes), 3, 4)
    )
    result = mig_score(vectors, FACTORS)
    assert float(result) == pytest.approx(float(mig_score(codes, FACTORS)), abs=0.02)
    assert result.about.reduction == "first principal component of 4 numbers a latent"
    assert result.about.latents == 3
    results = evaluate(vectors, FACTORS, metrics="mig,active_units")
    assert "first principal component" in str(results)
    assert results.to_dict()["metrics"]["mig:locatello2019"]["reduction"] == result.about.reduction
    assert live_latents(vectors).all()


def test_names_go_with_columns() -> None:
    with pytest.raises(InputError, match="names must be one for each of 3 factors"):
        factor_table(FACTORS, ("a", "b"))
