"""Layouts that people's tables and files have besides the usual ones: right, or one clear line."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from betavae._system.errors import InputError
from betavae.data import load
from betavae.data.code_files import load_factors
from betavae.data.dataset import Dataset

PICTURES = np.random.default_rng(0).integers(0, 255, (12, 32, 32), dtype=np.uint8)
NAMES = [f"{k:02d}.png" for k in range(12)]
KINDS = ["cat", "dog", "ant"] * 4
SIZES = [k % 4 for k in range(12)]
ROWS = list(zip(NAMES, KINDS, SIZES, strict=True))


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(NAMES, PICTURES, strict=True):
        Image.fromarray(picture).save(path / name)
    return path


def words(dataset: Dataset, factor: str) -> list[object]:
    """Return a factor's values as people write them."""
    column = dataset.factor_names.index(factor)
    classes = dataset.factors(np.arange(len(dataset.images)))
    assert classes is not None
    names = dataset.value_names.get(factor)
    return [names[k] if names else int(k) for k in classes[:, column]]


def with_table(path: Path, text: str | bytes, name: str = "factors.csv") -> Dataset:
    there = folder(path / "pictures")
    (there / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return load(there)


def table(cells: list[str]) -> str:
    rows = [f'{name},{kind},"{cell}"' for (name, kind, _), cell in zip(ROWS, cells, strict=True)]
    return "\n".join(["file,kind,amount", *rows])


@pytest.mark.parametrize(
    "cells",
    [
        ["5%", "10%", "20%", "100%"],
        ["5.5 %", "10.25 %", "20 %", "100 %"],
        ["5 cm", "10 cm", "20 cm", "100 cm"],
        ["$5", "$10", "$20", "$1,000,000"],
        ["-5°", "0°", "20°", "100°"],
        ["1,200", "10,300", "11,000", "1,200,000"],
        ["'5'", "'10'", "'20'", "'100'"],
    ],
)
def test_numbers_with_a_unit_or_quotes_keep_their_order(tmp_path: Path, cells: list[str]) -> None:
    text = table([cells[size] for size in SIZES])
    assert words(with_table(tmp_path, text), "amount") == SIZES
    (tmp_path / "factors.csv").write_text(text)
    values, names = load_factors(tmp_path / "factors.csv")
    order = np.unique(values[:, names.index("amount")], return_inverse=True)[1]
    assert order.tolist() == SIZES


@pytest.mark.parametrize(
    "cells",
    [
        ["1st", "2nd", "3rd", "4th"],
        ["5 cm", "10 mm", "20 cm", "100 mm"],
        ["2024-01-10", "2024-02-10", "2024-03-10", "2024-04-10"],
        ["10:30", "11:30", "12:30", "13:30"],
        ["#ff00", "#ff01", "#ff02", "#ff03"],
        ["A5", "B10", "C20", "D100"],
        ["False", "True", "False", "True"],
    ],
)
def test_other_words_stay_words(tmp_path: Path, cells: list[str]) -> None:
    found = with_table(tmp_path, table([cells[size] for size in SIZES]))
    assert words(found, "amount") == [cells[size] for size in SIZES]


def plain(rows: list[tuple[str, str, int]]) -> str:
    return "\n".join(["file,kind,size", *(f"{a},{b},{c}" for a, b, c in rows)])


def test_rows_that_stand_twice_are_one_and_rows_that_differ_are_refused(tmp_path: Path) -> None:
    found = with_table(tmp_path / "a", plain([*ROWS[3:], *ROWS, *ROWS[:2]]))
    assert (words(found, "kind"), words(found, "size")) == (KINDS, SIZES)
    assert any("rows that stand there twice, left out: 11" in note for note in found.notes)
    with pytest.raises(InputError, match=r"names '00\.png' twice"):
        with_table(tmp_path / "b", plain([*ROWS, ("00.png", "dog", 3)]))


def test_json_lines_are_a_table(tmp_path: Path) -> None:
    rows = [{"file_name": a, "kind": b, "size": c, "box": [1, 2]} for a, b, c in ROWS]
    found = with_table(tmp_path, "\n".join(map(json.dumps, rows)), "metadata.jsonl")
    assert (words(found, "kind"), words(found, "size")) == (KINDS, SIZES)
    assert found.factor_names == ("kind", "size")
    with pytest.raises(InputError, match=r"factors\.jsonl line 1 must be a JSON object"):
        with_table(tmp_path / "bad", "[1]", "factors.jsonl")


def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (workbook(), "a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an Excel workbook"),
        (b"<html><table></table></html>", "a web page"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=f"must be text, got {kind}.*; save it as CSV"):
        with_table(tmp_path, content)


def test_previews_that_disks_write_are_passed_over(tmp_path: Path) -> None:
    there = folder(tmp_path / "a")
    for name in ("@eaDir/00.png", "__MACOSX/._00.png", "._00.png", ".ipynb_checkpoints/0.png"):
        (there / name).parent.mkdir(exist_ok=True)
        (there / name).write_bytes(b"no picture")
    assert len(load(there).images) == 12
    with pytest.raises(InputError, match="that is one picture: give the folder"):
        load(there / "00.png")


def test_tensors_in_mappings_of_mappings(tmp_path: Path) -> None:
    one = {"x": torch.from_numpy(PICTURES), "y": torch.tensor(SIZES)}
    torch.save({"train": one, "note": "mine"}, tmp_path / "one.pt")
    found = load(tmp_path / "one.pt")
    assert np.array_equal(found.images.data[:, 0], PICTURES)
    assert words(found, "y") == SIZES
    torch.save({"train": one, "test": one}, tmp_path / "two.pt")
    with pytest.raises(InputError, match="several sets of images, test/x and train/x"):
        load(tmp_path / "two.pt")


def test_fractions_of_another_range_are_told_the_way(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", (PICTURES / 127.5 - 1).astype(np.float32))
    with pytest.raises(InputError, match=r"of \[-1, 1\], add 1 and divide by 2"):
        load(tmp_path / "a.npy")
