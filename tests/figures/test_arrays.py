from __future__ import annotations

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.figures.arrays import by_rate, mosaic, pictures, shrunk


def test_a_mosaic_holds_every_image_at_its_place_and_gaps_between() -> None:
    images = np.random.default_rng(0).random((2, 3, 1, 4, 5)).astype(np.float32)
    sheet = mosaic(images, gap=2)
    assert sheet.shape == (2 * 4 + 2, 3 * 5 + 4, 4)
    for row in range(2):
        for column in range(3):
            tile = sheet[row * 6 : row * 6 + 4, column * 7 : column * 7 + 5]
            grey = np.rint(images[row, column, 0] * 255)
            assert (tile[..., :3] == grey[..., None]).all()
            assert (tile[..., 3] == 255).all()
    assert (sheet[4:6, :, 3] == 0).all()
    assert (sheet[:, 5:7, 3] == 0).all()


def test_a_mosaic_keeps_colours_and_uneven_gaps() -> None:
    images = np.zeros((1, 2, 3, 2, 2), np.float32)
    images[0, 1, 0] = 1
    sheet = mosaic(images, gap=1, gaps=[9, 3], fill="#00ff00")
    assert sheet.shape == (2, 7, 4)
    assert sheet[0, 3].tolist() == [0, 255, 0, 255]
    assert sheet[0, 6].tolist() == [255, 0, 0, 255]


def test_rates_order_latents_from_the_largest() -> None:
    assert by_rate([0.2, 5.0, 0.2, 1.0]).tolist() == [1, 3, 0, 2]


def test_large_images_are_averaged_down() -> None:
    images = np.random.default_rng(0).random((3, 1, 128, 128)).astype(np.float32)
    small = shrunk(images)
    assert small.shape == (3, 1, 64, 64)
    assert small[1, 0, 2, 3] == pytest.approx(images[1, 0, 4:6, 6:8].mean(), rel=1e-5)
    assert shrunk(small) is small


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 2, 8, 8)), "images must have shape (..., 1 or 3, height, width)"),
        (np.zeros((8, 8)), "images must have 4 dimensions"),
        (np.zeros((0, 1, 8, 8)), "none of them empty"),
        (np.full((1, 1, 8, 8), np.nan), "images must be finite, got nan"),
        ("text", "images must be an array of numbers"),
    ],
)
def test_bad_images_end_in_one_line(images: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        pictures("images", images, 4)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
