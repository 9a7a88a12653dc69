"""What separates the cells of a table, found by trying: every line must have as many cells."""

from __future__ import annotations

import csv
from contextlib import suppress
from typing import NamedTuple

from betavae._system.errors import InputError
from betavae.data.readers.numbers import is_number, is_simple

BLANKS = "blanks"
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", BLANKS: "blanks"}
TRIED = 200  # lines that every separator is tried on


class Row(NamedTuple):
    """A line of a table: its number in the file, its cells, and whether a ``#`` began it."""

    line: int
    cells: tuple[str, ...]
    is_title: bool = False


class _Uneven(Exception):
    """Lines have different numbers of cells."""


def split_table(lines: list[str], what: str) -> tuple[list[Row], list[str]]:
    """Part lines into rows that all have the same number of cells.

    Empty lines go; comments (#), a first line that counts the rows, and separators at the ends of
    all lines go with a note. A first line with one name less than the rows have cells stands above
    all but the first column, as R writes it.

    Args:
        lines: of the whole file, with their ends.
        what: what messages call it.

    Returns:
        The rows, at least one, and notes.

    Raises:
        InputError: when no separator gives even rows, or several do.
    """
    notes: list[str] = []
    start, title = 0, None
    while start < len(lines) and (not lines[start].strip() or lines[start].lstrip()[0] == "#"):
        title = lines[start] if lines[start].strip() else title
        start += 1
    said = next((line.rstrip("\r\n") for line in lines[start : start + 1]), "")
    told = said[4:] if said.lower().startswith("sep=") and len(said) == 5 else None
    start += told is not None  # Excel's own first line
    if not any(line.strip() for line in lines[start:]):
        if title is None:
            raise InputError(f"{what} must hold a table, got an empty file")
        start, title = 0, None  # nothing but lines that begin with #: they are its rows
    separator = told or separator_of(lines[start:], what)
    try:
        rows = _split(lines[start:], separator, start)
        said_rows = _said_rows(rows)
        rows = _even(rows, notes, what)
        if said_rows is not None and said_rows not in (len(rows), len(rows) - 1):
            raise _Uneven(f"begins with {said_rows}, which is not the number of its rows")
    except (_Uneven, csv.Error) as error:
        raise InputError(f"{what} {_said(error)}") from None
    if title is not None:
        rows = _titled(title, rows, separator, notes, what)
    if title is None and len(rows[0].cells) == 1 and separator == BLANKS:
        _check_one_column(rows, what)
    return rows, notes


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, _Uneven) else f"is no CSV table: {error}"


def _split(lines: list[str], separator: str, start: int = 0) -> list[Row]:
    """Part lines into cells; quoted cells may hold the separator and line ends."""
    delimiter = separator
    if separator == BLANKS:
        delimiter = " "
        lines = [line.replace("\t", " ").strip() + "\n" for line in lines]
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = [Row(start + reader.line_num, tuple(map(str.strip, row))) for row in reader]
    return [row for row in rows if any(row.cells)]


def separator_of(lines: list[str], what: str) -> str:
    """Return the separator that gives rows of the same number of cells, two at least."""
    found: dict[str, list[Row]] = {}
    uneven: dict[str, Exception] = {}
    single = 0
    for separator in SEPARATORS:
        try:
            rows = _tried(lines, separator)
            widest = max((len(row.cells) for row in rows), default=0)
            even = _even(rows, [], what)
        except (_Uneven, csv.Error) as error:
            uneven[separator] = error
            continue
        if widest > 1:
            found[separator] = even
        else:
            single += 1
    if "\t" in found:
        return "\t"
    numbers = [
        separator for separator, rows in found.items()
        if all(is_simple(cell) for row in rows[1:] or rows for cell in row.cells)
    ]  # fmt: skip
    if len(numbers) == 1:
        return numbers[0]
    strong = [separator for separator in found if separator != BLANKS]
    if len(strong) == 1:
        return strong[0]
    if len(strong) > 1:
        named = " or ".join(SEPARATORS[separator] for separator in strong)
        raise InputError(f"{what} could be parted by {named}: quote the cells that hold one")
    if BLANKS in found or single == len(SEPARATORS):
        return BLANKS
    # The message of the separator that is there most often.
    text = "".join(lines[:TRIED])
    held = [one for one in uneven if one != BLANKS and one in text]
    most = max(held, key=text.count) if held else BLANKS
    raise InputError(f"{what} {_said(uneven.get(most, _Uneven('has uneven rows')))}")


