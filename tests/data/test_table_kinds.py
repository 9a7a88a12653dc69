"""Tables as people write them: each kind is read right, or refused in one line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betavae._system.errors import InputError
from betavae.data.factors_table import Labels, read_labels
from betavae.data.readers.tables import Table, parse_table

FILES = ("000.png", "001.png", "002.png")
PLAIN = "file,x\n000.png,1.5\n002.png,NA\n001.png,3\n"


def labels(table: str | bytes, files: tuple[str, ...] = FILES, folder: str | None = None) -> Labels:
    content = table if isinstance(table, bytes) else table.encode()
    return read_labels(content, "t.csv", files, None if folder is None else Path(folder))


@pytest.mark.parametrize(
    "table",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";").replace("1.5", "1,5"),
        PLAIN.replace(",", "\t").replace("1.5", "1,5"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", " "),
        PLAIN.replace(",", "   ").replace("\n", "  \n"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("1.5\n", "1.5,\n").replace("NA\n", "NA,\n").replace("3\n", "3,\n"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        "# made by hand\n\n" + PLAIN,
        PLAIN.replace("file", "#file"),
        PLAIN.replace("NA", ""),
        PLAIN.replace("NA", "nan"),
        PLAIN.replace("NA", "null"),
        PLAIN.replace("NA", "None"),
        PLAIN.replace("NA", "#N/A"),
        PLAIN.replace("file", "Bild").encode("utf-16"),
        PLAIN.replace("file", "Bild").encode("utf-16-le"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("file", "größe").encode("latin-1"),
        PLAIN.replace("file", "anything at all"),
        '"file","x"\n"000.png","1.5"\n"002.png",""\n"001.png","3"\n',
        PLAIN.replace(".png", ""),
        PLAIN.replace(".png", ".jpg"),
        PLAIN.replace("000.png", "./000.png"),
        PLAIN.replace("00", "pics/00"),
        PLAIN.replace("00", "C:\\my pictures\\00"),
        PLAIN.replace("00", "/home/someone/pics/00"),
        PLAIN.replace(".png", ".PNG"),
        PLAIN.replace("000.png", "0").replace("001.png", "1").replace("002.png", "2"),
        ",file,x\n0,000.png,1.5\n1,002.png,\n2,001.png,3\n",
        "Unnamed: 0,file,x\n1,000.png,1.5\n2,002.png,\n3,001.png,3\n",
        "file,x\n,mm\n000.png,1.5\n002.png,\n001.png,3\n",
        PLAIN + "other.png,2\n",
        PLAIN.replace("file,x\n", ""),
        '"x"\n"000.png" 1.5\n"002.png" NA\n"001.png" 3\n'.replace('"x"', "3\nfile x"),
        "file,x\n000.png,1.5\n\n002.png,NA\n,\n001.png,3\n\n\n",
    ],
)  # fmt: skip
def test_the_same_table_in_many_forms(table: str | bytes) -> None:
    found = labels(table, folder="/data/pics")
    np.testing.assert_array_equal(found.values, [[0], [1], [-1]])
    assert found.names in (("x",), ("factor1",))
    assert found.value_names == {}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x\n3\n2\n1\n2\n", "must have one row an image, expected 3 rows, got 4"),
        ("file,x\n000.png,1\n001.png,2\n", "'002.png' is missing"),
        ("file,x\n000.png,1\n000.png,3\n001.png,2\n002.png,2\n", "names '000.png' twice"),
        ("file,x\n000.png,1\n001.png,2\nzzz.png,3\n", "names 'zzz.png', but there is no such"),
        ("file,x,x\n000.png,1,1\n001.png,1,1\n002.png,1,1\n", "got 'x' twice"),
        ("file,x,\n000.png,1,1\n001.png,1,1\n002.png,1,1\n", "column 3 has no name"),
        ("file,x\n000.png,1\n001.png,2,3\n002.png,1\n", "line 3 must have 2 cells"),
        ('file,x\n000.png,"1,234"\n001.png,"5,678"\n002.png,"1"\n', "could be 1.234 or 1234"),
        ('file,x\n000.png,"0,5"\n001.png,1.5\n002.png,1\n', "writes numbers in two styles"),
        ("file,x\n000.png,1\n001.png,2\n002.png,unknown\n", "holds numbers and words such as 'unk"),
        ("a;b,c\nx;y,z\nx;w,z\n", "could be parted by semicolons or commas"),
        ("file,x\n", "has a header and no rows"),
        ("file\n000.png\n001.png\n002.png\n", "has no factor columns"),
        ("", "got an empty file"),
        ("\n\n", "got an empty file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "must be text"),
        (",", "got an empty file"),
        ("7\n000.png 1\n001.png 2\n002.png 3\n", "begins with 7, which is not the number"),
        ("file,x\n000.png,\n001.png,NA\n002.png,1,2\n", "line 4 must have 2 cells"),
        ("colour\nlight blue\nred\n", "line 2 must have 1 cells as the header, got 2"),
        ('a,b\n"1,2\n', "is no CSV table"),
    ],
)
def test_what_is_not_certain_is_refused(table: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as error:
        labels(table)
    said = str(error.value)
    assert message in said
    assert said.startswith("t.csv")
    assert "\n" not in said
    assert len(said) < 300


def test_rows_without_names_need_one_order_of_files() -> None:
    found = labels("x\n3\n2\n1\n")
    np.testing.assert_array_equal(found.values[:, 0], [2, 1, 0])
    with pytest.raises(InputError, match=r"two orders: '10\.png' or '2\.png' could be number 2"):
        labels("x\n3\n2\n1\n", ("1.png", "2.png", "10.png"))


def test_bare_numbers_are_names_only_where_their_column_says_so() -> None:
    files = ("0.png", "1.png", "2.png")
    np.testing.assert_array_equal(labels("id,x\n2,5\n0,3\n1,4\n", files).values[:, 0], [0, 1, 2])
    with pytest.raises(InputError, match="column 'angle' holds either values or the names"):
        labels("angle,x\n2,5\n0,3\n1,4\n", files)
    found = labels("angle,x\n0,5\n1,3\n2,4\n", files)  # the same order either way: values
    assert found.names == ("angle", "x")


def test_names_in_sub_folders_and_unicode() -> None:
    files = ("a/1.png", "b/1.png", "b/cafe\u0301.png")
    table = "name,x\nb/1.png,1\na\\1.png,0\nb/caf\u00e9.png,2\n"
    np.testing.assert_array_equal(labels(table, files).values[:, 0], [0, 1, 2])
    with pytest.raises(InputError, match=r"names '1\.png'"):
        labels("name,x\n1.png,1\n1.png,0\nb/caf\u00e9.png,2\n", files)


def test_one_table_for_several_folders() -> None:
    table = "".join(f"{part}/{name},{k}\n" for part in ("train", "test")
                    for k, name in enumerate(FILES))  # fmt: skip
    found = labels(table.replace("test/000.png,0", "test/000.png,9"), folder="/d/test")
    np.testing.assert_array_equal(found.values[:, 0], [2, 0, 1])
    assert any("left out: 3" in note for note in found.notes)


def test_words_keep_their_names_and_case() -> None:
    found = labels("file,kind,size\n000.png,Red,S\n001.png,red,\n002.png,blue,XL\n")
    assert found.value_names == {"kind": ("Red", "blue", "red"), "size": ("S", "XL")}
    np.testing.assert_array_equal(found.values, [[0, 0], [2, -1], [1, 1]])
    assert any("'Red' and 'red' are two classes" in note for note in found.notes)


def test_quoted_separators_and_lines_stay_in_their_cells() -> None:
    found = labels('file,kind\n000.png,"a, b"\n001.png,"a;\nb"\n002.png,"say ""no"""\n')
    assert found.value_names["kind"] == ("a, b", "a;\nb", 'say "no"')


