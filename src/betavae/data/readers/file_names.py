"""Which column of a table names the pictures, and which row belongs to which of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.columns import Column
from betavae.data.readers.tables import Table

PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
# Headers of columns whose bare numbers may be names of files such as 1.png.
NAME_WORDS = re.compile(
    r"|unnamed.*|.*(file|image|img|picture|photo|name|path|frame|sample|key|id|index|idx|nr|no|number)"
    r"s?(_?(name|id|no|nr|number|path))?",
    re.IGNORECASE,
)

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """A column that names every file once.

    Attributes:
        column: its place.
        rows: (N,) the row of every file.
        others: how many rows name no file.
        loose: how the names differ from the files, in words; empty where they do not.
    """

    column: int
    rows: NDArray[np.int64]
    others: int
    loose: str = ""


def natural(name: str) -> tuple[list[tuple[bool, int, str, str]], str]:
    """Return a key that sorts 2 before 10, folders apart from files.

    >>> sorted(["a10.png", "a2.png"], key=natural)
    ['a2.png', 'a10.png']
    """
    pieces = [
        (
            not piece.isdecimal(),
            len(piece.lstrip("0")) if piece.isdecimal() else 0,
            piece.lstrip("0") if piece.isdecimal() else piece,
            piece,
        )
        for part in name.split("/")
        for piece in [*re.split(r"(\d+)", part)[:200], ""]
    ]
    return pieces, name


def _parts(name: str) -> Parts:
    """Return the parts of a path in any system's writing, Unicode composed."""
    plain = unicodedata.normalize("NFC", name.strip().strip("\"'")).replace("\\", "/")
    plain = re.sub(r"^(file://|[A-Za-z]:)", "", plain)
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _stem(parts: Parts) -> Parts:
    """Drop the extension of a picture."""
    last = parts[-1]
    for suffix in PICTURES:
        if last.lower().endswith(suffix) and len(last) > len(suffix):
            return (*parts[:-1], last[: -len(suffix)])
    return parts


def _folded(parts: Parts) -> Parts:
    return tuple(part.casefold() for part in parts)


def _number(parts: Parts) -> Parts:
    """Drop the zeros before a number: spreadsheets do."""
    stem = _stem(parts)[-1]
    return (str(int(stem)),) if stem.isdecimal() and stem.isascii() and len(stem) < 19 else (" ",)


# From the same name to the loosest resemblance that is still no guess.
LEVELS: tuple[tuple[str, Callable[[Parts], Parts]], ...] = (
    ("", lambda parts: parts),
    ("without its extension", _stem),
    ("in other case", _folded),
    ("in other case and without its extension", lambda parts: _folded(_stem(parts))),
    ("as a number", _number),
)


class Files:
    """The files of a set, found by what a cell calls them.

    Args:
        names: relative paths with ``/``.
        folder: where they are, for cells that name it too.
    """

    def __init__(self, names: Sequence[str], folder: Path | None = None) -> None:
        self.names = tuple(names)
        above = () if folder is None else _parts(str(folder))
        self._whole = [_parts(name) for name in names]
        self._above = above
        self._by_last: dict[int, dict[str, list[int]]] = {}

    def __contains__(self, cell: str) -> bool:
        """Say whether a cell surely names a file: a bare number does not."""
        parts = _parts(cell)
        if not parts or parts[-1].isdecimal():
            return False
        return any(self._find(parts, level, strict=False) is not None for level in (0, 1))

    def place(self, cells: Sequence[str], level: int, *, strict: bool) -> list[int | None]:
        """Return the number of the file that every cell names, or None."""
        return [
            self._find(parts, level, strict=strict) if (parts := _parts(cell)) else None
            for cell in cells
        ]

    def _find(self, parts: Parts, level: int, *, strict: bool) -> int | None:
        """Find the only file that ends as the parts do; unless `strict`, as their end does."""
        form = LEVELS[level][1]
        if level not in self._by_last:
            table: dict[str, list[int]] = {}
            for index, whole in enumerate(self._whole):
                table.setdefault(form(whole)[-1], []).append(index)
            self._by_last[level] = table
        wanted = form(parts)
        best: list[int] = []
        most = 0
        for index in self._by_last[level].get(wanted[-1], ()):
            whole = form((*self._above, *self._whole[index]))
            alike = 0
            while alike < min(len(whole), len(wanted)) and whole[-1 - alike] == wanted[-1 - alike]:
                alike += 1
            if strict and alike < len(wanted):
                continue
            if alike > most:
                best, most = [index], alike
            elif alike == most:
                # A name as it stands wins over the same name in a sub-folder.
                best.append(index)
        if len(best) > 1:
            best = [index for index in best if form(self._whole[index]) == wanted]
        return best[0] if len(best) == 1 else None