def _tried(lines: list[str], separator: str) -> list[Row]:
    """Part the first lines; all of them where a quoted cell goes on beyond."""
    if len(lines) > TRIED:
        with suppress(csv.Error):
            return _split(lines[:TRIED], separator)
    return _split(lines, separator)


def _even(rows: list[Row], notes: list[str], what: str) -> list[Row]:
    """Return rows of one length; `_Uneven` when there are none such."""
    if not rows:
        raise _Uneven("must hold a table, got an empty file")
    rows = _without_count(rows, notes, what)
    widths = [len(row.cells) for row in rows[1:]] or [len(rows[0].cells)]
    width = max(set(widths), key=widths.count)
    plain = [
        row for k, row in enumerate(rows)
        if k == 0 or len(row.cells) == width or not row.cells[0].startswith("#")
    ]  # fmt: skip
    if len(plain) < len(rows):
        notes.append(f"{what}: {len(rows) - len(plain)} lines that begin with # are left out")
        rows = plain
    trailing = len(rows) > 1 and all(not row.cells[-1] for row in rows[1:] if row.cells)
    first = len(rows[0].cells)
    if width > 1 and trailing and first in (width, width - 1):
        if first == width - 1 or not rows[0].cells[-1]:
            cut = [Row(row.line, row.cells[: width - 1]) for row in rows[1:]]
            if all(len(row.cells) == width for row in rows[1:]):
                rows, width = [Row(rows[0].line, rows[0].cells[: width - 1]), *cut], width - 1
    elif first == width + 1 and len(rows) > 1 and not rows[0].cells[-1]:
        rows = [Row(rows[0].line, rows[0].cells[:-1]), *rows[1:]]
    elif first == width - 1 and _names_rows(rows):
        notes.append(f"{what}: the header has one name less: the first column names the rows")
        rows = [Row(rows[0].line, ("", *rows[0].cells)), *rows[1:]]
    expected = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != expected:
            raise _Uneven(
                f"line {row.line} must have {expected} cells as the header, got {len(row.cells)}"
            )
    return rows


def _names_rows(rows: list[Row]) -> bool:
    """Say whether the first cells name the rows: all different, under a header of words."""
    first = [row.cells[0] for row in rows[1:]]
    words = not any(map(is_number, rows[0].cells))
    counted = first in (
        [str(k) for k in range(len(first))],
        [str(k + 1) for k in range(len(first))],
    )
    many = len(rows[0].cells) > 1
    return words and len(set(first)) == len(first) and (many or (counted and len(first) > 2))


def _without_count(rows: list[Row], notes: list[str], what: str) -> list[Row]:
    """Leave out a first line that says how many rows follow, as CelebA's lists have it."""
    said = _said_rows(rows)
    if said is None:
        return rows
    notes.append(f"{what}: the first line, {said}, is taken as the number of rows")
    return rows[1:]


def _said_rows(rows: list[Row]) -> int | None:
    """Return the whole number that stands alone above rows of several cells."""
    alone = len(rows) > 1 and len(rows[0].cells) == 1 < len(rows[1].cells)
    first = rows[0].cells[0] if alone else ""
    return int(first) if first.isdecimal() and len(first) < 19 else None


def _titled(title: str, rows: list[Row], separator: str, notes: list[str], what: str) -> list[Row]:
    """Put the last comment before a table above it, where it can be its header."""
    try:
        (names,) = _split([title.lstrip().lstrip("#")], separator)
    except (ValueError, csv.Error):
        names = Row(0, ())
    words = bool(names.cells) and not any(map(is_number, names.cells))
    if words and len(names.cells) == len(rows[0].cells) and any(map(is_number, rows[0].cells)):
        return [Row(0, names.cells, is_title=True), *rows]
    notes.append(f"{what}: the lines before the table that begin with # are left out")
    return rows


def _check_one_column(rows: list[Row], what: str) -> None:
    """Refuse one column whose cells hold what could part them."""
    for row in rows:
        if any(one in row.cells[0] for one in ";,|\t") and not is_number(row.cells[0]):
            raise InputError(f"{what} line {row.line}: cannot tell what separates its cells")
