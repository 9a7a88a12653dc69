"""Named sets that are damaged, cut short or of another kind: one line, and nothing kept."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import originals
import pytest
from named_sets import WRITERS, line
from PIL import Image
from scipy.io import savemat
from written import Original, file_content, noise, write_tar, write_zip

from betavae import data as datasets
from betavae.data.factors import Factors
from betavae.data.prepare import prepare

pytestmark = pytest.mark.usefixtures("small_grids")


def damaged_chair(content: bytes) -> dict[str, bytes]:
    members, views = originals.chairs_members()
    members[sorted(views)[4]] = content
    return members


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is not an image that can be read"),
        (file_content(noise(0, 450, 450))[:4000], "is damaged"),
        (file_content(noise(0, 300, 450)), "crop must be in 1..300"),
    ],
)
def test_bad_pictures_in_an_archive_are_one_line_that_names_them(
    folder: Path, content: bytes, message: str
) -> None:
    said = line("chairs", write_tar(folder / "chairs.tar", damaged_chair(content)))
    assert message in said
    assert "renders/image_005_p030_t103_r096.png" in said


def test_palette_pictures_become_rgb(folder: Path) -> None:
    red = Image.new("RGB", (178, 218), (200, 10, 10))
    members = {
        "2.jpg": file_content(red, "JPEG", quality=100),
        "3.png": file_content(red.quantize(4)),
    }
    prepare("celeba", write_zip(folder / "img.zip", members))
    data = datasets.load("celeba").images.data.astype(int)
    assert np.abs(data - np.array([200, 10, 10])[:, None, None]).max() < 8


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.001, 0.3, 0.7])
@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_truncated_files_are_one_line(
    name: str, write: Callable[[Path], Original], folder: Path, keep: float
) -> None:
    path = write(folder).path
    if path.is_dir():
        path = max(path.iterdir(), key=lambda file: file.stat().st_size)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    said = line(name, path if name not in ("smallnorb", "mnist", "fashionmnist") else path.parent)
    assert str(path) in said


def test_attribute_lists_must_fit(folder: Path) -> None:
    members, _, labels = originals.celeba_members()
    path = write_zip(folder / "img_align_celeba.zip", members)
    lists = originals.celeba_lists(labels)
    attributes = folder / "list_attr_celeba.txt"
    rows = lists[attributes.name].splitlines(keepends=True)
    attributes.write_bytes(b"".join(rows[:5] + rows[7:]))
    assert "begins with 12, which is not the number of its rows" in line("celeba", path)
    attributes.write_bytes(b"".join([b"10\n", *rows[1:5], *rows[7:]]))
    said = line("celeba", path)
    assert said.startswith(f"{attributes} must have a row for every image, 2 are missing")
    assert said.endswith("the first is 000004.jpg")
    attributes.write_bytes(b"".join(rows).replace(b"000003.jpg", b"000003.jpg  1"))
    assert "line 5 must have 5 cells as the header, got 6" in line("celeba", path)
    attributes.write_bytes(b"\xff\xfe\x00")
    assert "must be text in UTF-8" in line("celeba", path)


@pytest.mark.slow
def test_a_wrong_mat_is_one_line(folder: Path) -> None:
    members, _ = originals.cars3d_members()
    car = "data/cars/car_002_mesh.mat"
    for content, message in (
        (b"no matlab here" * 100, "is damaged or not a MATLAB file"),
        (members[car][:3000], "is damaged or not a MATLAB file"),
        (b"MATLAB 7.3 MAT-file" + bytes(200), "is a MATLAB 7.3 file, expected version 5"),
        (mat(mask=np.zeros((4, 4))), "must hold im, got mask"),
        (mat(im=np.zeros((8, 8, 3, 24, 2), np.uint8)), "im must be (H, W, 3, 24, 4) uint8, got"),
        (mat(im=np.zeros((8, 8, 3, 24, 4))), "got (8, 8, 3, 24, 4) float64"),
        (mat(im=np.array([["a", "bc"]], object)), "im must hold 24 x 4 images of one size"),
    ):
        path = write_tar(folder / "cars.tar.gz", {**members, car: content}, "w:gz")
        said = line("cars3d", path)
        assert message in said
        assert "car_002_mesh.mat" in said


def mat(**contents: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, contents)
    return file.getvalue()


def test_sets_of_another_kind_are_one_line(folder: Path) -> None:
    np.savez(folder / "a.npz", images=noise(0, 5, 64, 64, 3))
    (folder / "b.txt").write_text("x")
    with h5py.File(folder / "c.h5", "w") as file:
        file["images"] = np.zeros((3, 64, 64, 3), np.uint8)
        file["labels"] = np.zeros((3, 5))
    assert "must hold 64 images, got 5" in line("mpi3d-toy", folder / "a.npz")
    assert "must hold arrays imgs and latents_classes, got images" in line(
        "dsprites", folder / "a.npz"
    )
    assert "must hold one label of 6 values an image, got (3, 5)" in line(
        "shapes3d", folder / "c.h5"
    )
    assert "dsprites needs a .npz or .hdf5 or .h5 file, got" in line("dsprites", folder / "b.txt")
    assert "is damaged or not a .txt file" in line("chairs", folder / "b.txt")
    assert "smallnorb needs the folder that holds its files" in line("smallnorb", folder / "b.txt")
    for name in ("smallnorb", "mnist", "celeba", "cars3d", "mpi3d-toy", "chairs"):
        empty = folder / f"empty-{name}"
        empty.mkdir()
        said = line(name, empty)
        assert "must hold" in said
        assert str(empty) in said


def test_smallnorb_parts_must_belong_together(folder: Path) -> None:
    originals.smallnorb(folder, zipped=False)
    info = next(folder.glob("*training-info.mat"))
    content = info.read_bytes()
    info.unlink()
    assert "lacks smallnorb-...-training-info.mat" in line("smallnorb", folder)
    info.write_bytes(originals.norb_matrix(np.zeros((3, 4), np.int32)))
    assert "the training files must be (N, 2, H, W) bytes, (N,) and (N, 4)" in line(
        "smallnorb", folder
    )
    info.write_bytes(b"\0" * 40)
    assert "must be a SmallNORB matrix, got another start" in line("smallnorb", folder)
    info.write_bytes(content + b"\0")
    assert "it goes on after" in line("smallnorb", folder)
    info.unlink()
    for file in folder.glob("*training*"):
        file.unlink()
    prepare("smallnorb", folder)
    assert datasets.load("smallnorb").grid == Factors(
        ("category", "instance", "elevation", "azimuth", "lighting"), (2, 2, 2, 2, 2)
    )


def test_idx_headers_that_lie_are_one_line(folder: Path) -> None:
    originals.mnist(folder, zipped=False)
    images = folder / "train-images-idx3-ubyte"
    good = images.read_bytes()
    for content, message in (
        (b"\x50\x4b" + good[2:], "must be an idx file of bytes or integers"),
        (good[:4] + b"\x7f\xff\xff\xff" + good[8:], "its header says (2147483647, 28, 28)"),
        (good[:4] + b"\xff\xff\xff\xff" + good[8:], "its header says (-1, 28, 28)"),
        (good[:4] + b"\0\0\x10\0" + good[8:], "N labels, got (4096, 28, 28) and (20,)"),
        (gzip.compress(good)[:-9], "damaged"),
    ):
        images.write_bytes(content)
        said = line("mnist", folder)
        assert message in said
        assert str(images) in said
    images.unlink()
    assert "but not what belongs to it" in line("mnist", folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../escaped.png", "/etc/x.png", "a/../../x.png", "C:\\x.png"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_members_that_point_outside_are_refused(
    folder: Path, write: Callable[..., Path], name: str
) -> None:
    members, _ = originals.chairs_members()
    path = write(folder / ("x.tar" if write is write_tar else "x.zip"), {**members, name: b"x"})
    before = sorted(p for p in folder.parent.rglob("*"))
    assert f"names a file outside of itself, '{name}': refused" in line("chairs", path)
    assert sorted(p for p in folder.parent.rglob("*")) == before


def test_a_tar_cut_between_two_members_is_one_line(folder: Path) -> None:
    members, _ = originals.chairs_members()
    path = write_tar(folder / "x.tar", members)
    with tarfile.open(path) as archive:
        second = archive.getmembers()[9].offset
    path.write_bytes(path.read_bytes()[:second])
    assert "is truncated: the mark of its end is missing" in line("chairs", path)


def test_links_in_a_tar_are_refused(folder: Path) -> None:
    members, views = originals.chairs_members()
    path = write_tar(folder / "x.tar", members)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo(sorted(views)[0] + "2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "must hold plain files, got a link or device" in line("chairs", path)