def test_minus_one_is_not_known_unless_it_must_be_a_value() -> None:
    rows = "file,mark,sign,two\n000.png,-1,-1,-1\n001.png,0,-2,1\n002.png,2,2,1\n"
    np.testing.assert_array_equal(
        labels(rows).values, [[-1, 1, 0], [0, 0, 1], [1, 2, 1]]
    )  # fmt: skip


def test_a_column_without_any_value_is_not_known() -> None:
    found = labels("file,x,y\n000.png,,1\n001.png,NA,2\n002.png,nan,3\n")
    np.testing.assert_array_equal(found.values, [[-1, 0], [-1, 1], [-1, 2]])


def test_long_numbers_are_told_apart() -> None:
    rows = "file,id\n000.png,12345678901234567\n001.png,12345678901234568\n002.png,9\n"
    np.testing.assert_array_equal(labels(rows).values[:, 0], [1, 2, 0])
    huge = "9" * 310
    found = labels(f"file,x\n000.png,{huge}\n001.png,a\n002.png,b\n")
    assert found.value_names["x"] == (huge, "a", "b")


def test_headers_of_numbers() -> None:
    """What data frames write above numbers is no row of them."""
    for text in ("0,1\n.5,.25\n1,2\n", ",0,1\n0,.5,.25\n1,1,2\n2,3,4\n", "0,1\n0,3\n1,2\n"):
        table = parse_table(text.encode(), "t")
        assert table.header
        assert table.names == ("0", "1")
    assert not parse_table(b"0,1\n0,3\n1,2\n", "t", rows=3).header
    assert not parse_table(b"0.5,1\n0,3\n1,2\n", "t").header
    assert not parse_table(b"0\n1\n1\n", "t").header
    assert parse_table(b"1,2\n0.5,.25\n0.1,0.2\n", "t").header


