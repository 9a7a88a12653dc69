"""Files are written beside and renamed, so that none is ever half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved onto it only when the block succeeds.

    Raises:
        InputError: when the folder cannot be made or written, or the disk is full.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
        usual = beside.stat().st_mode  # what the user's umask leaves; some writers take less
        yield beside
        beside.chmod(usual)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the folder itself may be what is missing
            beside.unlink()


def write_json(path: Path, content: Any, *, allow_nan: bool = True) -> None:
    """Write JSON beside and rename.

    Args:
        path: the file.
        content: plain lists, mappings, numbers and strings.
        allow_nan: write NaN and infinities, which Python reads back and other programs do not.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
        ValueError: for a number that is not finite, without `allow_nan`.
    """
    text = json.dumps(content, indent=2, allow_nan=allow_nan, ensure_ascii=False)
    with write_beside(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: when the file cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a JSON object, got a {type(found).__name__}")
    return found
