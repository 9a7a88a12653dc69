"""The paper's 2D shapes (published as dSprites): 737,280 binary 64x64 images, rendered.

Square, ellipse and heart over 6 scales, 40 orientations and 32x32 positions (Higgins et al.
2017, Section 4.2). The geometry is measured on official frames and reproduces them without
one wrong pixel. Orientation runs over linspace(0, 2 pi, 40) with both ends, so its first and
its last value give the same picture: 18,432 pairs of identical images, kept as published.
"""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import threads
from betavae.data import cache
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore

FACTORS = Factors(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
SHAPES = ("square", "ellipse", "heart")
SIDE = 64

# SHA-256 of each shape's third of the packed set, in grid order.
DIGESTS = (
    "7f9585f857d6f31b929f44080c3762f056865e255b880ea78b01fe3eed775301",
    "2d065379c83d0e94754704390e19bef760c44c2da27ac6c8804726c6a4b90833",
    "87d35828b2eb4c5b6a238f9715cdd158522fb0583c4832b464454e3ff22c3b96",
)

_UNITS = 256  # vertices are rounded to 1/256 of a pixel, as rasterisers do
_SCALES = np.linspace(0.5, 1.0, 6)
_ANGLES = np.linspace(0.0, 2 * np.pi, 40)
_CENTRES = 16 + 32 * np.linspace(0.0, 1.0, 32)
# _PREFIX[k] has the first k pixels of a row set, pixel 0 in the highest bit (packbits' order).
_PREFIX = np.array([((1 << k) - 1) << (SIDE - k) for k in range(SIDE + 1)], dtype=np.uint64)


def _outline(shape: int) -> NDArray[np.float64]:
    """Return a shape's vertices at scale 1 and angle 0, (V, 2) in pixels, y down."""
    if shape == 0:
        return 9.6 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    if shape == 1:
        t = np.arange(64) * (2 * np.pi / 64)
        return np.stack([12.78 * np.cos(t), 7.22 * np.sin(t)], axis=1)
    t = np.arange(150) * (2 * np.pi / 150)
    up = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([9.6 * np.sin(t) ** 3, -(0.6625 * up + 1.44)], axis=1)


_OUTLINES = tuple(_outline(shape) for shape in range(3))


def _turned(
    shape: int, scale: NDArray[np.int64], orientation: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y vertex offsets from the centre, each (n, V); angles turn anticlockwise."""
    x, y = _OUTLINES[shape].T
    size, angle = _SCALES[scale][:, None], _ANGLES[orientation][:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    return size * (cos * x + sin * y), size * (cos * y - sin * x)


def _to_units(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(pixels * _UNITS).astype(np.int64)


def _fill(xs: NDArray[np.int64], ys: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Fill polygons by the even-odd rule into 64-bit rows.

    A row's pixels are the XOR, over the edges crossing the row's centre line, of the pixels
    left of the crossing. A pixel whose centre lies on a left or bottom edge is set, on a right
    or top edge it is not.

    Args:
        xs: (n, P, V) vertex columns in 1/256 px: P positions that share the rows' geometry.
        ys: (n, V) vertex rows in 1/256 px.

    Returns:
        (n, P, 64) rows of 64 pixels.
    """
    n, positions, vertices = xs.shape
    ends = np.roll(ys, -1, axis=1)
    centres = np.arange(SIDE) * _UNITS + _UNITS // 2
    top, bottom = np.minimum(ys, ends), np.maximum(ys, ends)
    crossed = (top[:, None] < centres[:, None]) & (centres[:, None] <= bottom[:, None])
    polygon, row, edge = np.nonzero(crossed)
    following = (edge + 1) % vertices
    start_y = ys[polygon, edge]
    along = (centres[row] - start_y) / (ys[polygon, following] - start_y)
    start_x = xs[polygon, :, edge]
    crossing = start_x + along[:, None] * (xs[polygon, :, following] - start_x)
    # Crossings are ratios of integers below 2**14, at least 1e-7 px apart from any pixel centre
    # they do not hit: 1e-8 decides exact ties and changes nothing else.
    left_of = np.ceil((crossing - _UNITS / 2) / _UNITS - 1e-8)
    masks = _PREFIX[np.clip(left_of, 0, SIDE).astype(np.intp)]
    line = polygon * SIDE + row
    first = np.flatnonzero(np.diff(line, prepend=-1))
    rows = np.zeros((n * SIDE, positions), np.uint64)
    rows[line[first]] = np.bitwise_xor.reduceat(masks, first, axis=0)
    filled: NDArray[np.uint64] = rows.reshape(n, SIDE, positions).transpose(0, 2, 1)
    return filled


def _as_bytes(rows: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Turn (..., 64) rows of 64 pixels into (..., 512) packed bytes."""
    packed = np.ascontiguousarray(rows.astype(">u8")).view(np.uint8)
    return packed.reshape(*rows.shape[:-1], SIDE * SIDE // 8)


def render(factors: object) -> NDArray[np.uint8]:
    """Render 2D shapes bit for bit.

    Args:
        factors: (n, 5) integers: shape (0 square, 1 ellipse, 2 heart), scale 0..5,
            orientation 0..39, posX 0..31, posY 0..31.

    Returns:
        (n, 64, 64) uint8 images in {0, 1}.

    Raises:
        InputError: when the array has another shape, is not integer, or is out of range.

    Source: Higgins et al. 2017, Section 4.2; the data set published as dSprites.

    >>> render([[0, 5, 0, 15, 15]]).shape
    (1, 64, 64)
    """
    classes = FACTORS.check(factors)
    rows = np.zeros((len(classes), SIDE), np.uint64)
    for shape in range(3):
        of_shape = np.flatnonzero(classes[:, 0] == shape)
        for chunk in np.array_split(of_shape, len(of_shape) // 2048 + 1):
            _, scale, orientation, column, line = classes[chunk].T
            x, y = _turned(shape, scale, orientation)
            xs, ys = _to_units(_CENTRES[column, None] + x), _to_units(_CENTRES[line, None] + y)
            rows[chunk] = _fill(xs[:, None], ys)[:, 0]
    return np.unpackbits(_as_bytes(rows), axis=1).reshape(-1, SIDE, SIDE)


def _render_block(shape: int, scale: int, out: NDArray[np.uint8]) -> None:
    """Render one shape at one scale, every orientation and position, into out (40, 32, 32, 512)."""
    orientations = np.arange(40)
    x, y = _turned(shape, np.full(40, scale), orientations)
    xs, ys = _to_units(_CENTRES[:, None] + x[:, None]), _to_units(_CENTRES[:, None] + y[:, None])
    for turn in orientations:
        same_columns = np.broadcast_to(xs[turn], (32, *xs[turn].shape))
        out[turn] = _as_bytes(_fill(same_columns, ys[turn]).transpose(1, 0, 2))


def render_all(out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Render the whole set, bit-packed, in grid order (posY fastest), on every core.

    Args:
        out: (737280, 512) uint8 to write into, for example a memory map; made if None.
    """
    packed = np.empty((len(FACTORS), SIDE * SIDE // 8), np.uint8) if out is None else out
    grid = packed.reshape(*FACTORS.sizes, -1)
    with threads() as (pool, check):
        jobs = [
            pool.submit(_render_block, shape, scale, grid[shape, scale])
            for shape, scale in product(range(3), range(6))
        ]
        for job in jobs:
            job.result()
            check()
    return packed


def digests(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the SHA-256 of each shape's third of the packed set, computed on every core."""
    with threads() as (pool, _):
        hashes = pool.map(lambda part: hashlib.sha256(part).hexdigest(), np.split(packed, 3))
        return tuple(hashes)


def cache_path() -> Path:
    """Return where the packed set is kept (377 MB)."""
    return cache.cache_folder() / f"shapes2d{cache.SUFFIX}"


def load() -> ImageStore:
    """Return all 737,280 images from the cache, rendering them on first use.

    The file is written beside and renamed, checked by digest on every load, and rebuilt when
    damaged.

    Raises:
        InputError: when the cache folder cannot be written (its message names the folder and
            ``BETAVAE_CACHE``, which moves it).
    """
    path = cache_path()
    packed = _read(path)
    if packed is None:
        cache.keep(path, (len(FACTORS), SIDE * SIDE // 8), _render_into)
        packed = _read(path)
        if packed is None:
            raise InputError(
                f"the 2D shapes written to {path} do not have the expected digest: "
                "the disk or memory of this machine changes what is written"
            )
    return ImageStore(packed, (1, SIDE, SIDE), packed=True)


def dataset() -> Dataset:
    """Return the whole set with its grid of factors; see `load`."""
    return Dataset("shapes2d", load(), FACTORS, None, FACTORS.names, {"shape": SHAPES})


def _render_into(out: NDArray[np.uint8]) -> None:
    render_all(out)


def _read(path: Path) -> NDArray[np.uint8] | None:
    """Map the cached set, or return None when it is missing or damaged."""
    stored = cache.find(path)
    if stored is None or stored.images.shape != (len(FACTORS), SIDE * SIDE // 8):
        return None
    packed = stored.images
    return packed if digests(packed) == DIGESTS else None
