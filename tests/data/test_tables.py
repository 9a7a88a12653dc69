"""factors.csv: rows in any order, words and numbers, and one line for tables that do not fit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from user_images import SORTED

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data.factors import Factors

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_table_with_a_file_column(shots: Path) -> None:
    (shots / "factors.csv").write_text(
        "kind, file,angle,light,id\n"
        + "".join(
            f"{'cat' if k % 2 else 'ant'},{name},{k * 30},{k / 4},{k}\n"
            for k, name in reversed(list(enumerate(SORTED)))
        ),
        encoding="utf-8-sig",
    )
    dataset = datasets.load(str(shots))
    assert dataset.factor_names == ("kind", "angle", "light", "id")
    assert dataset.labels is not None
    expected = [[k % 2, k, k, k] for k in range(6)]
    np.testing.assert_array_equal(dataset.labels, expected)


def test_a_table_without_names_in_sorted_order(shots: Path) -> None:
    (shots / "factors.csv").write_text("angle,colour\n9,red\n10,\n9,blue\n\n-1,red\n9,a\n1e1,a")
    dataset = datasets.load(str(shots))
    assert dataset.labels is not None
    # Numbers sort as numbers, words as words; an empty cell is not known, nor is -1 among others.
    np.testing.assert_array_equal(dataset.labels[:, 0], [0, 1, 0, -1, 0, 1])
    np.testing.assert_array_equal(dataset.labels[:, 1], [2, -1, 1, 2, 0, 0])


def test_a_table_in_the_folder_wins_and_can_be_a_grid(shots: Path) -> None:
    (shots.parent / "factors.csv").write_text("wrong\n1")
    (shots / "factors.csv").write_text("a,b,same\n" + "".join(
        f"{k // 2},{k % 2},7\n" for k in range(6)))  # fmt: skip
    assert datasets.load(str(shots)).grid == Factors(("a", "b"), (3, 2))


def named(names: list[str]) -> str:
    return "file,angle\n" + "".join(f"{name},{k}\n" for k, name in enumerate(names))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (named(SORTED[:-1]), "expected 6 rows, got 5: 'x/c.png' is missing"),
        (named([*SORTED[1:], "more.png"]), "names 'more.png', but there is no such image in th"),
        (named([*SORTED[:-1], "a.PNG"]), "names 'a.PNG' twice"),
        ("angle\n1\n2\n", "must have one row an image, expected 6 rows, got 2"),
        ("file\n" + "\n".join(SORTED), "has no factor columns, got only one that names the images"),
        ("angle,angle\n" + "1,2\n" * 6, "must start with different column names"),
        ("angle,\n" + "1,2\n" * 6, "must name every column, column 2 has no name"),
        ("", "must hold a table, got an empty file"),
        ("a,b\n1,2\n1\n", "line 3 must have 2 cells as the header, got 1"),
        ('a,b\n"1,2\n', "is no CSV table"),
        (b"a\n\xff\x81\n", "must be text in UTF-8"),
    ],
)
def test_bad_tables_are_one_line(
    shots: Path, own_cache: Path, table: str | bytes, message: str
) -> None:
    path = shots / "factors.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(InputError, match=re.escape(message)) as error:
        datasets.load(str(shots))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
