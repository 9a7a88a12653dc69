"""Fig. 6: known answers of the averages, and what the sheet shows of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betavae._system.errors import InputError
from betavae.figures import DARK, response_sheet, responses, to_bytes

SIZES = (3, 6, 5, 4, 4)
NAMES = ("shape", "scale", "orientation", "posX", "posY")


def grid() -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, SIZES), indexing="ij"), -1).reshape(-1, 5)


def test_a_latent_that_is_a_factor_answers_to_that_factor_alone() -> None:
    factors = grid()
    codes = np.stack([factors[:, 3], factors[:, 4], factors[:, 1] * (1 + factors[:, 0])], axis=1)
    found = responses(codes, factors, NAMES)
    assert found.position is not None
    assert np.allclose(found.position[0], np.arange(4)[None])  # posX rises rightwards
    assert np.allclose(found.position[1], np.arange(4)[:, None])  # posY rises downwards
    assert np.allclose(found.position[2], 2.5 * 2)
    assert np.allclose(found.curves["scale"][2], np.outer([1, 2, 3], np.arange(6)))
    assert np.allclose(found.curves["scale"][0], 1.5)
    assert np.allclose(found.curves["orientation"][2], 2.5 * np.array([[1], [2], [3]]))
    assert found.groups == ("0", "1", "2")
    assert found.order.tolist() == [2, 0, 1]
    assert np.allclose(found.code_variance, codes.var(axis=0))


def test_latents_come_by_learnt_variance_where_there_is_one() -> None:
    factors, rng = grid(), np.random.default_rng(0)
    codes = rng.normal(size=(len(factors), 3))
    log_var = np.log(np.array([0.9, 0.01, 0.5])) * np.ones_like(codes)
    found = responses(codes, factors, NAMES, log_var=log_var)
    assert found.order.tolist() == [1, 2, 0]
    assert np.allclose(found.learnt_variance, [0.9, 0.01, 0.5])


@given(st.permutations(range(8)))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    factors = np.array([[k % 2, k // 2] for k in range(8)])
    codes = np.arange(16.0).reshape(8, 2)
    one = responses(codes, factors, ("scale", "shape"))
    two = responses(codes[order], factors[order], ("scale", "shape"))
    assert np.allclose(one.curves["scale"], two.curves["scale"])


def test_cells_without_rows_are_empty_and_can_be_drawn() -> None:
    factors = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 1]])
    found = responses(np.ones((3, 2)), factors, ("posX", "posY", "scale"))
    assert found.position is not None
    assert np.isnan(found.position[0, 1, 0])
    assert found.to_dict()["position"][0][1][0] is None
    to_bytes(response_sheet(found), "png")


@pytest.mark.slow
def test_any_factors_will_do() -> None:
    rng = np.random.default_rng(1)
    factors = rng.integers(0, 3, (50, 6))
    names = tuple("abcdef")
    found = responses(rng.normal(size=(50, 4)), factors, names)
    assert found.position is None
    assert list(found.curves) == ["a", "b", "c"]
    assert found.groups == ("",)
    to_bytes(response_sheet(found, theme=DARK), "svg")


def test_the_sheet_has_a_column_a_latent_and_a_row_a_thing() -> None:
    factors, rng = grid(), np.random.default_rng(0)
    codes = rng.normal(size=(len(factors), 3))
    found = responses(codes, factors, NAMES, log_var=np.zeros_like(codes))
    values = np.linspace(-3, 3, 5)
    figure = response_sheet(found, images=np.zeros((3, 5, 3, 16, 16)), values=values)
    # Position, two curves, traversal, variance; and the colour bar.
    assert len(figure.axes) == 3 * 5 + 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]
    plain = response_sheet(responses(codes, factors, NAMES), most=2)
    assert len(plain.axes) == 2 * 4 + 1
    assert "variance\nof codes" in [text.get_text() for text in plain.texts]


def test_curves_differ_in_more_than_colour() -> None:
    factors = grid()
    found = responses(factors[:, [1]], factors, NAMES)
    curves = response_sheet(found).axes[2].lines[1:]
    assert len({line.get_linestyle() for line in curves}) == 3


@pytest.mark.parametrize(
    ("codes", "factors", "names", "said"),
    [
        (np.ones((3, 2)), np.ones((4, 1)), ("a",), r"factors must be \(3, 1\)"),
        (np.ones((3, 2)), np.ones((3, 2)), ("a",), r"factors must be \(3, 1\)"),
        (np.full((3, 2), np.nan), np.ones((3, 1)), ("a",), "codes must be finite"),
        (np.ones(3), np.ones((3, 1)), ("a",), "codes must have 2 dimensions"),
    ],
)
def test_what_does_not_fit_is_refused(
    codes: np.ndarray, factors: np.ndarray, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        responses(codes, factors, names)


def test_images_must_fit_the_latents() -> None:
    found = responses(np.ones((3, 2)), np.ones((3, 1)), ("a",))
    with pytest.raises(InputError, match=r"images must be \(2, T, C, H, W\)"):
        response_sheet(found, images=np.zeros((3, 5, 1, 8, 8)), values=np.arange(5))
    with pytest.raises(InputError, match="labels and latents"):
        response_sheet(found, labels=["a"])


def test_words_for_a_factor_s_ends_are_drawn_as_they_stand() -> None:
    factors = grid()
    found = responses(factors[:, :2], factors, NAMES, ends={"scale": ("US$", "$x$")})
    assert found.ends["orientation"] == ("0", "4")
    figure = response_sheet(found)
    ticks = [t.get_text() for axes in figure.axes for t in axes.get_xticklabels()]
    assert r"US\$" in ticks
    assert r"\$x\$" in ticks
    to_bytes(figure, "png")
