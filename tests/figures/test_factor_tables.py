"""Heat maps, sweeps and lines: what they show, and that grey shows it too."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from betavae._system.errors import InputError
from betavae.figures import (
    LIGHT,
    Block,
    factor_table,
    score_against_pairs,
    size_and_beta,
    to_bytes,
    traversals_compared,
)
from betavae.figures.sheet import MAP


def grey(colour: np.ndarray) -> np.ndarray:
    return np.asarray(colour)[..., :3] @ [0.2126, 0.7152, 0.0722]


def test_the_colour_map_rises_in_grey() -> None:
    assert (np.diff(grey(colormaps[MAP](np.linspace(0, 1, 50)))) > 0).all()


def test_every_number_stands_in_its_cell() -> None:
    table = np.array([[0.0, 1.25], [2.5, 0.5], [0.1, 0.2]])
    axes = factor_table(table, ["scale", "posX"], title="Information", unit="nats").axes[0]
    assert [text.get_text() for text in axes.texts] == [f"{value:.2f}" for value in table.ravel()]
    assert np.array_equal(axes.images[0].get_array(), table)


def test_latents_bear_the_names_they_are_given() -> None:
    axes = factor_table([[1.0], [2.0]], ["a"], title="", unit="", labels=["x", "y"]).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["x", "y"]


def test_numbers_in_cells_can_be_read_on_their_colour() -> None:
    table = np.linspace(0, 1, 11)[:, None]
    axes = factor_table(table, ["a"], title="", unit="").axes[0]
    for value, text in zip(table[:, 0], axes.texts, strict=True):
        behind = grey(np.array(colormaps[MAP](value)))
        ink = 1.0 if text.get_color() == "#ffffff" else 0.12
        light, dark = max(behind, ink), min(behind, ink)
        assert light - dark > 0.3


@pytest.mark.parametrize("table", [np.zeros((0, 2)), [[-1.0]], [[np.nan]], [1.0]])
def test_tables_must_be_numbers_from_zero(table: object) -> None:
    with pytest.raises(InputError, match="table"):
        factor_table(table, ["a"], title="", unit="")


def sweep() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes = np.repeat([5, 10, 32], 6)
    betas = np.tile(np.geomspace(1e-3, 1, 6), 3)
    scores = 1 - 0.1 * np.abs(np.log10(betas) - np.log10(sizes / 100))
    return betas, sizes, np.clip(scores, 0, 1)


def test_the_sweep_shows_each_score_at_its_beta_and_size() -> None:
    betas, sizes, scores = sweep()
    axes = size_and_beta(betas, sizes, scores, pixels=4096).axes[0]
    rows = [mesh.get_array().ravel() for mesh in axes.collections]
    assert np.allclose(np.concatenate(rows), scores)
    # Few cells show their numbers, the best of each row in bold.
    assert [text.get_text() for text in axes.texts[:-1]] == [f"{score:.2f}" for score in scores]
    best = [text.get_position()[0] for text in axes.texts if text.get_weight() == "bold"]
    for size, place in zip((5, 10, 32), best, strict=True):
        assert place == betas[sizes == size][scores[sizes == size].argmax()]
    assert axes.get_xscale() == "log"


def test_many_cells_show_a_dot_at_the_best_of_each_row() -> None:
    betas = np.geomspace(1e-3, 1, 40)
    scores = np.linspace(0.5, 0.9, 40)
    axes = size_and_beta(betas, np.full(40, 10), scores).axes[0]
    assert [line.get_xdata()[0] for line in axes.lines] == [betas[-1]]
    assert not axes.texts


def test_rows_carry_the_names_that_are_given() -> None:
    axes = factor_table(
        np.eye(3), ["a", "b", "c"], title="t", unit="u", labels=["x", "y\nsize", "z"]
    ).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["x", "y  size", "z"]


def test_seeds_of_one_cell_are_averaged() -> None:
    axes = size_and_beta([0.1, 0.1, 1.0], [4, 4, 4], [0.2, 0.6, 1.0]).axes[0]
    assert axes.collections[0].get_array().ravel().tolist() == pytest.approx([0.4, 1.0])


def test_one_run_is_enough_for_a_sweep() -> None:
    to_bytes(size_and_beta([0.01], [10], [0.9]), "png")


@pytest.mark.parametrize(
    ("betas", "sizes", "scores", "said"),
    [
        ([0.0], [10], [0.5], "beta_norm must be > 0"),
        ([0.1], [10], [1.5], r"scores must be in \[0, 1\]"),
        ([0.1, 0.2], [10], [0.5], "same length"),
    ],
)
def test_a_sweep_out_of_range_is_refused(
    betas: list[float], sizes: list[int], scores: list[float], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        size_and_beta(betas, sizes, scores)


def test_runs_are_told_apart_by_marker_and_name() -> None:
    lines = {"beta4": [0.7, 0.99], "beta1": [0.6, 0.8], "pca": [0.5, 0.85]}
    axes = score_against_pairs([1, 20], lines, chance=0.25).axes[0]
    drawn = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    assert len({line.get_marker() for line in drawn}) == 3
    assert {text.get_text() for text in axes.texts} == {"beta4", "beta1", "pca", "chance"}


@pytest.mark.parametrize(
    ("pairs", "scores"),
    [([1], {}), ([20, 1], {"a": [0, 0]}), ([0], {"a": [0]}), ([1], {"a": [2]}), ([1], {"a": []})],
)
def test_scores_against_pairs_must_fit(pairs: list[int], scores: dict[str, list[float]]) -> None:
    with pytest.raises(InputError):
        score_against_pairs(pairs, scores)


def test_methods_stand_side_by_side_with_their_latents() -> None:
    images = np.zeros((2, 5, 3, 16, 16))
    blocks = {"VAE": [Block("z1", "2.0 nats", images)] * 2, "PCA": [Block("1st", "", images)]}
    figure = traversals_compared(blocks, np.linspace(-2, 2, 5), inputs=np.zeros((2, 3, 16, 16)))
    assert len(figure.axes) == 3
    assert [text.get_text() for text in figure.texts] == ["VAE", "PCA"]
    said = {text.get_text() for text in figure.axes[-1].texts}
    assert {"1st", "−2", "+2", "input"} <= said
    Image.open(io.BytesIO(to_bytes(figure, "png"))).load()


def test_blocks_of_different_shape_are_refused() -> None:
    blocks = {"a": [Block("z", "", np.zeros((2, 5, 1, 8, 8)))],
              "b": [Block("z", "", np.zeros((1, 5, 1, 8, 8)))]}  # fmt: skip
    with pytest.raises(InputError, match="one shape"):
        traversals_compared(blocks, range(5))
    with pytest.raises(InputError, match="values has 4"):
        traversals_compared({"a": blocks["a"]}, range(4))
    with pytest.raises(InputError, match="one shape"):
        traversals_compared({}, range(4))


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes_in_every_format() -> None:
    for kind in ("png", "svg", "pdf"):
        one, two = (to_bytes(size_and_beta(*sweep(), theme=LIGHT), kind) for _ in range(2))
        assert one == two
