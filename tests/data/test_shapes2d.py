"""The 2D shapes against official frames, an independent slow oracle, and a damaged cache."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betavae._system.errors import InputError
from betavae.data import cache, shapes2d
from betavae.data.images import ImageStore
from betavae.data.shapes2d import FACTORS

# SHA-256 of the packed 320 frames of the official set.
OFFICIAL = "3d38f770e7694ba6ba5430c6f6eb71df0a62d538c867bcc5b19aebdb15d2d9e3"


def tour() -> np.ndarray:
    """The factors of the official frames, (320, 5): a walk along one factor at a time.

    From the heart to the square: scale up, down and up, then a whole turn, then (the heart
    only) once round the square of positions, then scale down. Both ends of a leg are shown.
    """
    scale, orientation, x, y = range(1, 5)
    frames = []
    for kind in (2, 1, 0):
        at = [kind, 0, 0, 0, 0]
        legs = [(scale, 5), (scale, 0), (scale, 5), (orientation, 39)]
        if kind == 2:
            legs += [(y, 31), (x, 31), (y, 0), (x, 0)]
        for factor, end in [*legs, (scale, 0)]:
            step = 1 if end > at[factor] else -1
            for value in range(at[factor], end + step, step):
                at[factor] = value
                frames.append(list(at))
    return np.array(frames)


def test_official_frames_bit_for_bit() -> None:
    factors = tour()
    assert factors.shape == (320, 5)
    frames = shapes2d.render(factors)
    assert frames.shape == (320, 64, 64)
    assert frames.dtype == np.uint8
    packed = np.packbits(frames.reshape(320, -1), axis=1).tobytes()
    assert hashlib.sha256(packed).hexdigest() == OFFICIAL


def test_orientation_0_and_39_are_one_picture(rendered: ImageStore) -> None:
    grid = rendered.data.reshape(*FACTORS.sizes, -1)
    assert np.array_equal(grid[:, :, 0], grid[:, :, 39])
    assert grid[:, :, 0].size // 512 == 18_432


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_single_pictures_equal_the_whole_set(rendered: ImageStore, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, len(FACTORS), 300)
    images = rendered[rows].numpy()[:, 0]
    np.testing.assert_array_equal(shapes2d.render(FACTORS.classes(rows)), images)


def test_the_set_is_what_its_description_says(rendered: ImageStore) -> None:
    assert len(rendered) == 737_280
    assert rendered.image_shape == (1, 64, 64)
    assert rendered.nbytes == 377_487_360
    rows = np.arange(0, len(FACTORS), 101)
    on = np.bitwise_count(rendered.data[rows]) if hasattr(np, "bitwise_count") else None
    if on is not None:
        assert on.sum(axis=1).mean() == pytest.approx(174, abs=1)


# The oracle: every vertex again from the formulas, in plain Python, and exact integers only.


def outline(shape: int, scale: int, orientation: int, x: int, y: int) -> list[tuple[int, int]]:
    """Vertices in 1/256 pixel, y down."""
    from math import cos, pi, sin

    if shape == 0:
        points = [(-9.6, -9.6), (9.6, -9.6), (9.6, 9.6), (-9.6, 9.6)]
    elif shape == 1:
        points = [(12.78 * cos(k * pi / 32), 7.22 * sin(k * pi / 32)) for k in range(64)]
    else:
        points = []
        for k in range(150):
            t = k * pi / 75
            up = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
            points.append((9.6 * sin(t) ** 3, -(0.6625 * up + 1.44)))
    size, turn = 0.5 + 0.1 * scale, orientation * 2 * pi / 39
    centre = 16 + 32 * x / 31, 16 + 32 * y / 31
    return [
        (
            round(256 * (centre[0] + size * (cos(turn) * u + sin(turn) * v))),
            round(256 * (centre[1] + size * (cos(turn) * v - sin(turn) * u))),
        )
        for u, v in points
    ]


def is_inside(points: list[tuple[int, int]], px: int, py: int) -> bool:
    """Even-odd rule for one point, in exact integers; ties as a left-bottom rasteriser's."""
    odd = False
    for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        if y0 < py <= y1:
            # Is the crossing of the point's row at or left of the point?
            odd ^= x0 * (y1 - y0) + (py - y0) * (x1 - x0) <= px * (y1 - y0)
    return odd


def slow(factors: list[int]) -> np.ndarray:
    points = outline(*factors)
    return np.array(
        [[is_inside(points, 256 * i + 128, 256 * j + 128) for i in range(64)] for j in range(64)],
        np.uint8,
    )


