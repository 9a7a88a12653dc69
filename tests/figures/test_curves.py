from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.rates import apart

T = np.arange(1, 21) * 1000
FALLING, RISING = 1000.0 / np.arange(1, 21), np.linspace(0, 9, 20)


def curves(**more: object):  # type: ignore[no-untyped-def]
    return figures.training_curves(T, distortion=FALLING, rate=RISING, loss=FALLING + 1, **more)


def test_curves_show_the_values_given() -> None:
    axes = curves().axes
    assert [panel.get_title(loc="left") for panel in axes] == ["Distortion", "Rate", "Loss"]
    for panel, values in zip(axes, (FALLING, RISING, FALLING + 1), strict=True):
        line = panel.lines[0]
        assert np.array_equal(line.get_xdata(), T)
        assert np.array_equal(line.get_ydata(), values)


def test_beta_has_a_panel_only_when_it_moves() -> None:
    assert len(curves(beta=np.full(20, 4.0)).axes) == 3
    axes = curves(beta=np.linspace(0, 4, 20)).axes
    assert [panel.get_title(loc="left") for panel in axes][-1] == "β"


def test_a_falling_distortion_is_logarithmic_and_one_below_zero_is_not() -> None:
    assert curves().axes[0].get_yscale() == "log"
    negative = figures.training_curves(T, distortion=FALLING - 500, rate=RISING, loss=FALLING)
    assert negative.axes[0].get_yscale() == "linear"
    low, high = negative.axes[0].get_ylim()
    assert low < -450
    assert high > 500


def test_bars_stand_in_the_order_of_their_rates() -> None:
    rates = np.array([0.01, 2.5, 0.0, 3.0])
    axes = figures.rate_per_latent(rates, threshold=0.1).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [3.0, 2.5, 0.01, 0.0]
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names == ["$z_{3}$", "$z_{1}$", "$z_{0}$", "$z_{2}$"]
    active, idle = axes.patches[1].get_facecolor(), axes.patches[2].get_facecolor()
    assert active[:3] == to_rgb(figures.LIGHT.accent)
    assert idle[:3] == to_rgb(figures.LIGHT.muted)


def test_every_latent_has_a_line_through_training_and_active_ones_a_name() -> None:
    rates = np.linspace(0, 1, 20)[:, None] * np.array([0.05, 3.0, 2.0])
    axes = figures.rate_through_training(T, rates, threshold=0.1).axes[0]
    assert len(axes.lines) == 3
    assert {text.get_text() for text in axes.texts} == {"$z_{0}$", "$z_{1}$", "$z_{2}$"}
    many = np.linspace(0, 1, 20)[:, None] * np.linspace(1, 3, 40)
    shown = [text.get_text() for text in figures.rate_through_training(T, many).axes[0].texts]
    assert len(shown) == 10
    assert "31 more" in shown


def test_names_keep_apart_and_inside() -> None:
    places = apart([0.0, 0.0, 0.1, 5.0, 9.99, 10.0], pitch=0.5, top=10.0)
    assert np.diff(places).min() >= 0.5 - 1e-9
    assert places[0] >= 0
    assert places[-1] <= 10.0


def luminance(colour: str) -> float:
    return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(("theme", "sign"), [(figures.LIGHT, 1), (figures.DARK, -1)])
def test_ranks_can_be_told_apart_in_grey_and_from_the_paper(
    theme: figures.Theme, sign: int
) -> None:
    greys = np.array([luminance(shade) for shade in theme.shades(6)])
    assert (sign * np.diff(greys) > 0.02).all()
    assert np.abs(greys - luminance(theme.paper)).min() > 0.3


@pytest.mark.slow
def test_drawing_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.to_bytes(curves(), "svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curves(beta=[1.0, 2.0]), "images and β must have the same length, got 20 and 2"),
        (lambda: figures.rate_per_latent([1.0, -0.5]), "rates must be >= 0, got -0.5"),
        (lambda: figures.rate_per_latent([]), "rates must have 1 dimension"),
        (lambda: figures.rate_per_latent([np.nan]), "rates must be finite, got nan"),
        (lambda: figures.rate_through_training(T, np.ones((3, 2))), "must have the same length"),
    ],
)
def test_bad_input_ends_in_one_line(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_spike_at_the_start_or_later_does_not_flatten_the_rest() -> None:
    seen = np.arange(1, 401)
    line = np.full(400, 5.0)
    line[:5], line[200] = 900.0, 700.0
    axes = figures.training_curves(seen, distortion=line, rate=line, loss=line).axes
    assert all(panel.get_ylim()[1] < 10 for panel in axes)
    rates = figures.rate_through_training(seen, line[:, None]).axes[0]
    assert rates.get_ylim()[1] > 700  # the spike is real, and after the start


def test_lines_of_latents_differ_in_dash_too_and_carry_given_names() -> None:
    rates = np.tile([3.0, 2.0, 1.0], (20, 1))
    axes = figures.rate_through_training(T, rates, labels=["a", "b\nsize", "c"]).axes[0]
    assert len({line.get_linestyle() for line in axes.lines}) == 3
    assert [text.get_text() for text in axes.texts] == ["c", "b  size", "a"]
    bars = figures.rate_per_latent(rates[0], labels=["a", "b\nsize", "c"]).axes[0]
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["a", "b\nsize", "c"]


def test_text_in_svg_stays_text() -> None:
    svg = figures.to_bytes(curves(), "svg").decode()
    assert ">Distortion</text>" in svg
    assert "DejaVu Sans" in svg


def test_drawings_share_a_page_under_their_names() -> None:
    sizes = {"one": (3.0, 2.0), "two": (4.0, 3.0)}
    page = figures.one_above_another(
        {name: lambda s=size: figures.rate_per_latent([2.0, 1.0], size=s)
         for name, size in sizes.items()}
    )  # fmt: skip
    wide, high = page.get_size_inches()
    assert wide == 4.0
    assert 5.0 < high < 6.0
    svg = figures.to_bytes(page, "svg").decode()
    assert ">one</text>" in svg
    assert ">two</text>" in svg
    with pytest.raises(InputError, match="at least one drawing"):
        figures.one_above_another({})
