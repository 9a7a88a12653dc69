from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.animation import save_gif, traversal_frames
from betavae.figures.pictures import step_centres, traversal_sheet

VALUES = np.linspace(-3, 3, 5)


def blocks(latents: int = 4, channels: int = 1) -> np.ndarray:
    """Latent k is drawn in its own level: 0.2, 0.4, ..."""
    images = np.empty((latents, 2, 5, channels, 16, 16), np.float32)
    images[:] = (np.arange(latents) + 1).reshape(-1, 1, 1, 1, 1, 1) / (latents + 1)
    return images


def test_blocks_stand_in_the_order_of_their_rates_with_rate_and_range() -> None:
    figure = figures.traversal(blocks(), VALUES, list("abcd"), rates=[0.0, 2.0, 3.25, 1.0])
    assert len(figure.axes) == 4
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts == [
        ["c", "3.25\nnats"],
        ["b", "2.00\nnats"],
        ["d", "1.00\nnats"],
        ["a", "0.00\nnats"],
    ]
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == ["−3", "0", "+3"]
    level = figure.axes[0].images[0].get_array()[0, 0]
    assert level.tolist() == [153, 153, 153, 255]


def test_without_rates_the_order_given_is_kept() -> None:
    figure = figures.traversal(blocks(), VALUES, list("abcd"))
    assert [axes.texts[0].get_text() for axes in figure.axes] == list("abcd")


def test_ticks_stand_under_the_steps_they_name() -> None:
    images = np.zeros((2, 5, 1, 64, 64), np.float32)
    images[:, [0, 2, 4]] = 1
    inputs = np.zeros((2, 1, 64, 64), np.float32)
    sheet = traversal_sheet(images, inputs)
    centre, *steps = step_centres(64, 5, inputs=True)
    columns = [round(place * sheet.shape[1]) for place in (centre, *steps)]
    assert [int(sheet[10, column, 0]) for column in columns] == [0, 255, 0, 255, 0, 255]
    assert columns[0] == 32
    assert sheet.shape[1] - columns[-1] == 32


def test_reconstructions_stand_right_of_their_inputs() -> None:
    inputs, outputs = np.zeros((7, 3, 8, 8)), np.ones((7, 3, 8, 8))
    figure = figures.reconstructions(inputs, outputs)
    assert len(figure.axes) == 7
    sheet = figure.axes[3].images[0].get_array()
    assert sheet[0, 0].tolist() == [0, 0, 0, 255]
    assert sheet[0, -1].tolist() == [255, 255, 255, 255]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figures_are_saved_whole_and_the_same_every_time(tmp_path: Path, suffix: str) -> None:
    figure = figures.traversal(blocks(), VALUES, list("abcd"))
    first = figures.save(figure, tmp_path / "new" / f"a{suffix}").read_bytes()
    again = figures.traversal(blocks(), VALUES, list("abcd"))
    assert figures.save(again, tmp_path / f"b{suffix}").read_bytes() == first
    assert len(first) > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"b{suffix}", "new"]
    if suffix == ".png":
        picture = Image.open(io.BytesIO(first))
        assert picture.width == round(6.75 * 300)
        assert picture.getpixel((0, 0))[:3] == (255, 255, 255)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    figure = figures.rate_per_latent([1.0])
    with pytest.raises(InputError, match="saved as png, svg, pdf, got 'jpg'"):
        figures.save(figure, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        figures.save(figures.rate_per_latent([1.0]), tmp_path / "file" / "a.png")


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_the_animation_goes_there_and_back_for_ever(
    tmp_path: Path, channels: int, mode: str
) -> None:
    images = blocks(12, channels)
    images *= np.linspace(0.5, 1, 5, dtype=np.float32).reshape(1, 1, 5, 1, 1, 1)
    names = [f"z{k}" for k in range(12)]
    frames = traversal_frames(images, VALUES, names, rates=np.arange(12.0), inputs=images[0, :, 0])
    assert [frame.mode for frame in frames] == [mode] * 5
    assert len({frame.size for frame in frames}) == 1
    path = save_gif(frames, tmp_path / "a.gif")
    with Image.open(path) as loop:
        assert loop.n_frames == 8
        assert loop.info["loop"] == 0
        seen = []
        for number in range(8):
            loop.seek(number)
            seen.append(np.asarray(loop.convert("RGB"), int))
    for there, back in ((1, 7), (2, 6), (3, 5)):
        assert np.abs(seen[there] - seen[back]).max() == 0
    for number, frame in enumerate(frames):
        drawn = np.asarray(frame.convert("RGB"), int)
        assert np.abs(seen[number] - drawn).mean() < 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_one_frame_is_no_animation(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2 frames, got 1"):
        save_gif([Image.new("L", (4, 4))], tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": VALUES[:4]}, "images show 5 values, but values has 4"),
        ({"labels": ["a"]}, "images and labels must have the same length, got 4 and 1"),
        ({"rates": [1.0]}, "images and rates must have the same length, got 4 and 1"),
        ({"images": np.zeros((4, 2, 5, 2, 16, 16))}, "images must have shape"),
        ({"inputs": np.zeros((3, 1, 16, 16))}, "inputs must have shape (2, 1, 16, 16)"),
    ],
)
@pytest.mark.parametrize("draw", [figures.traversal, traversal_frames])
def test_what_does_not_fit_ends_in_one_line(draw, change: dict, message: str) -> None:  # type: ignore[no-untyped-def,type-arg]
    given = {"images": blocks(), "values": VALUES, "labels": list("abcd"), **change}
    with pytest.raises(InputError) as error:
        draw(given.pop("images"), given.pop("values"), given.pop("labels"), **given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_reconstructions_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="must have the same shape"):
        figures.reconstructions(np.zeros((2, 1, 8, 8)), np.zeros((3, 1, 8, 8)))
