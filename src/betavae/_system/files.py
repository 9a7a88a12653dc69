"""Files are written beside and renamed, so that none is ever half-written."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved onto it only when the block succeeds.

    The file gets the modes that the user's umask gives to new files, and is on the disk when the
    block has ended. What a killed process left in the folder is removed first.

    Raises:
        InputError: when the folder cannot be made or written, or the disk is full.
    """
    beside = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        beside.touch()
        modes = beside.stat().st_mode & 0o777
        yield beside
        beside.chmod(modes)  # some libraries write a private file in its place
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the folder itself may be what is missing
            beside.unlink()


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a renamed file survives a power failure."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network folders cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def part_of(path: Path) -> Path:
    """Return where this process keeps a file or folder that is not whole, or soon gone."""
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.part")


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what killed processes of this machine left of files that they were writing.

    Those of other machines that share the folder may still be written.

    Args:
        folder: where to look.
        below: look in the folders below it too.
    """
    for part in folder.rglob(".*.part") if below else folder.glob(".*.part"):
        rest, _, process = part.name.removesuffix(".part").rpartition(".")
        mine = rest.endswith(f".{platform.node()}")
        if mine and process.isdigit() and not process_runs(int(process)):
            with suppress(OSError):
                if part.is_dir():
                    shutil.rmtree(part, ignore_errors=True)
                else:
                    part.unlink()


def process_runs(process: int) -> bool:
    """Say whether a process of this machine is still there."""
    if process == os.getpid() or os.name == "nt":  # there, signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def file_bytes(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        InputError: when it cannot be read, which says nothing about what is in it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def write_json(path: Path, content: Any, *, allow_nan: bool = True) -> None:
    """Write JSON beside and rename.

    Args:
        path: the file.
        content: plain lists, mappings, numbers and strings; a lone surrogate, as in a name that
            is no text, becomes its JSON escape and is read back as it was.
        allow_nan: write NaN and infinities, which Python reads back and other programs do not.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
        ValueError: for a number that is not finite, without `allow_nan`.
    """
    text = json.dumps(content, indent=2, allow_nan=allow_nan, ensure_ascii=False)
    with write_beside(path) as beside:
        beside.write_bytes((text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: when the file cannot be read, or holds something else.
    """
    content = file_bytes(path)
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a JSON object, got a {type(found).__name__}")
    return found
