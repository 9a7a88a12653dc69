"""Tables of text as people have them: separators, headers and what is not known are found out.

The one reader of factors.csv, `--factors`, `--codes` and the lists of CelebA. Whatever it assumes
stands in the table's notes; what could be read in two ways is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.columns import Column
from betavae.data.readers.files import check_bytes, check_plain, read_plain
from betavae.data.readers.number_rows import NumberRows, number_rows
from betavae.data.readers.numbers import (
    NO_NUMBER,
    Style,
    has_point,
    is_number,
    style_of,
)
from betavae.data.readers.separators import Row, split_table
from betavae.data.readers.text import decode_text

SUFFIXES = (".csv", ".tsv", ".txt")
MEMORY = 8  # bytes in memory for a byte of text
_UNNAMED = re.compile(r"(Unnamed: \d+)?")


@dataclass(frozen=True)
class Table:
    """Named columns of text, and what was assumed about them.

    Attributes:
        what: what messages call it.
        columns: all of one length.
        header: whether the names stand in the table; otherwise they are empty.
        notes: what was assumed, a line each.
    """

    what: str
    columns: tuple[Column, ...]
    header: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0].cells) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def style(self) -> Style:
        """How numbers are written, alike in all columns."""
        numeric = [column for column in self.columns if column.numeric]
        slow = [column for column in numeric if column.fast is None]
        if all(has_point(cell) for column in slow for cell in column.known):
            return Style()
        return style_of(sorted(set().union(*(column.known for column in numeric))), self.what)

    def rows(self, order: Sequence[int] | NDArray[np.int64]) -> Table:
        """Return the table with these rows only, in this order."""
        columns = tuple(
            replace(
                column, cells=tuple(column.cells[k] for k in order),
                parsed=None if column.parsed is None else column.parsed[np.asarray(order, int)],
            )
            for column in self.columns
        )  # fmt: skip
        return replace(self, columns=columns)

    def without(self, *columns: int, note: str | None = None) -> Table:
        """Return the table without some columns, with one more note."""
        kept = tuple(column for k, column in enumerate(self.columns) if k not in columns)
        return replace(self, columns=kept, notes=self.notes + (() if note is None else (note,)))


def read_table(
    path: Path, *, rows: int | None = None, is_file: Callable[[str], bool] | None = None
) -> Table:
    """Read a table from a file; see `parse_table`."""
    check_plain(path)
    check_bytes(MEMORY * path.stat().st_size, str(path))
    return parse_table(read_plain(path), str(path), rows=rows, is_file=is_file)


def parse_table(
    content: bytes,
    what: str,
    *,
    rows: int | None = None,
    is_file: Callable[[str], bool] | None = None,
) -> Table:
    r"""Read a table: text in some encoding, its cells parted by one separator.

    Args:
        content: of the file.
        what: what messages call it.
        rows: how many rows are expected, which tells a first line of words or of 0, 1, 2, ... from
            a row where nothing else does.
        is_file: says whether a cell names a file; a line of names holds none.

    Raises:
        InputError: when it is no table, or one that can be read in two ways.

    >>> table = parse_table(b"kind;size\ncat;1,5\nant;NA\n", "t.csv")
    >>> table.names, table.columns[1].values(table.style).tolist()
    (('kind', 'size'), [1.5, nan])
    """
    text, note = decode_text(content, what)
    said = [] if note is None else [note]
    files = is_file or (lambda cell: False)
    text_lines = io.StringIO(text, newline="").readlines()
    if (quick := _quick_table(text, text_lines, what, rows, files, said)) is not None:
        return quick
    lines, notes = split_table(text_lines, what)
    notes = [*said, *notes]
    first, rest = lines[0].cells, _columns(lines[1:], len(lines[0].cells), what)
    header = lines[0].is_title or _has_header(first, rest, rows, files)
    if lines[0].is_title:
        notes.append(f"{what}: the names after # are taken as the header")
    if header:
        columns = [
            replace(column, name=name)
            for name, column in zip(first, _without_units(rest, rows, files, notes), strict=True)
        ]
    else:
        columns = _columns(lines, len(first), what)
        notes.append(f"{what} has no header: its columns are numbered")
    columns = _without_empty(columns, what, notes)
    if header:
        _check_names([column.name for column in columns], what)
        if len(lines) == 1:
            raise InputError(f"{what} has a header and no rows")
        if all(map(is_number, filter(None, first))):
            notes.append(_taken_as_names(first, what))
    return Table(what, _without_index(columns, what, notes, header), header, tuple(notes))


def _quick_table(
    text: str,
    lines: list[str],
    what: str,
    rows: int | None,
    files: Callable[[str], bool],
    notes: list[str],
) -> Table | None:
    """Read a large table of plain numbers at once; None where it is no such."""
    found = number_rows(text, lines, what)
    if found is None:
        return None
    columns = _quick_columns(found, what)
    if columns is None:
        return None
    header = _has_header(found.first, columns, rows, files)
    if header:
        _check_names(list(found.first), what)
        columns = [
            replace(column, name=name) for name, column in zip(found.first, columns, strict=True)
        ]
        if all(map(is_number, filter(None, found.first))):
            notes.append(_taken_as_names(found.first, what))
    else:
        whole = found.with_first()
        columns = None if whole is None else _quick_columns(whole, what)
        if columns is None:
            return None
        notes.append(f"{what} has no header: its columns are numbered")
    return Table(what, _without_index(columns, what, notes, header), header, tuple(notes))


def _quick_columns(found: NumberRows, what: str) -> list[Column] | None:
    columns = [Column(what, "", c, found.plain(k)) for k, c in enumerate(found.columns)]
    return None if any(column.parsed is None for column in columns) else columns


def _taken_as_names(first: Sequence[str], what: str) -> str:
    return f"{what}: the first line, {', '.join(first)[:60]}, is taken as names"


def _columns(lines: list[Row], width: int, what: str) -> list[Column]:
    cells = zip(*(row.cells for row in lines), strict=True) if lines else [()] * width
    return [Column(what, "", _unquoted(column)) for column in cells]


def _unquoted(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Take off single quotes that stand around every cell."""
    known = [cell for cell in cells if cell]
    if not known or not all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in known):
        return cells
    return tuple(cell[1:-1].strip() for cell in cells)


