"""The 2D shapes in colour, in noise and before a texture, made as they are drawn.

What varies besides the shapes' five factors is a function of the row and a seed, so an image is
always the same; published code draws it anew each time. Values are rounded to 1/255.

Source: Locatello et al. 2019a, Section 5.1 and Appendix H; disentanglement_lib's ``dsprites.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data import shapes2d
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.data.made import MadeImages, draws, fractions
from betavae.data.readers.files import check_plain

SIDE = shapes2d.SIDE
TEXTURE = (274, 350)  # height and width that a picture is shrunk into, as in disentanglement_lib
PREFIX = "shapes2d-textured:"


@dataclass(frozen=True)
class Shapes:
    """Makes one of the variants from the stored shapes.

    Attributes:
        store: the packed 2D shapes.
        paint: (shapes (n, 64, 64) bool, rows, seed) -> uint8 (n, 3, 64, 64).
        seed: of what varies besides the factors.
    """

    store: ImageStore
    paint: Callable[[NDArray[np.bool_], NDArray[np.int64], int], NDArray[np.uint8]]
    seed: int

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of rows (n,), (n, 3, 64, 64)."""
        shapes = np.unpackbits(self.store.stored(rows), axis=1).reshape(-1, SIDE, SIDE)
        return self.paint(shapes.astype(bool), rows, self.seed)


def coloured(
    shapes: NDArray[np.bool_], rows: NDArray[np.int64], seed: int = 0
) -> NDArray[np.uint8]:
    """Give each shape a colour of its own: red, green and blue uniform in [0.5, 1].

    >>> bool(coloured(np.ones((1, 64, 64), bool), np.array([3])).min() >= 127)
    True
    """
    colours = np.rint(255 * (0.5 + 0.5 * fractions(rows, 3, seed))).astype(np.uint8)
    painted: NDArray[np.uint8] = colours[:, :, None, None] * shapes[:, None]
    return painted


def noisy(shapes: NDArray[np.bool_], rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint8]:
    """Put a white shape before noise, uniform and independent in every pixel and channel."""
    numbers = draws(rows, 3 * SIDE * SIDE // 8, seed).astype("<u8")
    noise = numbers.view(np.uint8).reshape(-1, 3, SIDE, SIDE)
    painted: NDArray[np.uint8] = np.maximum(noise, shapes[:, None].astype(np.uint8) * np.uint8(255))
    return painted


@dataclass(frozen=True)
class Textured:
    """Puts each shape before a patch of a picture, tinted at random, with its pixels inverted.

    Attributes:
        picture: (3, H, W) uint8, both sides 64 or more.
    """

    picture: NDArray[np.uint8]

    def __call__(
        self, shapes: NDArray[np.bool_], rows: NDArray[np.int64], seed: int = 0
    ) -> NDArray[np.uint8]:
        """Return uint8 images, (n, 3, 64, 64)."""
        windows = sliding_window_view(self.picture, (SIDE, SIDE), axis=(1, 2))
        chosen = fractions(rows, 5, seed)
        top, left = (chosen[:, k] * windows.shape[1 + k] for k in range(2))
        patches = windows[:, top.astype(np.int64), left.astype(np.int64)].swapaxes(0, 1)
        tint = np.rint(255 * chosen[:, 2:]).astype(np.uint16)[:, :, None, None]
        painted = ((patches + tint) // 2).astype(np.uint8)
        image: NDArray[np.uint8] = np.where(shapes[:, None], np.uint8(255) - painted, painted)
        return image


def generated_texture() -> NDArray[np.uint8]:
    """Return the picture used where none is given: bands of colour that flow, (3, 274, 350).

    >>> generated_texture().shape
    (3, 274, 350)
    """
    y, x = np.mgrid[: TEXTURE[0], : TEXTURE[1]] / 64.0
    bend = np.sin(1.3 * x + 0.8 * np.sin(1.1 * y)) + 0.6 * np.sin(2.1 * y - 0.7 * x)
    flow = 2.2 * y + 1.4 * bend + 0.35 * np.sin(6.0 * x + 3.0 * bend)
    waves = [
        0.5 + 0.35 * np.sin(flow * rate + phase) for rate, phase in ((2, 0), (2.6, 1.7), (3.1, 4))
    ]
    grain = 0.15 * np.sin(17 * (x + 0.4 * bend)) * np.sin(13 * flow)
    picture: NDArray[np.uint8] = np.rint(255 * np.clip(np.stack(waves) + grain, 0, 1)).astype(
        np.uint8
    )
    return picture


def read_texture(path: Path) -> NDArray[np.uint8]:
    """Read a picture, shrunk into 274 x 350 pixels, (3, H, W).

    Raises:
        InputError: when it cannot be read, or is less than 64 pixels high or wide then.
    """
    from PIL import Image

    check_plain(path)
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot read the texture {path}: {error}") from None
    picture.thumbnail((TEXTURE[1], TEXTURE[0]))
    if min(picture.size) < SIDE:
        raise InputError(
            f"a texture must be at least {SIDE} pixels high and wide within "
            f"{TEXTURE[1]} x {TEXTURE[0]}, got {picture.size[0]} x {picture.size[1]} of {path}"
        )
    return np.ascontiguousarray(np.moveaxis(np.asarray(picture), 2, 0))


def dataset(name: str, *, seed: int = 0) -> Dataset:
    """Return one of the variants with the grid of the 2D shapes.

    Args:
        name: ``shapes2d-color``, ``shapes2d-noisy``, ``shapes2d-textured``, or
            ``shapes2d-textured:PICTURE`` with the path of a picture.
        seed: of what varies besides the factors.

    Raises:
        InputError: for a picture that cannot be used.
    """
    if name == "shapes2d-color":
        paint: Callable[..., NDArray[np.uint8]] = coloured
    elif name == "shapes2d-noisy":
        paint = noisy
    else:
        path = name.removeprefix(PREFIX)
        paint = Textured(generated_texture() if path == name else read_texture(Path(path)))
    made = Shapes(shapes2d.load(), paint, seed)
    images = MadeImages(len(shapes2d.FACTORS), (3, SIDE, SIDE), made)
    named = {"shape": shapes2d.SHAPES}
    return Dataset(name, images, shapes2d.FACTORS, None, shapes2d.FACTORS.names, named)
