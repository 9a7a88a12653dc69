"""Where prepared data is kept, and how: one memory-mapped uint8 file a set, never half-written."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.files import write_beside

FORMAT = 1  # part of every key: raise it when the same input is prepared differently


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
    return cache_folder() / "prepared" / f"{readable}-{digest[:20]}.npy"


def find(path: Path) -> NDArray[np.uint8] | None:
    """Map a prepared file read-only, or return None when it is missing or damaged."""
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return data if data.dtype == np.uint8 else None


def keep(
    path: Path, shape: tuple[int, ...], fill: Callable[[NDArray[np.uint8]], object]
) -> NDArray[np.uint8]:
    """Make the prepared file `path` with `fill`, beside and renamed, and map it read-only.

    Args:
        path: from `prepared_path`.
        shape: of the uint8 array to keep.
        fill: writes the array in place; what it raises leaves no file behind.

    Raises:
        InputError: when the cache folder cannot be written or has no room.
    """
    try:
        with write_beside(path) as beside:
            data = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=shape)
            reserve(beside)
            fill(data)
            data.flush()
            del data
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(f"{error}; BETAVAE_CACHE=FOLDER moves the cache") from None
        raise
    found = find(path)
    if found is None or found.shape != shape:
        raise InputError(f"cannot read back {path}: the disk changes what is written")
    return found


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
        start = 4096  # numpy's header stays; its length is a multiple of 64, far below this
        file.seek(start)
        for first in range(start, size, 1 << 24):
            file.write(bytes(min(1 << 24, size - first)))