def _has_header(
    first: tuple[str, ...],
    rest: list[Column],
    rows: int | None,
    is_file: Callable[[str], bool],
) -> bool:
    """Say whether the first line holds the names of the other lines' columns."""
    count = 1 + len(rest[0].cells)
    if count == 1:
        return not any(is_number(cell) or is_file(cell) for cell in first)
    pairs = list(zip(first, rest, strict=True))
    if any(is_file(cell) and is_file(column.cells[0]) for cell, column in pairs):
        return False
    for cell, column in pairs:
        if column.numeric:
            if not is_number(cell) and cell.lower() not in NO_NUMBER:
                return True
        elif is_file(column.cells[0]):
            return True
    known = rows is not None and count in (rows, rows + 1)
    numeric = [(cell, column) for cell, column in pairs if column.numeric]
    if not numeric:
        if known:
            return count == (rows or 0) + 1
        again = any(cell in column.cells for cell, column in pairs)
        return not again and all(first) and len(set(first)) == len(first)
    given = [cell for cell, _ in numeric if cell]
    counts = [str(k) for k in range(len(given))] == given
    counts_from_one = [str(k + 1) for k in range(len(given))] == given
    if first[0] == "" and given and len(first) > 1 and rest[0].cells[0] != "":
        return counts or counts_from_one
    if counts and known:
        return count == (rows or 0) + 1
    if len(given) > 1 and counts:
        return True
    return (counts or (counts_from_one and len(given) > 1)) and all(
        _all_fractions(column) for _, column in numeric
    )


def _all_fractions(column: Column) -> bool:
    return all("." in cell or "," in cell or "e" in cell.lower() for cell in column.known)


def _without_units(
    columns: list[Column], rows: int | None, is_file: Callable[[str], bool], notes: list[str]
) -> list[Column]:
    """Leave out a line of units that follows the header: words above numbers only."""
    count = len(columns[0].cells)
    if count < 3 or rows not in (None, count - 1):
        return columns
    line = [column.cells[0] for column in columns]
    if all(is_number(cell) for cell in line if cell) or any(map(is_file, line)):
        return columns
    below = [replace(column, cells=column.cells[1:]) for column in columns]
    above = [cell for cell, column in zip(line, below, strict=True) if column.numeric]
    words = sum(cell.lower() not in NO_NUMBER for cell in above)
    if any(map(is_number, above)) or not words or (rows is None and words < 2):
        return columns
    units = ", ".join(filter(None, line))[:60]
    notes.append(f"{columns[0].what}: the line after the header, {units}, is taken as units")
    return below


def _without_empty(columns: list[Column], what: str, notes: list[str]) -> list[Column]:
    """Leave out columns without a name and without a single cell."""
    kept = [column for column in columns if column.name or any(column.cells) or not column.cells]
    if len(kept) < len(columns):
        notes.append(f"{what}: {len(columns) - len(kept)} empty columns are left out")
    return kept


def _check_names(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{what} must start with different column names, got '{twice[0]}' twice")
    bare = [k for k, name in enumerate(names) if not name and k > 0]
    if bare:
        raise InputError(f"{what} must name every column, column {bare[0] + 1} has no name")


def _without_index(
    columns: list[Column], what: str, notes: list[str], header: bool
) -> tuple[Column, ...]:
    """Leave out the row numbers that data frames write, once or several times."""
    kept = [
        column for k, column in enumerate(columns)
        if len(columns) == 1
        or not (_UNNAMED.fullmatch(column.name) and column.counts() and (header or k == 0))
    ]  # fmt: skip
    for column in columns:
        if column not in kept:
            shown = f"'{column.name}'" if column.name else "without a name"
            notes.append(f"{what}: column {shown} counts the rows: left out")
    return tuple(kept)
