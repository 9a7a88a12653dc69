"""The factors of a set of pictures, out of a table that names them or stands in their order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.columns import Column
from betavae.data.readers.file_names import NAME_WORDS, Files, Match, explain, find_match, natural
from betavae.data.readers.tables import Table, parse_table
from betavae.data.readers.units import without_units

UNKNOWN = -1  # the class of a value that is not known


@dataclass(frozen=True)
class Labels:
    """Factors of N images.

    Attributes:
        values: (N, K) classes, -1 where not known.
        names: K names.
        value_names: by factor, what its classes are called, for factors of words.
        notes: what was assumed.
    """

    values: NDArray[np.int64]
    names: tuple[str, ...]
    value_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def beside(self, other: Labels | None) -> Labels:
        """Put these factors after `other` ones of the same images.

        Raises:
            InputError: when a name is in both.
        """
        if other is None:
            return self
        both = set(self.names) & set(other.names)
        if both:
            raise InputError(f"there are two factors called '{min(both)}'; rename one")
        return Labels(
            np.concatenate([other.values, self.values], axis=1),
            other.names + self.names,
            {**other.value_names, **self.value_names},
            other.notes + self.notes,
        )


def read_labels(
    content: bytes,
    what: str,
    files: tuple[str, ...],
    folder: Path | None = None,
    *,
    named: bool = False,
) -> Labels:
    """Read the factors of `files` from a table.

    The column of file names is found by what it holds; rows then come in any order, and rows of
    other files are left out with a note. Without such a column row i belongs to file i, if the
    files have one order only: sorted as text and by their numbers alike. Every other column is a
    factor. Its classes are its different values in sorted order, 0 the smallest, as numbers when
    all are numbers, else as words. An empty cell, NA, NaN and null are not known, class -1; so is
    -1 among whole numbers >= 0, where nothing else says "not known".

    Args:
        content: the table's bytes.
        what: what messages call it.
        files: the N images' relative paths, in the order of the rows wanted.
        folder: where they are, for tables that name it too.
        named: refuse a table without a column of names.

    Raises:
        InputError: when the table cannot be read or does not fit the files, in one line.
    """
    known = Files(files, folder)
    table = parse_table(content, what, rows=len(files), is_file=known.__contains__)
    match = find_match(table, known)
    if match is None and (once := _without_twins(table)) is not None:
        match = find_match(once, known)
        table = table if match is None else once
    if match is None and named:
        raise InputError(f"{what} {explain(table, known) or 'does not name the images'}")
    if match is None:
        _check_order(table, known)
    else:
        table = _matched(table, match)
    if not table.columns:
        only = "one that names the images" if match is not None else "the numbers of its rows"
        raise InputError(f"{what} has no factor columns, got only {only}")
    return labels_of(table)


def _without_twins(table: Table) -> Table | None:
    """Return a table without rows that stand in it twice, cell by cell; None without such."""
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    first = {row: k for k, row in reversed(list(enumerate(rows)))}
    if len(first) == len(rows):
        return None
    note = f"{table.what}: rows that stand there twice, left out: {len(rows) - len(first):,}"
    return replace(table.rows(sorted(first.values())), notes=(*table.notes, note))


def _matched(table: Table, match: Match) -> Table:
    """Return the rows of the files in their order, without the column that names them."""
    column = table.columns[match.column]
    notes = []
    if match.loose:
        notes.append(f"{table.what}: column '{column.name}' names the images, {match.loose}")
    elif not NAME_WORDS.fullmatch(column.name):
        notes.append(f"{table.what}: column '{column.name}' names the images")
    if match.others:
        notes.append(f"{table.what}: rows of other files, left out: {match.others}")
    chosen = table.rows(match.rows).without(match.column)
    return Table(table.what, chosen.columns, table.header, table.notes + tuple(notes))


def _check_order(table: Table, files: Files) -> None:
    """Refuse a table without names unless it has a row a file, and they have one order only."""
    reason = explain(table, files)
    if reason is not None:
        raise InputError(f"{table.what} {reason}")
    count = len(files.names)
    if len(table) != count:
        raise InputError(
            f"{table.what} must have one row an image, expected {count} rows, got {len(table)} "
            "(a column 'file' would say which is which)"
        )
    by_text, by_number = sorted(files.names), sorted(files.names, key=natural)
    if by_text != by_number:
        k = next(k for k in range(count) if by_text[k] != by_number[k])
        raise InputError(
            f"{table.what} has no column that names the images, and they have two orders: "
            f"'{by_text[k]}' or '{by_number[k]}' could be number {k + 1}; add a column 'file'"
        )


def labels_of(table: Table) -> Labels:
    """Turn every column into a factor."""
    table = without_units(table)
    names = table.names if table.header else tuple(
        f"factor{k + 1}" for k in range(len(table.columns))
    )  # fmt: skip
    notes = list(table.notes)
    values, value_names = [], {}
    for name, column in zip(names, table.columns, strict=True):
        if not name:
            raise InputError(f"{table.what}: the first column has no name")
        classes, words = column.classes(table.style)
        if words:
            value_names[name] = words
            _note_alike(column, words, notes)
        elif _marks_unknown(column, table):
            classes = np.where(classes == 0, UNKNOWN, classes - 1)
            notes.append(f"{table.what} column {name}: -1 is taken as not known")
        values.append(classes)
    return Labels(np.stack(values, axis=1), names, value_names, tuple(notes))


def _note_alike(column: Column, words: tuple[str, ...], notes: list[str]) -> None:
    folded: dict[str, str] = {}
    for word in words:
        other = folded.setdefault(word.casefold(), word)
        if other != word:
            notes.append(
                f"{column.what} column {column.name}: '{other}' and '{word}' are two classes"
            )
            return


def _marks_unknown(column: Column, table: Table) -> bool:
    """Say whether -1 means "not known": among whole numbers >= 0, with no other such mark.

    -1 and 1 alone are no and yes, as CelebA writes them.
    """
    known = column.known
    if not column.numeric or "-1" not in known or len(set(column.cells) - known):
        return False
    others = {float(table.style.number(cell)) for cell in known} - {-1.0}
    whole = all(value >= 0 and value == int(value) for value in others if np.isfinite(value))
    return whole and others not in (set(), {1.0}) and bool(np.isfinite(list(others)).all())
