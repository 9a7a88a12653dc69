"""A folder of images: found, sorted, decoded and kept; one line for every bad file in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from user_images import COLOUR, GREY, ROWS, floats, line, png_file, rgb, torch_equal, write

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.cli import run
from betavae.data import cache, folder

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_folder_is_read_in_sorted_order_and_kept(
    shots: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = datasets.load(str(shots))
    assert dataset.images.image_shape == (1, 32, 32)
    np.testing.assert_array_equal(dataset.images.data[:, 0], GREY[ROWS])
    assert isinstance(dataset.images.data, np.memmap)
    assert len(list((own_cache / "prepared").iterdir())) == 1
    monkeypatch.setattr(folder, "decode_as", lambda *a: pytest.fail("decoded again"))
    monkeypatch.setattr(folder, "read_head", lambda *a: pytest.fail("opened again"))
    assert torch_equal(datasets.load(str(shots)), dataset)


@pytest.mark.parametrize("kind", ["folder", "npy"])
def test_users_own_images_train_from_the_command_line(
    shots: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = shots, tmp_path / "run"
    if kind == "npy":
        path = tmp_path / "images.npy"
        np.save(path, GREY)
    run(["train", str(path), "--images", "16", "--batch", "4", "--latents", "2", "--out", str(out)])
    assert f"saved in {out}" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["touch", "add", "remove", "rename", "size"])
def test_a_changed_folder_is_prepared_again(shots: Path, own_cache: Path, change: str) -> None:
    datasets.load(str(shots))
    options = {}
    if change == "touch":
        write(shots / "b.png", GREY[5])
        os.utime(shots / "b.png", ns=(5, 5))
    elif change == "add":
        write(shots / "e.png", GREY[0])
    elif change == "remove":
        (shots / "d.png").unlink()
    elif change == "rename":
        (shots / "b.png").rename(shots / "zz.png")
    else:
        options = {"size": 64}
    dataset = datasets.load(str(shots), **options)
    assert len(list((own_cache / "prepared").iterdir())) == 2
    assert len(dataset.images) == {"add": 7, "remove": 5}.get(change, 6)
    assert dataset.images.image_shape[1] == options.get("size", 32)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_prepared_file_is_made_again(
    shots: Path, own_cache: Path, damage: bytes | None
) -> None:
    before = floats(datasets.load(str(shots)))
    (kept,) = (own_cache / "prepared").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000] if damage is None else damage)
    np.testing.assert_array_equal(floats(datasets.load(str(shots))), before)


def test_one_colour_image_makes_the_set_rgb(shots: Path) -> None:
    write(shots / "b.png", rgb())
    dataset = datasets.load(str(shots))
    assert dataset.images.image_shape == (3, 32, 32)
    np.testing.assert_array_equal(dataset.images.data[1], COLOUR[0])
    np.testing.assert_array_equal(dataset.images.data[0], np.broadcast_to(GREY[1], (3, 32, 32)))


def pages(path: Path) -> None:
    frames = [Image.fromarray(image) for image in GREY[:3]]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def bomb(path: Path) -> None:
    path.write_bytes(png_file(60_000, 60_000, 8, 0, b""))


def cut(path: Path, keep: float) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


BAD_FILES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("text.png", lambda p: p.write_text("hello"), "is not an image that can be read, though its"),
    ("empty.jpg", lambda p: p.write_bytes(b""), "is not an image that can be read, though its"),
    ("half.png", lambda p: cut(write(p, GREY[0]), 0.5), "is damaged"),
    ("head.png", lambda p: cut(write(p, GREY[0]), 0.02), "is "),
    ("half.jpg", lambda p: cut(write(p, rgb(), quality=95), 0.5), "is damaged: image file is"),
    ("pages.tif", pages, "has 3 pages, expected one picture a file"),
    ("bomb.png", bomb, "refused as a possible decompression bomb"),
    ("small.png", lambda p: write(p, GREY[0][:7, :7]), "sides of 8 to 256 pixels, got 7x7"),
    ("wide.png", lambda p: write(p, np.zeros((32, 64), np.uint8)), "got 32x32 in"),
    ("large.png", lambda p: write(p, np.zeros((64, 64), np.uint8)), "got 32x32 in"),
    ("gone.png", lambda p: p.symlink_to(p.parent / "nothing"), "cannot read"),
]


@pytest.mark.parametrize(("name", "make", "message"), BAD_FILES, ids=[b[0] for b in BAD_FILES])
def test_bad_files_among_images_are_one_line_that_names_them(
    shots: Path, name: str, make: Callable[[Path], Any], message: str
) -> None:
    make(shots / "x" / name)
    said = line(shots)
    assert str(shots / "x" / name) in said
    assert message in said


def test_a_constant_folder_is_one_line(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write(tmp_path / "set" / name, np.full((32, 32), 9, np.uint8))
    assert "must differ somewhere, got the value 9 in every pixel" in line(tmp_path / "set")


def test_folders_without_images_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    expected = "must hold images such as .png or .jpg, got "
    assert expected + "no files" in line(tmp_path / "set")
    (tmp_path / "set" / "notes.txt").write_text("x")
    (tmp_path / "set" / "a.doc").write_text("x")
    assert expected + "2 other files, such as a.doc" in line(tmp_path / "set")


def test_a_cache_that_cannot_be_written_is_one_line(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"^cannot write .*; BETAVAE_CACHE=FOLDER moves the cache"):
        datasets.load(str(shots))


def test_a_full_disk_is_one_line_and_leaves_nothing(
    shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "reserve", full)
    said = line(shots)
    assert "cannot write" in said
    assert "No space left on device; BETAVAE_CACHE=FOLDER" in said


def test_many_files_show_a_bar_on_stderr_only(
    shots: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("betavae._system.progress.AFTER", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    datasets.load(str(shots))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "decoding images" in captured.err
