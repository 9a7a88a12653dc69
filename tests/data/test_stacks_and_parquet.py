"""Stacks of TIFF pages and Parquet files as data sets."""

from __future__ import annotations

import builtins
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from betavae._system.errors import InputError
from betavae.data import load

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 16, 24)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (12, 16, 24, 3)).astype(np.uint8)


def save_stack(path: Path, pages: list[Image.Image]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


@pytest.mark.parametrize(
    "pages",
    [
        GREY,
        COLOUR,
        GREY > 127,
        GREY.astype(np.uint16) * 16,
        (GREY / 255).astype(np.float32),
        (GREY // 64).astype(np.uint8),
    ],
    ids=["grey", "colour", "binary", "12 bits", "fractions", "mask"],
)
def test_the_pages_of_a_stack_behave_as_the_same_array(tmp_path: Path, pages: np.ndarray) -> None:
    stack = save_stack(tmp_path / "stack.tif", [Image.fromarray(page) for page in pages])
    np.save(tmp_path / "same.npy", pages)
    found, same = load(stack), load(tmp_path / "same.npy")
    assert np.array_equal(found.images[:], same.images[:])
    assert found.images.packed == same.images.packed
    assert [n.partition(": ")[2] for n in found.notes] == [n.partition(": ")[2] for n in same.notes]


def test_a_folder_of_one_stack_is_the_stack_with_its_table(tmp_path: Path) -> None:
    save_stack(tmp_path / "a/stack.TIFF", [Image.fromarray(page) for page in GREY])
    (tmp_path / "a/factors.csv").write_text("kind\n" + "cat\ndog\n" * 6)
    found = load(tmp_path / "a")
    assert np.array_equal(found.images[:], load(tmp_path / "a/stack.TIFF").images[:])
    assert found.labels is not None
    assert found.labels[:, 0].tolist() == [0, 1] * 6
    assert "12 pages" in found.notes[0]
    # Beside other pictures a stack is refused: which page would be the picture?
    Image.fromarray(GREY[0]).save(tmp_path / "a/one.png")
    with pytest.raises(InputError, match="12 pages, expected one picture a file"):
        load(tmp_path / "a")


def test_pages_that_are_not_alike_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY[0]), Image.fromarray(GREY[1][:8])]
    with pytest.raises(InputError, match=r"must have pages alike.*as page 2"):
        load(save_stack(tmp_path / "stack.tif", pages))
    (tmp_path / "no.tif").write_bytes(b"II*\0 no picture")
    with pytest.raises(InputError, match=r"no\.tif"):
        load(tmp_path / "no.tif")


def encoded(picture: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind)
    return out.getvalue()


def save_parquet(path: Path, features: dict[str, Any] | None = None, **columns: Any) -> Path:
    table = pa.table(columns)
    if features is not None:
        said = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": said})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def test_a_column_of_bytes_or_structs_is_the_pictures(tmp_path: Path) -> None:
    structs = [{"bytes": encoded(one), "path": f"p/{k}.png"} for k, one in enumerate(COLOUR)]
    digit, word = [k % 3 for k in range(12)], ["cat", "dog"] * 6
    features = {"label": {"names": ["zero", "one", "two"], "_type": "ClassLabel"}, "image": {}}
    path = save_parquet(tmp_path / "a.parquet", features, image=structs, label=digit, kind=word)
    found = load(path)
    assert np.array_equal(found.images.data, COLOUR.transpose(0, 3, 1, 2))
    assert found.factor_names == ("label", "kind")
    assert dict(found.value_names) == {"label": ("zero", "one", "two"), "kind": ("cat", "dog")}
    assert found.files[:2] == ("p/0.png", "p/1.png")
    plain = save_parquet(tmp_path / "b.parquet", photo=[encoded(one) for one in GREY], y=digit)
    bare = load(plain, size=16)
    assert bare.images.image_shape == (1, 16, 16)
    assert bare.files == ()
    lists = save_parquet(tmp_path / "c.parquet", pixels=GREY.tolist(), y=digit)
    assert np.array_equal(load(lists).images.data[:, 0], GREY)


def test_a_folder_of_parts_is_one_set(tmp_path: Path) -> None:
    for part, rows in enumerate((GREY[:5], GREY[5:])):
        save_parquet(
            tmp_path / f"data/train-0000{part}-of-00002.parquet",
            image=[encoded(one) for one in rows], label=[part] * len(rows),
        )  # fmt: skip
    found = load(tmp_path)
    assert np.array_equal(found.images.data[:, 0], GREY)
    assert found.labels is not None
    assert found.labels[:, 0].tolist() == [0] * 5 + [1] * 7
    assert any("2 .parquet files" in note for note in found.notes)


def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"one column of pictures.*got 'a' \(int64\)"):
        load(save_parquet(tmp_path / "numbers.parquet", a=[1, 2]))
    with pytest.raises(InputError, match="row 2 must hold its bytes, got none"):
        load(save_parquet(tmp_path / "holes.parquet", image=[encoded(GREY[0]), None]))
    with pytest.raises(InputError, match="row 2 is not an image"):
        load(save_parquet(tmp_path / "bad.parquet", image=[encoded(GREY[0]), b"no picture"]))
    (tmp_path / "no.parquet").write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(InputError, match=r"no\.parquet"):
        load(tmp_path / "no.parquet")
    path = save_parquet(tmp_path / "good.parquet", image=[encoded(one) for one in GREY])
    true = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return true(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'betavae\[parquet\]'"):
        load(path)
