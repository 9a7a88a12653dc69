"""Resizing whole arrays, against Pillow, which resizes one picture a call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from betavae.data.readers.pictures import Crop, fit
from betavae.data.resize import fit_pixels, weights


def one_by_one(images: np.ndarray, size: int, crop: Crop) -> np.ndarray:
    planes = images.reshape(-1, *images.shape[2:])
    fitted = [np.asarray(fit(Image.fromarray(plane), size, crop)) for plane in planes]
    return np.stack(fitted).reshape(*images.shape[:2], size, size)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_plane_is_what_pillow_makes_of_it(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(2, 140)), data.draw(st.integers(2, 140))
    size = data.draw(st.sampled_from([32, 64, 128]))
    crop = data.draw(st.sampled_from([None, "whole", 1 + min(height, width) // 2]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    images = rng.integers(0, 256, (3, data.draw(st.sampled_from([1, 3])), height, width), np.uint8)
    images[0] = np.where(images[0] > 127, 255, 0)  # rings beyond both ends of the range
    np.testing.assert_array_equal(fit_pixels(images, size, crop), one_by_one(images, size, crop))


@pytest.mark.parametrize(("side", "size"), [(400, 64), (96, 64), (64, 32), (128, 64), (32, 128)])
def test_the_sizes_that_sets_have(side: int, size: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 1, side, side), np.uint8)
    np.testing.assert_array_equal(fit_pixels(images, size), one_by_one(images, size, None))


def test_weights_of_every_pixel_sum_to_one() -> None:
    for side, size in ((96, 64), (64, 32), (28, 32)):
        np.testing.assert_allclose(weights(side, size).sum(axis=0), 1, rtol=0, atol=1e-5)
