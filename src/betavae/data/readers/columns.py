"""A column of text: numbers in some style, or words; its values and its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.numbers import (
    NO_NUMBER,
    NO_WORD,
    Style,
    fast_numbers,
    is_number,
    ranks,
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        what: the table, for messages.
        name: as its header says; empty where it has none.
        cells: the rows' cells as text.
        parsed: all cells as numbers, where they were read so.
    """

    what: str
    name: str
    cells: Sequence[str]
    parsed: NDArray[np.float64] | None = field(default=None, compare=False)

    @cached_property
    def fast(self) -> NDArray[np.float64] | None:
        """All cells at once, where they are plain numbers."""
        return fast_numbers(self.cells) if self.parsed is None else self.parsed

    @cached_property
    def numeric(self) -> bool:
        """Whether every cell is a number or not known, and one is a number."""
        if self.fast is not None:
            return len(self.cells) > 0
        known = {cell for cell in self.cells if cell.lower() not in NO_NUMBER}
        return bool(known) and all(map(is_number, known))

    @cached_property
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
        if self.fast is not None:
            return self.fast
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
            if self.fast is not None:
                return np.unique(self.fast, return_inverse=True)[1].astype(np.int64), ()
            table: dict[str, Any] = {cell: style.number(cell) for cell in self.known}
            return ranks([table.get(cell) for cell in self.cells]), ()
        known = self.known
        words = sorted(cell for cell in known if not is_number(cell))
        if known and 2 * len(words) <= len(known):
            raise InputError(
                f"{self.what} column {self.name} holds numbers and words such as "
                f"'{words[0][:40]}'; leave a cell empty where nothing is known"
            )
        cells = [cell if cell in known else None for cell in self.cells]
        return ranks(cells), tuple(sorted(known))