@pytest.mark.slow
def test_a_slow_exact_oracle_agrees() -> None:
    factors = FACTORS.sample(24, np.random.default_rng(7))
    factors[:, 0] = np.arange(24) % 3
    for row, image in zip(factors.tolist(), shapes2d.render(factors), strict=True):
        np.testing.assert_array_equal(slow(row), image, err_msg=str(row))


# A pixel's centre lies exactly on an edge in 2,830 of the 737,280 images, and in none of the
# official frames. These are some of each kind, so that the rule (left and bottom edges are in,
# right and top edges are not) stays what it is.
TIES = [
    [0, 1, 0, 8, 0], [0, 1, 0, 23, 0], [0, 1, 0, 0, 8], [0, 1, 0, 0, 23],  # whole sides
    [0, 1, 0, 8, 8], [0, 1, 0, 8, 23], [0, 1, 0, 23, 8], [0, 1, 0, 23, 23],  # corners as well
    [1, 0, 0, 12, 14], [1, 0, 0, 19, 14], [1, 5, 4, 11, 3],  # slanted edges, a vertex
    [2, 0, 1, 6, 14], [2, 0, 5, 4, 18], [2, 1, 14, 22, 26], [2, 3, 15, 23, 17], [2, 3, 7, 29, 4],
]  # fmt: skip


@pytest.mark.slow
def test_the_oracle_agrees_on_exact_ties() -> None:
    for row, image in zip(TIES, shapes2d.render(TIES), strict=True):
        np.testing.assert_array_equal(slow(row), image, err_msg=str(row))


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([0, 0, 0, 0, 0], "must be an (n, 5) integer array"),
        ([[0, 0, 0, 0]], "got shape (1, 4)"),
        (np.zeros((2, 6), int), "got shape (2, 6)"),
        ([[0.0, 0, 0, 0, 0]], "got dtype float64"),
        ([["a", "b", "c", "d", "e"]], "got dtype <U1"),
        ([[3, 0, 0, 0, 0]], "shape must be in 0..2, got 3"),
        ([[0, 6, 0, 0, 0]], "scale must be in 0..5, got 6"),
        ([[0, 0, 40, 0, 0]], "orientation must be in 0..39, got 40"),
        ([[0, 0, 0, -1, 0]], "posX must be in 0..31, got -1"),
        ([[0, 0, 0, 0, 32]], "posY must be in 0..31, got 32"),
    ],
)
def test_wrong_factors_are_refused(factors: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        shapes2d.render(factors)


def test_no_factors_no_pictures() -> None:
    assert shapes2d.render(np.zeros((0, 5), int)).shape == (0, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flip a bit", "truncate", "no array", "another array"])
def test_a_damaged_cache_is_rebuilt(
    rendered: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path))

    def copy_whole(out: np.ndarray | None = None) -> np.ndarray:
        assert out is not None
        out[...] = rendered.data
        return out

    # Rendering again gives the same bytes (the digests say so); copying them saves the time.
    monkeypatch.setattr(shapes2d, "render_all", copy_whole)
    path = shapes2d.cache_path()
    cache.keep(path, rendered.data.shape, lambda out: np.copyto(out, rendered.data))
    if damage == "flip a bit":
        with path.open("rb+") as file:
            file.seek(200_000_001)
            byte = file.read(1)
            file.seek(200_000_001)
            file.write(bytes([byte[0] ^ 1]))
    elif damage == "truncate":
        with path.open("rb+") as file:
            file.truncate(1_000_000)
    elif damage == "no array":
        path.write_bytes(b"not an array")
    else:
        cache.keep(path, (3, 512), lambda out: out.fill(0))
    store = shapes2d.load()
    assert shapes2d.digests(np.asarray(store.data)) == shapes2d.DIGESTS
    assert [entry.name for entry in tmp_path.iterdir()] == ["shapes2d.safetensors"]


def test_an_intact_cache_is_not_rendered_again(
    rendered: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes2d, "render_all", lambda out=None: pytest.fail("rendered again"))
    before = shapes2d.cache_path().stat().st_mtime_ns
    assert len(shapes2d.load()) == len(rendered)
    assert shapes2d.cache_path().stat().st_mtime_ns == before


def test_a_render_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path))

    def fail(out: np.ndarray | None = None) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shapes2d, "render_all", fail)
    with pytest.raises(
        InputError, match=r"cannot write .*shapes2d.safetensors: No space left on device"
    ):
        shapes2d.load()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [False, True], ids=["a file", "inside a file"])
def test_a_cache_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "cache" if inside else tmp_path / "file"
    monkeypatch.setenv("BETAVAE_CACHE", str(folder))
    with pytest.raises(InputError, match=r"^cannot (write|read) .*file.*$"):
        shapes2d.load()
