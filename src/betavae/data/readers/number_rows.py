"""The quick way through a large table of plain numbers: its cells stay text until asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from betavae.data.readers.numbers import EXACT, fast_numbers
from betavae.data.readers.separators import BLANKS, separator_of

LARGE = 1 << 20  # characters from which the quick way is tried


@dataclass(frozen=True, eq=False)
class LineCells(Sequence[str]):
    """The cells of one column, parted out of their lines when they are asked for."""

    lines: Sequence[str]
    separator: str
    column: int

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self._cell(line) for line in self.lines[index])
        return self._cell(self.lines[index])

    def __iter__(self) -> Iterator[str]:
        return map(self._cell, self.lines)

    def _cell(self, line: str) -> str:
        return cells_of(line, self.separator)[self.column]


@dataclass(frozen=True)
class NumberRows:
    """A table of numbers under one line of any kind.

    Attributes:
        first: cells of the first line.
        line: the first line.
        columns: of the other lines.
        values: (N, K) numbers of the other lines.
    """

    first: tuple[str, ...]
    line: str
    columns: tuple[LineCells, ...]
    values: NDArray[np.float64]

    def with_first(self) -> NumberRows | None:
        """Return the table with its first line as a row of numbers; None where it is none."""
        number = fast_numbers(self.first)
        if number is None:
            return None
        lines = [self.line, *self.columns[0].lines]
        columns = tuple(LineCells(lines, one.separator, one.column) for one in self.columns)
        return NumberRows(self.first, self.line, columns, np.vstack((number, self.values)))

    def plain(self, column: int) -> NDArray[np.float64] | None:
        """Return a column's numbers, None where they need a closer look, as `fast_numbers`."""
        values = self.values[:, column]
        exact = np.isfinite(values).all() and np.abs(values).max(initial=0) < EXACT
        return values if exact else None


def cells_of(line: str, separator: str) -> list[str]:
    """Part one line without quotes."""
    parts = line.split() if separator == BLANKS else line.split(separator)
    return [part.strip() for part in parts]


def number_rows(text: str, lines: list[str], what: str) -> NumberRows | None:
    """Read a large table at once where nothing but numbers follows its first line.

    Args:
        text: of the whole file.
        lines: of the text, with their ends.
        what: what messages call it.

    Returns:
        The table, or None where the way that looks at every cell must be taken: small tables,
        quotes, comments, empty lines and cells, words, rows of other lengths.

    Raises:
        InputError: when several separators fit, as the other way says.
    """
    if len(text) < LARGE or len(lines) < 3 or '"' in text or lines[0].lstrip()[:1] in ("", "#"):
        return None
    if lines[0].lower().startswith("sep="):
        return None
    separator = separator_of(lines, what)
    first = tuple(cells_of(lines[0], separator))
    body = lines[1:]
    while body and not body[-1].strip():
        body.pop()
    try:
        values = np.loadtxt(
            body, np.float64, comments=None, ndmin=2,
            delimiter=None if separator == BLANKS else separator,
        )  # fmt: skip
    except ValueError:
        return None
    if values.shape != (len(body), len(first)) or len(first) < 2 or not any(first):
        return None
    columns = tuple(LineCells(body, separator, k) for k in range(len(first)))
    return NumberRows(first, lines[0], columns, values)
