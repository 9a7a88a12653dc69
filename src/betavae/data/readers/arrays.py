"""Arrays of images in every usual layout and dtype, checked and turned into an ImageStore."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import stream_on_all_cores
from betavae.data.cache import let_go
from betavae.data.images import ImageStore

SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3"
CHANNELS = (1, 3, 4)
DIM = 32  # whole numbers below this would all be black
PIECE = 1 << 23  # pixel values taken in at a time: bounds the float copies
AHEAD = 4  # pieces read ahead of the threads that convert them


def axes_of(shape: tuple[int, ...], count: int | None = None) -> tuple[int, int | None, int, int]:
    """Return which axes of an array are images, channels (None for none), height and width.

    Images come first, or last as MATLAB has them, which is what (64, 64, 500) is taken for: that
    there are as many images as each has lines is less likely. Channels come last or first; the last
    axis wins where both could be channels: (N, 3, 3, 3) is read as (N, H, W, C).

    Args:
        shape: of the array.
        count: how many images there are, where labels tell.

    Raises:
        InputError: when the shape is no set of images.

    >>> axes_of((5, 64, 64, 3)), axes_of((5, 1, 64, 64)), axes_of((28, 28, 6000))
    ((0, 3, 1, 2), (0, 1, 2, 3), (2, None, 0, 1))
    """
    if len(shape) == 3:
        first, second, last = shape
        if second == last or first != second or count == first:
            return 0, None, 1, 2
        if last in CHANNELS and count is None:
            raise InputError(f"{shape} is one picture, expected a set of images {SHAPES}")
        return 2, None, 0, 1
    if len(shape) == 4:
        if shape[3] in (1, 3):
            return 0, 3, 1, 2
        if shape[1] in (1, 3):
            return 0, 1, 2, 3
        if shape[3] == 4 and shape[1] != 4:
            return 0, 3, 1, 2
        if shape[2] in (1, 3) and shape[0] == shape[1]:
            return 3, 2, 0, 1
        if shape[0] in (1, 3) and shape[1] == shape[2]:
            return 3, 0, 1, 2
    raise InputError(f"images must have shape {SHAPES}, got {shape}")


def arranged(values: NDArray[Any], count: int | None = None) -> NDArray[Any]:
    """View images of any accepted layout as (N, C, H, W), without a copy."""
    images, channels, height, width = axes_of(values.shape, count)
    if channels is None:
        flat: NDArray[Any] = values.transpose(images, height, width)
        return flat[:, None]
    view: NDArray[Any] = values.transpose(images, channels, height, width)
    return view


def check_dtype(dtype: np.dtype[Any], what: str) -> None:
    """Raise InputError unless `dtype` is boolean, integer or real floating."""
    if dtype.hasobject:
        raise InputError(f"{what} holds pickled Python objects, which are refused; save numbers")
    if dtype.kind not in "biuf":
        raise InputError(f"{what} must be uint8, bool or float in [0, 1], got dtype {dtype}")


def white_of(top: int, dtype: np.dtype[Any]) -> int:
    """Return the whole number that is white in a set whose largest one is `top`.

    255 as a rule; `top` itself below 32, or masks of 0..3 would be black; and in 16 bits the
    largest number of as many bits as are used, 4095 for a scan of 12 bits.

    >>> [white_of(top, np.dtype("u2")) for top in (1, 3, 200, 4000)]
    [1, 3, 255, 4095]
    """
    if dtype.kind == "b":
        return 1
    if 0 < top < DIM:
        return top
    return int(2 ** int(top).bit_length() - 1) if top > 255 and dtype.itemsize == 2 else 255


def to_bytes(
    values: NDArray[Any], what: str, first: int = 0, white: int = 255
) -> NDArray[np.uint8]:
    """Return pixel values as uint8: floats in [0, 1] times 255, whole numbers 0..white to 0..255.

    Args:
        values: (n, ...) images.
        what: what messages call them.
        first: the number of the first of these images, for messages.
        white: see `white_of`.

    Raises:
        InputError: for NaN, infinite or negative values, or values that are too large.

    >>> to_bytes(np.array([[0.0, 0.5, 1.0]]), "images"), to_bytes(np.array([[0, 3]]), "", 0, 3)
    (array([[  0, 128, 255]], dtype=uint8), array([[  0, 255]], dtype=uint8))
    """
    if values.dtype.kind == "b":
        white_or_black: NDArray[np.uint8] = np.multiply(values, 255, dtype=np.uint8)
        return white_or_black
    if values.dtype == np.uint8 and white == 255:
        return values
    low, high = values.min(initial=0), values.max(initial=0)
    if values.dtype.kind in "iu":
        if low < 0 or high > white:
            bad = low if low < 0 else high
            raise InputError(
                f"{what} of dtype {values.dtype} must hold 0..{white}, got {bad} "
                f"in image {first + _position(values, bad)}"
            )
        if white == 255:
            return values.astype(np.uint8)
        table = (np.arange(white + 1, dtype=np.int64) * 255 + white // 2) // white
        stretched: NDArray[np.uint8] = table.astype(np.uint8)[values]
        return stretched
    if not (np.isfinite(low) and np.isfinite(high)):
        image = first + int(np.argmin(np.isfinite(values).all(axis=tuple(range(1, values.ndim)))))
        raise InputError(f"{what} must be finite, got NaN or infinite pixels in image {image}")
    # Resampling leaves values a rounding error outside; more than that is another scale.
    if low < -1e-6 or high > 1 + 1e-6:
        bad = low if low < -1e-6 else high
        scale = "; divide by 255" if low >= 0 and 2 < high <= 255 else ""
        if -1 - 1e-6 <= low < 0 and high <= 1 + 1e-6:
            scale = "; of [-1, 1], add 1 and divide by 2"
        raise InputError(
            f"{what} of dtype {values.dtype} must lie in [0, 1], got {bad:g} "
            f"in image {first + _position(values, bad)}{scale}"
        )
    scaled = np.multiply(values, 255, dtype=np.float32)
    whole: NDArray[np.uint8] = np.rint(scaled, out=scaled).clip(0, 255).astype(np.uint8)
    return whole


def _position(values: NDArray[Any], value: Any) -> int:
    return int(np.argmax((values == value).any(axis=tuple(range(1, values.ndim)))))


@dataclass(frozen=True)
class Source:
    """Images that come piece by piece, so that a set larger than memory can be taken in.

    Attributes:
        what: what messages call it.
        shape: of the whole, in the source's own layout, images first.
        dtype: of its values.
        pieces: yields consecutive (n, ...) pieces along the first axis; can be called again.
    """

    what: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Callable[[int], Iterator[NDArray[Any]]]

    @classmethod
    def from_array(
        cls, values: NDArray[Any], what: str = "images", count: int | None = None
    ) -> Source:
        """Read an array, or a memory map, in pieces; images that come last are put first."""
        try:
            if axes_of(values.shape, count)[0] != 0:
                values = arranged(values, count)
        except InputError as error:
            raise InputError(f"{what}: {error}") from None

        def pieces(rows: int) -> Iterator[NDArray[Any]]:
            return (values[start : start + rows] for start in range(0, len(values), rows))

        return cls(what, values.shape, values.dtype, pieces)

    def check(self) -> tuple[int, int, int]:
        """Return (C, H, W), or raise InputError when this cannot be a set of images."""
        check_dtype(self.dtype, self.what)
        try:
            _, axis, height, width = axes_of(self.shape, self.shape[0] if self.shape else None)
        except InputError as error:
            raise InputError(f"{self.what}: {error}") from None
        if 0 in self.shape:
            raise InputError(f"{self.what} must hold at least one image, got shape {self.shape}")
        channels = 1 if axis is None else self.shape[axis]
        if channels == 4 and self.dtype != np.uint8:
            raise InputError(f"{self.what} with transparency must be uint8, got {self.dtype}")
        return 3 if channels == 4 else channels, self.shape[height], self.shape[width]

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the first image's number and (n, ...) values, as they are."""
        rows = max(1, PIECE // max(1, math.prod(self.shape[1:])))
        first = 0
        for piece in self.pieces(rows):
            yield first, piece
            first += len(piece)

    def images(self, white: int = 255) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the first image's number and (n, C, H, W) bytes, checked."""
        for first, piece in self.blocks():
            images = arranged(to_bytes(piece, self.what, first, white), len(piece))
            yield first, _on_white(images) if images.shape[1] == 4 else images


def _on_white(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay (n, 4, H, W) colours with their opacity on white."""
    alpha = images[:, 3:].astype(np.uint32)
    shown = images[:, :3] * alpha + 255 * (255 - alpha)
    return ((shown + 127) // 255).astype(np.uint8)


@dataclass(frozen=True)
class Survey:
    """What the pixels of a set are like.

    Attributes:
        constant: whether every pixel of the set has the same value.
        binary: whether pixels are black or white only.
        white: the whole number that is white; see `white_of`.
        top: the largest value seen.
    """

    constant: bool
    binary: bool
    white: int
    top: int

    def notes(self, what: str) -> tuple[str, ...]:
        """Say when white is not what it is as a rule."""
        if self.white in (1, 255):
            return ()
        return (f"{what}: values 0..{self.top} are stretched, {self.white} is white",)


def survey(source: Source) -> Survey:
    """Look at a source, only as far as it takes to know: one piece of most grey sets."""
    whole = source.dtype.kind in "iu"
    low, high, ones, ends = 1 << 62, 0, True, True
    for first, block in source.blocks():
        values = block if whole else to_bytes(block, source.what, first)
        if len(values) == 0:
            continue
        least = int(values.min())
        if least < 0:
            to_bytes(block, source.what, first)  # says where
        low, high = min(low, least), max(high, int(values.max()))
        ones = ones and high <= 1
        ends = ends and high in (0, 255) and bool(((values == 0) | (values == 255)).all())
        known = not whole or source.dtype.itemsize != 2 or source.dtype.kind != "u"
        if not (ones or ends or low == high) and (known and high >= DIM):
            break
    white = white_of(high, source.dtype) if whole else 255
    return Survey(low == high, (ones and whole) or ends, white, high)


def fill(
    source: Source,
    out: NDArray[np.uint8],
    make: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda images: images,
    white: int = 255,
) -> None:
    """Write ``make(images)`` of every piece of a source into its rows of `out`.

    The next piece is read and unpacked while threads convert and write those before; a progress
    bar shows when it takes a while.

    Args:
        source: N images.
        out: (N, ...), gets them.
        make: turns (n, C, H, W) bytes into (n, ...), what `out` holds.
        white: the whole number that is white; see `white_of`.
    """

    def one(piece: tuple[int, NDArray[np.uint8]]) -> int:
        first, images = piece
        out[first : first + len(images)] = make(images)
        let_go(out)
        return len(images)

    if math.prod(source.shape) <= PIECE:  # one piece: a thread would only be started for it
        for piece in source.images(white):
            one(piece)
        return
    stream_on_all_cores(source.images(white), one, source.shape[0], "reading images", backlog=AHEAD)


def packed_bits(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack (n, C, H, W) images of 0 and anything else into (n, C*H*W/8) bytes."""
    return np.packbits(images.reshape(len(images), -1), axis=1)


def to_store(values: NDArray[Any], what: str = "images") -> ImageStore:
    """Turn an array of images of any height and width into an ImageStore.

    Binary images (all values 0 or 1, or 0 or 255) are packed to a bit a pixel; grey and colour
    become uint8, floats rounded to the nearest 1/255. A uint8 array is kept as it is, not copied.

    Args:
        values: (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3, or with the images last;
            bool, whole numbers in 0..255 (0..65535 of dtype uint16) or floats in [0, 1]. Where
            both the second and the last axis could be channels, the last is.
        what: what messages call it.

    Raises:
        InputError: for another shape or dtype, for NaN, infinite, negative or too large values.

    >>> store = to_store(np.linspace(0, 1, 2 * 32 * 32).reshape(2, 32, 32))
    >>> store.image_shape, store.packed
    ((1, 32, 32), False)
    """
    source = Source.from_array(values, what)
    shape = source.check()
    found, count, pixels = survey(source), source.shape[0], math.prod(shape)
    if found.binary and pixels % 8 == 0:
        packed = np.empty((count, pixels // 8), np.uint8)
        fill(source, packed, packed_bits, found.white)
        return ImageStore(packed, shape, packed=True)
    if values.dtype == np.uint8 and found.white == 255 and 4 not in values.shape[1:]:
        return ImageStore(arranged(values), shape, packed=False)
    data = np.empty((count, *shape), np.uint8)
    fill(source, data, white=found.white)
    return ImageStore(data, shape, packed=False)