def test_savetxt_and_r(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(3, 2) / 3
    file = io.StringIO()
    np.savetxt(file, values, header="a b")
    table = parse_table(file.getvalue().encode(), "t")
    assert table.names == ("a", "b")
    np.testing.assert_allclose([c.values(table.style) for c in table.columns], values.T)
    table = parse_table(b'"a" "b"\n"1" 0.5 2\n"2" 1.5 3\n"3" 2.5 4\n', "t")
    assert table.names == ("a", "b")


def one_line(error: InputError) -> None:
    assert "\n" not in str(error)


words = st.text(
    st.sampled_from("abcXYZ éß_-,;|\"'.()/0123456789"), min_size=1, max_size=8
).map(str.strip)  # fmt: skip
sane = words.filter(lambda w: any(c.isalpha() for c in w))


@given(
    st.data(),
    st.integers(2, 12),
    st.lists(sane, min_size=1, max_size=4, unique=True),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_any_sane_table_is_read_back_or_refused(
    data: st.DataObject, count: int, names: list[str], separator: str, comma: bool
) -> None:
    files = tuple(f"pic {k:03d}.png" for k in range(count))
    decimal = "," if comma and separator != "," else "."
    columns: list[list[object]] = []
    for _ in names:
        kind = data.draw(st.sampled_from(["whole", "fraction", "word"]))
        values = {
            "whole": st.integers(0, 50),
            "fraction": st.integers(0, 40).map(lambda k: (4 * k + 1) / 8),
            "word": sane,
        }[kind]
        columns.append(data.draw(st.lists(values, min_size=count, max_size=count)))
    order = data.draw(st.permutations(range(count)))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(["which", *names])
    for k in order:
        cells = [column[k] for column in columns]
        cells = [str(c).replace(".", decimal) if isinstance(c, float) else c for c in cells]
        writer.writerow([files[k], *cells])
    try:
        found = labels(file.getvalue(), files)
    except InputError as error:
        one_line(error)
        return
    for name, column in zip(names, columns, strict=True):
        if name.startswith("Unnamed"):
            continue
        known = sorted(set(column))  # type: ignore[type-var]
        np.testing.assert_array_equal(
            found.values[:, found.names.index(name)], [known.index(value) for value in column]
        )


@given(st.binary(max_size=200))
def test_bytes_are_a_table_or_one_line(content: bytes) -> None:
    try:
        assert isinstance(parse_table(content, "t"), Table)
    except InputError as error:
        one_line(error)


@given(st.text(st.sampled_from("0123456789.,;\t -+eE#\"'\nabNA"), max_size=80))
def test_text_is_a_table_or_one_line(text: str) -> None:
    try:
        table = parse_table(text.encode(), "t")
        for column in table.columns:
            column.classes(table.style)
    except InputError as error:
        one_line(error)
