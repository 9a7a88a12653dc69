"""Files are written beside and renamed, so that none is ever half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from betavae.errors import InputError


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved onto it only when the block succeeds.

    Raises:
        InputError: when the folder cannot be made or written, or the disk is full.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the folder itself may be what is missing
            beside.unlink()
