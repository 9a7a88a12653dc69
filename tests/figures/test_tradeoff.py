from __future__ import annotations

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.figures import duality, rate_distortion, term_curves, to_bytes


def test_a_line_a_model_and_its_name_in_the_legend() -> None:
    series = {"images": [10, 20], "distortion": [300.0, 90.0], "rate": [1.0, 9.0]}
    figure = term_curves({"beta 1": series, "beta 4": series})
    left, right = figure.axes
    assert [len(axes.lines) for axes in (left, right)] == [2, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["beta 1", "beta 4"]
    assert to_bytes(figure, "png")[:4] == b"\x89PNG"


def test_a_panel_a_decoder_every_point_marked_with_its_beta() -> None:
    curve = ([12.0, 8.0, 3.0], [90.0, 110.0, 200.0], [1.0, 4.0, 16.0])
    figure = rate_distortion({"Bernoulli": curve, "Gaussian": curve})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Bernoulli", "Gaussian"]
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["1", "4", "16"]


def test_the_duality_s_points_are_the_runs() -> None:
    rate = np.array([3.0, 6.0, 9.0])
    gain, slope = -90 / rate, 90 / rate**2
    runs = {"rate": rate, "gain": gain, "multiplier": slope}
    secants = [
        {"rates": [3, 6], "slope": 5.0, "error": 0.5},
        {"rates": [6, 9], "slope": 1.7, "error": 0},
    ]
    figure = duality(runs, secants)
    for axes in figure.axes:
        (points,) = [line for line in axes.lines if line.get_marker() == "o"]
        np.testing.assert_array_equal(points.get_xdata(), rate)
    flat = [
        line.get_ydata().tolist() for line in figure.axes[1].lines if len(line.get_xdata()) == 2
    ]
    assert [5.0, 5.0] in flat
    assert [1.7, 1.7] in flat


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match="rate"):
        rate_distortion({"a": ([1.0, 2.0], [1.0], [1.0, 2.0])})
    with pytest.raises(InputError, match="rate"):
        term_curves({"a": {"images": [1, 2], "distortion": [1, 2], "rate": [1]}})
    short = {"rate": [1, 2], "gain": [1, 2]}
    with pytest.raises(InputError, match="multiplier"):
        duality({**short, "multiplier": [1]}, [])
