"""Numbers with their unit in the cell, such as 5 % and 20 %: read as numbers, not as words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from betavae.data.readers.columns import Column
from betavae.data.readers.numbers import SIGNS, is_number
from betavae.data.readers.tables import Table

_WITH_UNIT = re.compile(
    r"(?P<before>[$€£¥])? ?(?P<number>[+-]?[\d.,][\d.,' ]*)(?P<after>%|‰|°|[$€£¥]|°?[^\W\d_]{1,4})?"
)


def without_units(table: Table) -> Table:
    """Turn columns of numbers that all have one unit into columns of numbers, with a note.

    As words their order would be 10 %, 100 %, 20 %.
    """
    columns, notes = [], []
    for k, column in enumerate(table.columns):
        found = None if column.numeric else without_unit(column.known)
        if found is not None:
            numbers, unit = found
            cells = tuple(numbers.get(cell, "") for cell in column.cells)
            column = Column(column.what, column.name, cells)
            shown = column.name or str(k + 1)
            notes.append(f"{table.what} column {shown}: its numbers are read without '{unit}'")
        columns.append(column)
    return replace(table, columns=tuple(columns), notes=(*table.notes, *notes))


def without_unit(cells: Iterable[str]) -> tuple[dict[str, str], str] | None:
    """Return cells without the one unit that stands before or after all their numbers.

    Args:
        cells: different ones.

    Returns:
        The numbers by cell, and the unit; None where the cells are no numbers of one unit.

    >>> without_unit(["5 %", "10 %"]), without_unit(["5 cm", "5 mm"])
    (({'5 %': '5', '10 %': '10'}, '%'), None)
    """
    numbers: dict[str, str] = {}
    units: set[str] = set()
    for cell in cells:
        found = _WITH_UNIT.fullmatch(cell.translate(SIGNS))
        if found is None or not is_number(found["number"].strip()):
            return None
        numbers[cell] = found["number"].strip()
        units.add(found["before"] or found["after"] or "")
        if len(units) > 1:
            return None
    return (numbers, units.pop()) if units - {""} and len(numbers) > 1 else None
