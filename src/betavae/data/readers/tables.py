"""Tables of text as people have them: separators, headers and what is not known are found out.

The one reader of factors.csv, `--factors`, `--codes` and the lists of CelebA. Whatever it assumes
stands in the table's notes; what could be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.files import read_plain
from betavae.data.readers.numbers import (
    NO_NUMBER,
    NO_WORD,
    Style,
    fast_numbers,
    has_point,
    is_number,
    ranks,
    style_of,
)
from betavae.data.readers.separators import Row, split_table
from betavae.data.readers.text import decode_text

SUFFIXES = (".csv", ".tsv", ".txt")
_UNNAMED = re.compile(r"(Unnamed: \d+)?")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        what: the table, for messages.
        name: as its header says; empty where it has none.
        cells: the rows' cells as text.
    """

    what: str
    name: str
    cells: tuple[str, ...]

    @cached_property
    def numeric(self) -> bool:
        """Whether every cell is a number or not known, and one is a number."""
        if fast_numbers(self.cells) is not None:
            return bool(self.cells)
        known = {cell for cell in self.cells if cell.lower() not in NO_NUMBER}
        return bool(known) and all(map(is_number, known))

    @property
    def known(self) -> set[str]:
        """The different cells that hold something."""
        missing = NO_NUMBER if self.numeric else NO_WORD
        return {
            cell for cell in set(self.cells)
            if (cell.lower() if self.numeric else cell) not in missing
        }  # fmt: skip

    def counts(self) -> bool:
        """Say whether the cells count 0, 1, 2, ... or 1, 2, 3, ..., at least three of them."""
        for first in (0, 1):
            if len(self.cells) > 2 and all(
                cell == str(k) for k, cell in enumerate(self.cells, start=first)
            ):
                return True
        return False

    def values(self, style: Style, empty: float = np.nan) -> NDArray[np.float64]:
        """Return the numbers, (N,), `empty` where not known.

        Raises:
            InputError: for a number that no float holds.
        """
        fast = fast_numbers(self.cells)
        if fast is not None:
            return fast
        table = {cell: float(style.number(cell)) for cell in self.known}
        odd = next((cell for cell, value in table.items() if not np.isfinite(value)), None)
        if odd is not None:
            raise InputError(f"{self.what} column {self.name}: '{odd[:40]}' is too large a number")
        return np.array([table.get(cell, empty) for cell in self.cells], np.float64)

    def classes(self, style: Style) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Return every cell's class, -1 where not known, and the classes' names if they are words.

        Numbers are sorted as numbers, words as words.

        Raises:
            InputError: when most values are numbers and some are words.
        """
        if self.numeric:
            fast = fast_numbers(self.cells)
            if fast is not None:
                return np.unique(fast, return_inverse=True)[1].astype(np.int64), ()
            table: dict[str, Any] = {cell: style.number(cell) for cell in self.known}
            return ranks([table.get(cell) for cell in self.cells]), ()
        known = self.known
        words = sorted(cell for cell in known if not is_number(cell))
        if 2 * len(words) <= len(known):
            raise InputError(
                f"{self.what} column {self.name} holds numbers and words such as "
                f"'{words[0][:40]}'; leave a cell empty where nothing is known"
            )
        cells = [cell if cell in known else None for cell in self.cells]
        return ranks(cells), tuple(sorted(known))


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
        slow = [column for column in numeric if fast_numbers(column.cells) is None]
        if all(has_point(cell) for column in slow for cell in column.known):
            return Style()
        return style_of(sorted(set().union(*(column.known for column in numeric))), self.what)

    def rows(self, order: Sequence[int] | NDArray[np.int64]) -> Table:
        """Return the table with these rows only, in this order."""
        columns = tuple(
            replace(column, cells=tuple(column.cells[k] for k in order)) for column in self.columns
        )
        return replace(self, columns=columns)

    def without(self, *columns: int, note: str | None = None) -> Table:
        """Return the table without some columns, with one more note."""
        kept = tuple(column for k, column in enumerate(self.columns) if k not in columns)
        return replace(self, columns=kept, notes=self.notes + (() if note is None else (note,)))


def read_table(
    path: Path, *, rows: int | None = None, is_file: Callable[[str], bool] | None = None
) -> Table:
    """Read a table from a file; see `parse_table`."""
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
    lines, notes = split_table(text, what)
    notes = [*([] if note is None else [note]), *notes]
    files = is_file or (lambda cell: False)
    header = _has_header(lines, rows, files)
    names, body = (lines[0].cells, lines[1:]) if header else ((), lines)
    if header and any(row.is_title for row in lines[:1]):
        notes.append(f"{what}: the names after # are taken as the header")
    body = _without_units(body, rows, files, what, notes) if header else body
    width = len(lines[0].cells)
    cells = list(zip(*(row.cells for row in body), strict=True)) if body else [()] * width
    names = names or ("",) * width
    columns = [Column(what, name, column) for name, column in zip(names, cells, strict=True)]
    columns = _without_empty(columns, what, notes)
    if header:
        _check_names([column.name for column in columns], what)
        if not body:
            raise InputError(f"{what} has a header and no rows")
        if all(map(is_number, filter(None, names))):
            notes.append(f"{what}: the first line, {', '.join(names)[:60]}, is taken as names")
    else:
        notes.append(f"{what} has no header: its columns are numbered")
    return Table(what, _without_index(columns, what, notes, header), header, tuple(notes))


def _has_header(lines: list[Row], rows: int | None, is_file: Callable[[str], bool]) -> bool:
    """Say whether the first line holds the columns' names."""
    first, body = lines[0].cells, lines[1:]
    if lines[0].is_title:
        return True
    if not body:
        return not any(is_number(cell) or is_file(cell) for cell in first)
    if any(is_file(first[k]) and is_file(body[0].cells[k]) for k in range(len(first))):
        return False
    numeric = []
    for k, cell in enumerate(first):
        column = Column("", "", tuple(row.cells[k] for row in body))
        if column.numeric:
            if not is_number(cell) and cell.lower() not in NO_NUMBER:
                return True
            numeric.append((cell, column))
        elif is_file(column.cells[0]):
            return True
    if not numeric:
        if rows is not None and len(lines) in (rows, rows + 1):
            return len(lines) == rows + 1
        again = any(first[k] in {row.cells[k] for row in body} for k in range(len(first)))
        return not again and all(first) and len(set(first)) == len(first)
    given = [cell for cell, _ in numeric if cell]
    counts = [str(k) for k in range(len(given))] == given
    if first[0] == "" and given and len(first) > 1 and lines[1].cells[0] != "":
        return counts or given == [str(k + 1) for k in range(len(given))]
    if counts and rows is not None and len(lines) in (rows, rows + 1):
        return len(lines) == rows + 1
    fractions = all(
        "." in c or "," in c or "e" in c.lower() for _, col in numeric for c in col.known
    )
    counts_from_one = [str(k + 1) for k in range(len(given))] == given
    if len(given) > 1:
        return counts or (counts_from_one and fractions)
    return counts and fractions


def _without_units(
    body: list[Row], rows: int | None, is_file: Callable[[str], bool], what: str, notes: list[str]
) -> list[Row]:
    """Leave out a line of units that follows the header: words above numbers only."""
    if len(body) < 3 or any(map(is_file, body[0].cells)) or rows not in (None, len(body) - 1):
        return body
    words = 0
    for k, cell in enumerate(body[0].cells):
        if Column("", "", tuple(row.cells[k] for row in body[1:])).numeric:
            if is_number(cell):
                return body
            words += cell.lower() not in NO_NUMBER
    if not words or (rows is None and words < 2):
        return body
    units = ", ".join(filter(None, body[0].cells))[:60]
    notes.append(f"{what}: the line after the header, {units}, is taken as units")
    return body[1:]


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
