"""Folders and archives of pictures of every kind: what is taken, what is said, what is refused."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from user_images import line
from written import file_content, noise, write_files, write_tar, write_zip

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset

pytestmark = pytest.mark.usefixtures("own_cache")

GREY = noise(0, 12, 32, 32)
COLOUR = noise(1, 4, 32, 32, 3)


def folder(root: Path, images: Any, kind: str = "PNG", suffix: str = ".png") -> Path:
    """Write 1.png, 2.png, ... into a folder."""
    members = {f"{k}{suffix}": file_content(image, kind) for k, image in enumerate(images, 1)}
    return write_files(root, members)


def pixels(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.images.data)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("TIFF", ".tif"), ("TIFF", ".TIFF"), ("BMP", ".bmp"), ("PPM", ".ppm"), ("PNG", ".Png")],
)
def test_lossless_formats(tmp_path: Path, kind: str, suffix: str) -> None:
    dataset = datasets.load(folder(tmp_path / "set", COLOUR, kind, suffix))
    np.testing.assert_array_equal(pixels(dataset), np.moveaxis(COLOUR, 3, 1))


@pytest.mark.parametrize(
    ("kind", "suffix"), [("JPEG", ".jfif"), ("JPEG", ".JPG"), ("WEBP", ".webp"), ("GIF", ".gif")]
)
def test_other_formats(tmp_path: Path, kind: str, suffix: str) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
    dataset = datasets.load(folder(tmp_path / "set", [smooth, smooth.T], kind, suffix))
    assert np.abs(pixels(dataset)[0, 0].astype(int) - smooth).max() < 12


def test_names_are_in_natural_order_and_kept(tmp_path: Path) -> None:
    dataset = datasets.load(folder(tmp_path / "set", GREY))
    assert dataset.files == tuple(f"{k}.png" for k in range(1, 13))
    np.testing.assert_array_equal(pixels(dataset)[:, 0], GREY)


@pytest.mark.parametrize("top", [1, 3, 20, 200])
@pytest.mark.parametrize("size", [None, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_folder_behaves_as_the_same_array(
    tmp_path: Path, top: int, size: int | None, dtype: Any
) -> None:
    images = (GREY.astype(np.uint16) * (top + 1) // 256).astype(dtype)
    np.save(tmp_path / "set.npy", images)
    array = datasets.load(tmp_path / "set.npy", size=size)
    files = datasets.load(folder(tmp_path / "set", images), size=size)
    np.testing.assert_array_equal(files.images[:].numpy(), array.images[:].numpy())
    assert files.images[:].max() > 0.7


@pytest.mark.parametrize(("bits", "white"), [(9, 511), (12, 4095), (16, 65535)])
def test_sixteen_bits_by_their_used_range(tmp_path: Path, bits: int, white: int) -> None:
    images = GREY.astype(np.uint16) << (bits - 8)
    dataset = datasets.load(folder(tmp_path / "set", images, "TIFF", ".tif"))
    np.testing.assert_allclose(
        pixels(dataset)[:, 0] / 255, images / white, atol=0.51 / 255
    )  # fmt: skip
    assert any(f"{white} is white" in note for note in dataset.notes)


def test_grey_and_colour_together_are_rgb_whichever_comes_first(tmp_path: Path) -> None:
    for name, images in (("a", [GREY[0], COLOUR[0]]), ("b", [COLOUR[0], GREY[0]])):
        dataset = datasets.load(folder(tmp_path / name, images))
        assert dataset.images.image_shape == (3, 32, 32)
        assert any("grey pictures made RGB: 1" in note for note in dataset.notes)


def test_cmyk_and_transparency_are_converted_and_said(tmp_path: Path) -> None:
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    dataset = datasets.load(folder(tmp_path / "set", [red, clear], "TIFF", ".tif"))
    np.testing.assert_array_equal(pixels(dataset)[:, :, 0, 0], [[255, 0, 0], [255, 255, 255]])
    assert any("CMYK pictures made RGB without a colour profile: 1" in n for n in dataset.notes)
    assert any("transparent pictures laid on white: 1" in note for note in dataset.notes)


def test_of_animations_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.fromarray(image) for image in GREY[:3]]
    (tmp_path / "set").mkdir()
    frames[0].save(tmp_path / "set" / "a.gif", save_all=True, append_images=frames[1:])
    frames[1].save(tmp_path / "set" / "b.gif")
    dataset = datasets.load(tmp_path / "set")
    np.testing.assert_array_equal(pixels(dataset)[:, 0], GREY[:2])
    assert any("the first frame is taken: 1" in note for note in dataset.notes)


def test_what_is_left_out_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder(tmp_path / "set", GREY)
    write_files(root, {"a.txt": b"x", "b.txt": b"x", "notes.md": b"x", ".hidden": b"x"})
    os.mkfifo(root / "pipe.png")
    datasets.load(root)
    said = capsys.readouterr().err
    assert "left out 2 .txt files, 1 .md file, pipes or devices: 1" in said
    datasets.load(root)
    assert capsys.readouterr().err == ""


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", GREY[:3])
    folder(tmp_path / "more", GREY[3:5])
    (root / "again").symlink_to(root)
    (root / "more").symlink_to(tmp_path / "more")
    (root / "same").symlink_to(tmp_path / "more")
    assert datasets.load(root).files == ("1.png", "2.png", "3.png", "more/1.png", "more/2.png")


def test_sub_folders_as_factors(tmp_path: Path) -> None:
    members = {
        f"{kind}/{part}/{k}.png": file_content(GREY[k])
        for kind in ("cat", "dog")
        for part in ("old", "young")
        for k in range(2)
    }
    root = write_files(tmp_path / "set", members)
    plain = datasets.load(root)
    assert plain.factor_names == ()
    assert any("2 folders (cat, dog): --folders-as class" in note for note in plain.notes)
    one = datasets.load(root, folders_as="class")
    assert one.factor_names == ("class",)
    assert one.value_names == {"class": ("cat", "dog")}
    assert one.labels is not None
    np.testing.assert_array_equal(one.labels[:, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    two = datasets.load(root, folders_as="class/age")
    assert two.value_names == {"class": ("cat", "dog"), "age": ("old", "young")}
    assert "needs 3 levels of sub-folders" in line_kept(root, folders_as="a/b/c")


def line_kept(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        datasets.load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_damaged_pictures_are_listed_at_once_or_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", GREY)
    (root / "3.png").write_bytes(b"hello")
    (root / "10.png").write_bytes((root / "11.png").read_bytes()[:600])
    said = line(root)
    assert "2 pictures cannot be used: 3.png, 10.png (" in said
    assert said.endswith("--skip-bad leaves them out")
    rows = "".join(f"{k}.png,{k}\n" for k in range(1, 13))
    (root / "factors.csv").write_text("file,number\n" + rows)
    for _ in range(2):  # decoded, then from the cache
        dataset = datasets.load(root, skip_bad=True)
        assert dataset.files == tuple(f"{k}.png" for k in range(1, 13) if k not in (3, 10))
        np.testing.assert_array_equal(pixels(dataset)[:, 0], GREY[[0, 1, 3, 4, 5, 6, 7, 8, 10, 11]])
        assert dataset.labels is not None
        np.testing.assert_array_equal(
            dataset.labels[:, 0], [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]
        )  # fmt: skip
        assert any("cannot be used: 3.png, 10.png" in note for note in dataset.notes)


def test_only_the_first_ten_damaged_pictures_are_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", GREY)
    for k in range(1, 13):
        (root / f"b{k}.png").write_bytes(b"x")
    said = line(root)
    assert "12 pictures cannot be used: b1.png, b2.png, " in said
    assert "b10.png and 2 more (" in said
    for k in range(1, 13):
        (root / f"{k}.png").write_bytes(b"x")
    assert "none is left" in line(root, skip_bad=True)


WIDE = noise(2, 3, 40, 80, 3)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (3, 40, 80)),
        ({"size": 32}, (3, 32, 32)),
        ({"crop": 30}, (3, 30, 30)),
        ({"crop": 30, "size": 16}, (3, 16, 16)),
        ({"crop": "whole", "size": 48}, (3, 48, 48)),
        ({"pad": "edge"}, (3, 80, 80)),
        ({"pad": "white", "size": 200}, (3, 200, 200)),
    ],
)
def test_crop_pad_and_size_of_files_and_arrays(
    tmp_path: Path, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "set.npy", WIDE)
    array = datasets.load(tmp_path / "set.npy", **options)
    files = datasets.load(folder(tmp_path / "set", WIDE), **options)
    assert files.images.image_shape == shape
    np.testing.assert_array_equal(pixels(files), pixels(array))


def test_padding_keeps_the_picture_in_the_middle(tmp_path: Path) -> None:
    data = pixels(datasets.load(folder(tmp_path / "set", WIDE), pad="white"))
    np.testing.assert_array_equal(data[:, :, 20:60], np.moveaxis(WIDE, 3, 1))
    assert (data[:, :, :20] == 255).all()
    edge = pixels(datasets.load(tmp_path / "set", pad="edge"))
    np.testing.assert_array_equal(edge[:, :, 0], np.moveaxis(WIDE, 3, 1)[:, :, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 7}, "size must be in 8..256, got 7"),
        ({"size": 257}, "size must be in 8..256, got 257"),
        ({"crop": 0}, "crop must be 'whole' or the side of a square, got 0"),
        ({"crop": 41}, "crop must be in 1..40 for"),
        ({"crop": "whole"}, "crop 'whole' needs a size"),
        ({"crop": 9, "pad": "white"}, "pad and crop do not go together"),
        ({"pad": "pink"}, "pad must be one of black, white, edge, got 'pink'"),
        ({"folders_as": "a//b"}, "folders_as must be different names, got 'a//b'"),
    ],
)
def test_options_out_of_range_are_one_line(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    assert message in line(folder(tmp_path / "set", WIDE), **options)


def test_options_of_named_sets_are_refused() -> None:
    assert "takes a size only; crop is an option of `data prepare`" in line("mnist", crop=20)
    assert "size of shapes2d must be 64, got 32" in line("shapes2d", size=32)


def archive_members() -> dict[str, bytes]:
    members = {f"pics/{k}.png": file_content(GREY[k]) for k in range(4)}
    return {**members, "pics/labels.csv": b"image,kind\n3,d\n2,c\n1,b\n0,a\n", "pics/x.txt": b""}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_of_pictures(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        write_zip(path, archive_members())
    else:
        write_tar(path, archive_members(), "w:gz" if kind == "tar.gz" else "w")
    dataset = datasets.load(path)
    np.testing.assert_array_equal(pixels(dataset)[:, 0], GREY[:4])
    assert dataset.value_names == {"kind": ("a", "b", "c", "d")}
    assert dataset.files[0] == "pics/0.png"
    assert datasets.load(path).fingerprint() == dataset.fingerprint()


def test_archives_that_reach_outside_or_hold_links_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"../x.png": file_content(GREY[0])})
    assert "names a file outside of itself, '../x.png': refused" in line(path)
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        info = tarfile.TarInfo("x.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
        info = tarfile.TarInfo("y.png")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    assert "must hold plain files, got a link or device" in line(tmp_path / "b.tar")


@pytest.mark.parametrize("name", ["factors.csv", "shots.csv", "labels.tsv"])
def test_tables_beside_a_folder_count_only_if_they_name_its_files(
    tmp_path: Path, name: str
) -> None:
    root = folder(tmp_path / "shots", GREY)
    (tmp_path / name).write_text("x\n" + "".join(f"{k}\n" for k in range(12)))
    dataset = datasets.load(root)
    assert dataset.factor_names == ()
    assert any(name in note and "is left out" in note for note in dataset.notes)
    (tmp_path / name).write_text("pic,x\n" + "".join(f"{k}.png,{k}\n" for k in range(1, 13)))
    assert datasets.load(root).factor_names == ("x",)
    (tmp_path / name).write_bytes(b"\x00\x01")
    assert datasets.load(root).factor_names == ()


def test_a_folder_whose_name_is_a_sets_is_told(tmp_path: Path) -> None:
    dataset = datasets.load(folder(tmp_path / "img_align_celeba", GREY))
    assert any("betavae data prepare celeba --from" in note for note in dataset.notes)
