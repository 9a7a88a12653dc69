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
PIECE = 1 << 23  # pixel values taken in at a time: bounds the float copies
AHEAD = 4  # pieces read ahead of the threads that convert them


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Return the axis of (N, ...) image arrays that holds channels, None for (N, H, W).

    The last axis wins where both could be: (N, 3, 3, 3) is read as (N, H, W, C).

    Raises:
        InputError: when the shape is no set of images.

    >>> channel_axis((5, 64, 64, 3)), channel_axis((5, 1, 64, 64)), channel_axis((5, 64, 64))
    (3, 1, None)
    """
    if len(shape) == 3:
        return None
    if len(shape) == 4:
        if shape[3] in (1, 3):
            return 3
        if shape[1] in (1, 3):
            return 1
    raise InputError(f"images must have shape {SHAPES}, got {shape}")


def arranged(values: NDArray[Any]) -> NDArray[Any]:
    """View images of any accepted layout as (N, C, H, W), without a copy."""
    axis = channel_axis(values.shape)
    return values[:, None] if axis is None else np.moveaxis(values, axis, 1)


SMALLEST, LARGEST = 8, 256  # side of an image in pixels


def check_size(size: int | None) -> None:
    """Refuse a size to which images cannot be resized.

    Raises:
        InputError: when it is given and out of range.
    """
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise InputError(f"size must be in {SMALLEST}..{LARGEST}, got {size}")


def check_side(height: int, width: int, size: int | None, what: str) -> None:
    """Refuse images of sides that no network takes, unless they are resized to `size`.

    Raises:
        InputError: for sides or a size out of range.
    """
    check_size(size)
    if size is None and not (min(height, width) >= SMALLEST and max(height, width) <= LARGEST):
        raise InputError(
            f"{what} must have sides of {SMALLEST} to {LARGEST} pixels, got {height}x{width} "
            "(height x width); size 64 (--size 64) crops to the centre square and resizes"
        )


def check_dtype(dtype: np.dtype[Any], what: str) -> None:
    """Raise InputError unless `dtype` is boolean, integer or real floating."""
    if dtype.hasobject:
        raise InputError(f"{what} holds pickled Python objects, which are refused; save numbers")
    if dtype.kind not in "biuf":
        raise InputError(f"{what} must be uint8, bool or float in [0, 1], got dtype {dtype}")


def to_bytes(values: NDArray[Any], what: str, first: int = 0) -> NDArray[np.uint8]:
    """Return pixel values as uint8: floats in [0, 1] times 255, whole numbers as they are.

    Args:
        values: (n, ...) images.
        what: what messages call them.
        first: the number of the first of these images, for messages.

    Raises:
        InputError: for NaN, infinite or negative values, or values that are too large.

    >>> to_bytes(np.array([[0.0, 0.5, 1.0]]), "images")
    array([[  0, 128, 255]], dtype=uint8)
    """
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype == np.uint8:
        return values
    low, high = values.min(initial=0), values.max(initial=0)
    if values.dtype.kind in "iu":
        if low < 0 or high > 255:
            bad = low if low < 0 else high
            raise InputError(
                f"{what} of dtype {values.dtype} must hold 0..255, got {bad} "
                f"in image {first + _position(values, bad)}"
            )
        return values.astype(np.uint8)
    if not (np.isfinite(low) and np.isfinite(high)):
        image = first + int(np.argmin(np.isfinite(values).all(axis=tuple(range(1, values.ndim)))))
        raise InputError(f"{what} must be finite, got NaN or infinite pixels in image {image}")
    # Resampling leaves values a rounding error outside; more than that is another scale.
    if low < -1e-6 or high > 1 + 1e-6:
        bad = low if low < -1e-6 else high
        scale = "; divide by 255" if low >= 0 and 2 < high <= 255 else ""
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
        shape: of the whole, in the source's own layout.
        dtype: of its values.
        pieces: yields consecutive (n, ...) pieces along the first axis; can be called again.
    """

    what: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Callable[[int], Iterator[NDArray[Any]]]

    @classmethod
    def from_array(cls, values: NDArray[Any], what: str = "images") -> Source:
        """Read an array, or a memory map, in pieces."""

        def pieces(rows: int) -> Iterator[NDArray[Any]]:
            return (values[start : start + rows] for start in range(0, len(values), rows))

        return cls(what, values.shape, values.dtype, pieces)

    def check(self) -> tuple[int, int, int]:
        """Return (C, H, W), or raise InputError when this cannot be a set of images."""
        check_dtype(self.dtype, self.what)
        try:
            axis = channel_axis(self.shape)
        except InputError as error:
            raise InputError(f"{self.what}: {error}") from None
        if 0 in self.shape:
            raise InputError(f"{self.what} must hold at least one image, got shape {self.shape}")
        sides = [side for k, side in enumerate(self.shape) if k not in (0, axis)]
        return 1 if axis is None else self.shape[axis], sides[0], sides[1]

    def images(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the first image's number and (n, C, H, W) bytes, checked."""
        rows = max(1, PIECE // int(np.prod(self.shape[1:])))
        first = 0
        for piece in self.pieces(rows):
            yield first, arranged(to_bytes(piece, self.what, first))
            first += len(piece)


@dataclass(frozen=True)
class Survey:
    """What the pixels of a set are like.

    Attributes:
        constant: whether every pixel of the set has the same value.
        top: 1 or 255 when pixels are 0 or that value, None when they take other values.
    """

    constant: bool
    top: int | None


def survey(source: Source) -> Survey:
    """Look at a source, only as far as it takes to know: one piece of most grey sets."""
    low, high, ones, ends = 255, 0, True, True
    for _, images in source.images():
        low, high = min(low, int(images.min())), max(high, int(images.max()))
        ones = ones and high <= 1
        ends = ends and high in (0, 255) and bool(((images == 0) | (images == 255)).all())
        if not (ones or ends or low == high):
            break
    return Survey(low == high, 1 if ones else 255 if ends else None)


def fill(
    source: Source,
    out: NDArray[np.uint8],
    make: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda images: images,
) -> None:
    """Write ``make(images)`` of every piece of a source into its rows of `out`.

    The next piece is read and unpacked while threads convert and write those before; a progress
    bar shows when it takes a while.

    Args:
        source: N images.
        out: (N, ...), gets them.
        make: turns (n, C, H, W) bytes into (n, ...), what `out` holds.
    """

    def one(piece: tuple[int, NDArray[np.uint8]]) -> int:
        first, images = piece
        out[first : first + len(images)] = make(images)
        let_go(out)
        return len(images)

    if math.prod(source.shape) <= PIECE:  # one piece: a thread would only be started for it
        for piece in source.images():
            one(piece)
        return
    stream_on_all_cores(source.images(), one, source.shape[0], "reading images", backlog=AHEAD)


def packed_bits(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack (n, C, H, W) images of 0 and anything else into (n, C*H*W/8) bytes."""
    return np.packbits(images.reshape(len(images), -1), axis=1)


def to_store(values: NDArray[Any], what: str = "images", *, any_size: bool = False) -> ImageStore:
    """Turn an array of images into an ImageStore.

    Binary images (all values 0 or 1, or 0 or 255) are packed to a bit a pixel; grey and colour
    become uint8, floats rounded to the nearest 1/255. A uint8 array is kept as it is, not copied.

    Args:
        values: (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3 and H = W of 32, 64 or 128;
            bool, whole numbers in 0..255 or floats in [0, 1]. Where both the second and the last
            axis could be channels, the last is.
        what: what messages call it.
        any_size: take images of any height and width, for the fully connected networks.

    Raises:
        InputError: for another shape or dtype, for NaN, infinite, negative or too large values.

    >>> store = to_store(np.linspace(0, 1, 2 * 32 * 32).reshape(2, 32, 32))
    >>> store.image_shape, store.packed
    ((1, 32, 32), False)
    """
    source = Source.from_array(values, what)
    shape = source.check()
    if not any_size:
        check_side(shape[1], shape[2], None, what)
    top, pixels = survey(source).top, int(np.prod(shape))
    if top is not None and pixels % 8 == 0:
        packed = np.empty((len(values), pixels // 8), np.uint8)
        fill(source, packed, packed_bits)
        return ImageStore(packed, shape, packed=True)
    if values.dtype == np.uint8 and top != 1:
        return ImageStore(arranged(values), shape, packed=False)
    data = np.empty((len(values), *shape), np.uint8)
    fill(source, data)
    if top == 1:
        np.multiply(data, 255, out=data)
    return ImageStore(data, shape, packed=False)
