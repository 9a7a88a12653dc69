"""Opening files that come from outside: plain ones only, of a bounded size, one line for damage."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from betavae._system.errors import InputError

LIMIT = "BETAVAE_MAX_GIB"  # the variable that raises the limit
DEFAULT_GIB = 4.0
HONEST_RATIO = 100  # what is packed more tightly than this counts as a bomb above the limit

_DAMAGE = (
    ValueError, EOFError, NotImplementedError, RuntimeError, OverflowError,
    zipfile.BadZipFile, zlib.error, tarfile.TarError, lzma.LZMAError,
)  # fmt: skip


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every complaint about the file `path` into one InputError line."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except _DAMAGE as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        kind = f"a {path.suffix.lower()} file" if path.suffix else "what its name says"
        raise InputError(f"{path} is damaged or not {kind}: {why}") from None


def check_plain(path: Path) -> None:
    """Refuse everything but plain files: reading a pipe or a device might never end.

    Raises:
        InputError: when there is no such file, it cannot be read, or it is no plain file.
    """
    with reading(path):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} must be a file, got a folder")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} must be a plain file, got a pipe, socket or device")


def read_plain(path: Path) -> bytes:
    """Return the content of a plain file that is within the limit."""
    check_plain(path)
    with reading(path):
        check_bytes(path.stat().st_size, str(path))
        return path.read_bytes()


def most_bytes() -> int:
    """Return how many bytes may be read into memory at once; BETAVAE_MAX_GIB raises it."""
    given = os.environ.get(LIMIT)
    try:
        gib = DEFAULT_GIB if not given else float(given)
        if not 0 < gib < 1e6:
            raise ValueError
    except ValueError:
        raise InputError(f"{LIMIT} must be a number of GiB > 0, got '{given}'") from None
    return int(gib * 2**30)


def check_bytes(count: int, what: str, packed: int | None = None) -> None:
    """Refuse what would take more memory than the limit, before it is read.

    Args:
        count: bytes, as a header says.
        what: what the message calls it.
        packed: bytes in the file, for what is read piece by piece: only what is packed more than
            HONEST_RATIO times as tightly is refused then.
    """
    if count <= most_bytes() or (packed is not None and count <= HONEST_RATIO * max(packed, 1)):
        return
    raise InputError(
        f"{what} takes {count / 2**30:,.3g} GiB, more than the limit of "
        f"{most_bytes() / 2**30:.3g} GiB; {LIMIT}={count // 2**30 + 1} allows it"
    )


def read_exactly(file: IO[bytes], count: int) -> bytes:
    """Read `count` bytes; EOFError when the file ends before."""
    data = file.read(count)
    if len(data) != count:
        raise EOFError(f"it ends {count - len(data):,} bytes too early")
    return data
