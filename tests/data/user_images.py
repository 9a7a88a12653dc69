"""A user's own images as the tests write them, and the one line that a bad input ends in."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data import cache
from betavae.data.dataset import Dataset

RNG = np.random.default_rng(0)


GREY = RNG.integers(0, 256, (6, 32, 32), dtype=np.uint8)


COLOUR = RNG.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)


BINARY = RNG.integers(0, 2, (6, 32, 32), dtype=np.uint8)


SORTED = ["a.PNG", "b.png", "d.png", "w/z/q.png", "x/a.png", "x/c.png"]


ROWS = [1, 0, 5, 4, 3, 2]


def floats(dataset: Dataset) -> np.ndarray:
    return dataset.images[:].numpy()


def line(path: Any, **options: Any) -> str:
    """The one line a bad input ends in; nothing may be left in the cache."""
    with pytest.raises(InputError) as error:
        datasets.load(str(path), **options)
    message = str(error.value)
    assert "\n" not in message
    kept = cache.cache_folder()
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]
    return message


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("/tmp/betavae-evil",)


def write(path: Path, pixels: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def rgb(k: int = 0) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(COLOUR[k], 0, 2))


def png_file(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG by hand: colour type 0 is grey, 2 RGB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def sixteen_bits(pixels: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits a value, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png_file(pixels.shape[1], pixels.shape[0], 16, colour_type, rows)


def torch_equal(one: Dataset, two: Dataset) -> bool:
    return np.array_equal(floats(one), floats(two))
