"""Large tables of numbers are read at once: the same table as cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from betavae._system.errors import InputError
from betavae.data.readers import number_rows, tables
from betavae.data.readers.tables import Table, parse_table

NUMBERS = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["1e3", ".5", "2.", "+4", "-0", "9007199254740993", "nan", "inf", "", "1_0"]),
    st.sampled_from(["0.10", " 7 ", "1e400", "0x1", "NA", "#", "a"]),
)
NAMES = st.sampled_from(["", "a", "b", "0", "1", "Unnamed: 0", "size", "1.5", "NA"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Tables of numbers, and what is nearly one."""
    separator, end = draw(st.sampled_from(",;\t|  ")), draw(st.sampled_from(["\n", "\r\n"]))
    width, count = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    plain = draw(st.booleans())
    cell = st.floats(-9, 9, width=16).map(repr) if plain else NUMBERS
    rows = [[draw(cell) for _ in range(width)] for _ in range(count)]
    if draw(st.booleans()):  # as data frames number their rows
        rows = [[str(k), *row] for k, row in enumerate(rows)]
    first = [draw(NAMES if draw(st.booleans()) else cell) for _ in rows[0]]
    lines = [separator.join(row) for row in [first, *rows]]
    return end.join(lines) + draw(st.sampled_from(["", end, end + end]))


def read(text: str) -> tuple[object, ...]:
    """Return all that a table says, or why there is none."""
    try:
        table: Table = parse_table(text.encode(), "t.csv")
    except InputError as error:
        return (str(error),)
    try:
        values = [column.values(table.style).tolist() for column in table.columns if column.numeric]
        classes = [column.classes(table.style)[0].tolist() for column in table.columns]
    except InputError as error:
        return (str(error),)
    cells = [tuple(column.cells) for column in table.columns]
    found = (table.names, table.header, table.notes, repr(values), classes, cells)
    return (*found, table.rows([1, 0]).columns[0].numeric)


@given(texts())
@example("a,b\n1,2\n3,4\n")
@example("1.5,2\n1,2\n3,4\n")
@example(",a\n0,2.5\n1,4.5\n2,5.5\n")
@example("0 1\n0.5 2.5\n1.5 4.5\n")
@example(",\n0.0,0.0\n0.0,0.0\n0.0,0.0")
def test_the_quick_way_reads_what_the_slow_one_reads(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        slow = read(text)
        patch.setattr(number_rows, "LARGE", 0)
        assert read(text) == slow


def test_a_large_table_is_read_without_looking_at_its_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).normal(size=(30_000, 4))
    lines = "\n".join(",".join(map(repr, row)) for row in values.tolist())
    monkeypatch.setattr(tables, "split_table", lambda *_: pytest.fail("the slow way"))
    for head in ("a,b,c,d\n", ""):
        table = parse_table((head + lines).encode(), "t.csv")
        found = np.stack([column.values(table.style) for column in table.columns], axis=1)
        assert np.array_equal(found, values)
        assert table.header == bool(head)
