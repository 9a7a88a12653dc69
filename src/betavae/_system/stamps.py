"""The digest of the weights that a file was made of, carried by the file itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from betavae._system.errors import InputError

KEY = "betavae-weights"
READ = 1 << 16  # bytes at a file's start and end, where pictures, pages and tables carry it
STAMP = re.compile(rb"betavae-weights.{1,24}?([0-9a-f]{32}(?:,[0-9a-f]{32})*)", re.DOTALL)


def stamp(weights: Iterable[str]) -> str:
    """Return digests as one word, each once; empty where there are none.

    >>> stamp(["b", "a", "", "b"])
    'b,a'
    """
    return ",".join(dict.fromkeys(one for one in weights if one))


def stamped(path: Path) -> tuple[str, ...]:
    """Return the digests that a picture, page or table carries; none where it carries none.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(READ)
            size = file.seek(0, 2)
            file.seek(max(READ, size - READ))
            found = STAMP.search(start) or STAMP.search(file.read())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    return () if found is None else tuple(found[1].decode("ascii").split(","))
