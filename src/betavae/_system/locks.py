"""One process at a time in a folder, and workers that do not outlive who started them."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from betavae._system.errors import InputError
from betavae._system.files import sweep

LOCK, OWNER = ".betavae.lock", ".betavae.owner"
LOOKS = 0.25  # seconds between a worker's looks at its parent

_watching = False


@contextmanager
def only_one(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder for this process within the block; the system lets go when it dies.

    What killed processes left in it and below is removed first.

    Args:
        folder: made where it is not there.
        patience: seconds to wait for another process that is about to end.

    Raises:
        InputError: when another process holds it, with its number; when it cannot be written.
    """
    from filelock import FileLock, Timeout

    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=patience)
    except Timeout:
        raise InputError(
            f"{folder} is in use by {_owner(folder)}; wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        sweep(folder, below=True)
        with suppress(OSError):  # it only serves the message
            (folder / OWNER).write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        if made and [path.name for path in folder.glob("*")] in ([], [LOCK]):
            with suppress(OSError):  # nothing was begun: no empty folder stays
                (folder / LOCK).unlink()
                folder.rmdir()
        lock.release()


def _owner(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text(encoding="utf-8")[:100]
    except (OSError, ValueError):
        return "another process"


def end_with_parent(parent: int) -> None:
    """Kill this process soon after `parent` is gone, if that is what started it.

    A thread asks for the parent's number, which changes when the parent dies, so that a worker
    whose parent was killed writes nothing into folders that the next command uses.
    """
    global _watching
    if _watching or os.name == "nt" or os.getppid() != parent:
        return
    _watching = True

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
