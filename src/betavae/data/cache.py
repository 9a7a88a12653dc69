"""Where prepared data is kept, and how: one memory-mapped file a set, never half-written.

Such a file is in the safetensors format: a tensor ``images``, uint8, and maybe others; what is
known about them stands in its header as JSON, under the metadata key ``betavae``. Any safetensors
reader opens it; nothing in it can run.

Source: https://huggingface.co/docs/safetensors (8 bytes of length, JSON, then the tensors).
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.files import write_beside

FORMAT = 2  # part of every key: raise it when the same input is prepared differently
SUFFIX = ".safetensors"
ROOM = 8192  # bytes kept for what is only known once the images are written
ALIGN = 4096  # the images begin on a page
DTYPES = {"U8": "|u1", "I32": "<i4"}


def cache_folder() -> Path:
    """Return the user's cache folder for betavae; the variable BETAVAE_CACHE moves it."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("BETAVAE_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("betavae")


def prepared_path(name: str, *key: object) -> Path:
    """Return where the set `name`, prepared from what `key` describes, is kept.

    Args:
        name: shown in the file's name, so that a person knows what it is.
        key: everything that decides the pixels, for example names, sizes, times, options.

    >>> prepared_path("my set", 64).name == prepared_path("my set", 32).name
    False
    """
    digest = hashlib.sha256(repr((FORMAT, *key)).encode("utf-8", "surrogateescape")).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:40]
    return cache_folder() / "prepared" / f"{readable}-{digest[:20]}{SUFFIX}"


@dataclass(frozen=True)
class Stored:
    """A prepared file.

    Attributes:
        said: what it says of itself.
        arrays: its tensors by name, memory-mapped and read-only.
    """

    said: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images, (N, C, H, W) or, 8 pixels a byte, (N, C*H*W/8)."""
        return self.arrays["images"]


def open_stored(path: Path) -> Stored:
    """Open a prepared file.

    Raises:
        InputError: when the file cannot be read or is damaged.
    """
    try:
        said, tensors, start = read_head(path)
        arrays: dict[str, NDArray[Any]] = {}
        for name, tensor in tensors.items():
            dtype, shape = DTYPES[tensor["dtype"]], tuple(tensor["shape"])
            offset = start + tensor["data_offsets"][0]
            arrays[name] = np.memmap(path, dtype, "r", offset=offset, shape=shape)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and prepare again") from None
    return Stored(said, arrays)


def read_head(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return what a file says of itself, its tensors, and where they begin, checked by its size.

    Raises:
        OSError: when it cannot be read.
        ValueError, KeyError, TypeError: when it is damaged.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        total = path.stat().st_size
        if length > total:
            raise ValueError("its header is cut off")
        tensors = json.loads(file.read(length))
    if not isinstance(tensors, dict):
        raise ValueError("its header is no object")
    said = json.loads(tensors.pop("__metadata__")["betavae"])
    end = 0
    for tensor in tensors.values():
        size = math.prod(tensor["shape"]) * np.dtype(DTYPES[tensor["dtype"]]).itemsize
        if tensor["data_offsets"] != [end, end + size]:
            raise ValueError("its tensors do not follow each other")
        end += size
    if not isinstance(said, dict) or "images" not in tensors or 8 + length + end != total:
        raise ValueError("its size does not fit its header")
    return said, tensors, 8 + length


def find(path: Path) -> Stored | None:
    """Open a prepared file, or return None when it is missing or damaged."""
    try:
        return open_stored(path)
    except InputError:
        return None


def keep(
    path: Path,
    shape: tuple[int, ...],
    fill: Callable[[NDArray[np.uint8]], Any],
    *,
    others: Mapping[str, NDArray[np.int32]] | None = None,
    describe: Callable[[Any], dict[str, Any]] = lambda made: {},
    room: int = ROOM,
) -> Stored:
    """Make a prepared file with `fill`, beside and renamed, and open it.

    Args:
        path: from `prepared_path`.
        shape: of the uint8 images to keep.
        fill: writes the images in place; what it raises leaves no file behind. An int that it
            returns is how many of the images stay, the first ones.
        others: further tensors.
        describe: what the file says of itself, given what `fill` returned.
        room: bytes for that.

    Raises:
        InputError: when the cache folder cannot be written or has no room.
    """
    tensors = {name: values.astype("<i4") for name, values in (others or {}).items()}
    length = len(_encode({}, shape, tensors)) + room
    length += -(8 + length) % ALIGN
    try:
        with write_beside(path) as beside:
            after = b"".join(values.tobytes() for values in tensors.values())
            with beside.open("wb") as file:
                file.truncate(8 + length + math.prod(shape) + len(after))
            reserve(beside)
            data = np.memmap(beside, np.uint8, "r+", offset=8 + length, shape=shape)
            made = fill(data)
            data.flush()
            del data
            count = made if isinstance(made, int) else shape[0]
            text = _encode(describe(made), (count, *shape[1:]), tensors)
            with beside.open("r+b") as file:
                file.write(length.to_bytes(8, "little") + text.ljust(length))
                file.seek(8 + length + count * math.prod(shape[1:]))
                file.write(after)
                file.truncate()
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(f"{error}; BETAVAE_CACHE=FOLDER moves the cache") from None
        raise
    return open_stored(path)


def _encode(
    said: dict[str, Any], shape: tuple[int, ...], others: Mapping[str, NDArray[Any]]
) -> bytes:
    tensors: dict[str, Any] = {"__metadata__": {"betavae": json.dumps(said)}}
    end = 0
    sizes = [("images", "U8", shape, 1)]
    sizes += [(name, "I32", values.shape, 4) for name, values in others.items()]
    for name, dtype, dims, width in sizes:
        start, end = end, end + math.prod(dims) * width
        tensors[name] = {"dtype": dtype, "shape": list(dims), "data_offsets": [start, end]}
    return json.dumps(tensors).encode()


def let_go(out: NDArray[np.uint8]) -> None:
    """Hand the pages of a memory-mapped file back to the system, written ones unharmed.

    They stay in its cache of the disk as long as it has room, but no longer count as ours: a set
    larger than the memory is written in little of it. Does nothing for other arrays.
    """
    if isinstance(out.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        out.base.madvise(mmap.MADV_DONTNEED)


def reserve(path: Path) -> None:
    """Give a sparse file its disk space now: writing to a map on a full disk kills the process."""
    size = path.stat().st_size
    with path.open("rb+") as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for first in range(0, size, 1 << 24):
            file.write(bytes(min(1 << 24, size - first)))