def find_match(table: Table, files: Files) -> Match | None:
    """Find the column that names the files, by what it holds.

    Raises:
        InputError: when several columns do, in different orders.
    """
    count = len(files.names)
    able = [k for k, column in enumerate(table.columns) if len(set(column.cells)) >= count]
    for level, (loose, _) in enumerate(LEVELS):
        for strict in (True, False):
            found = []
            for k in able:
                match = _match(table.columns[k], k, files, level, strict)
                if match is not None:
                    found.append(match)
            if level in (1, 3, 4):
                found = [match for match in found if _is_certain(table, match)]
            if found:
                chosen = _one_of(table, found)
                return Match(chosen.column, chosen.rows, chosen.others, loose)
    return None


def _match(column: Column, k: int, files: Files, level: int, strict: bool) -> Match | None:
    places = files.place(column.cells, level, strict=strict)
    rows = np.full(len(files.names), -1, np.int64)
    others = 0
    for row, place in enumerate(places):
        if place is None:
            others += 1
        elif rows[place] >= 0:
            return None
        else:
            rows[place] = row
    return Match(k, rows, others) if (rows >= 0).all() else None


def _is_certain(table: Table, match: Match) -> bool:
    """Say whether bare numbers are names: their column says so, or has zeros before them."""
    column = table.columns[match.column]
    bare = all(cell.isdecimal() for cell in column.cells)
    padded = any(len(cell) > 1 and cell.startswith("0") for cell in column.cells)
    if not bare or padded or (match.others == 0 and NAME_WORDS.fullmatch(column.name)):
        return True
    if match.others == 0 and not np.array_equal(match.rows, np.arange(len(match.rows))):
        raise InputError(
            f"{table.what}: column '{column.name}' holds either values or the names of files; "
            "call it file, or another column, with the names as they are"
        )
    return False


def _one_of(table: Table, found: list[Match]) -> Match:
    if all(np.array_equal(match.rows, found[0].rows) for match in found):
        return found[0]
    named = [m for m in found if NAME_WORDS.fullmatch(table.columns[m.column].name)]
    if len(named) == 1:
        return named[0]
    names = ", ".join(table.columns[match.column].name for match in found)
    raise InputError(f"{table.what}: the columns {names} all name the images; keep one of them")


def explain(table: Table, files: Files) -> str | None:
    """Say why a column that looks like names of files does not fit them; None without one."""
    for column in table.columns:
        places = files.place(column.cells, 0, strict=False)
        like = sum(cell.lower().endswith(PICTURES) for cell in column.cells)
        if all(place is None for place in places) and 2 * like < len(column.cells):
            continue
        seen: dict[int, str] = {}
        for cell, place in zip(column.cells, places, strict=True):
            if place is None:
                return f"names '{cell[:80]}', but there is no such image in the folder"
            if place in seen:
                return f"names '{cell[:80]}' twice"
            seen[place] = cell
        missing = [name for index, name in enumerate(files.names) if index not in seen]
        return (
            f"must have one row an image, expected {len(files.names)} rows, got {len(table)}: "
            f"'{missing[0]}' is missing"
        )
    return None
