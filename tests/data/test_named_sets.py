"""Every published layout, prepared: its pixels and factors come back, and wrong files do not."""

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
from originals import Original, write_files, write_tar, write_zip
from PIL import Image
from scipy.io import savemat

from betavae import data as datasets
from betavae.data import cache, mpi3d, numpy_files, prepared
from betavae.data.factors import Factors
from betavae.data.pictures import fit_pixels
from betavae.data.prepare import prepare
from betavae.data.recipe import Options
from betavae.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mpi3d, "GRIDS", (originals.MPI3D_GRID,))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    return tmp_path / "original"


def line(name: str, path: Path, **options: Any) -> str:
    """The one line that a bad source ends in; nothing may be left in the cache."""
    with pytest.raises(InputError) as error:
        prepare(name, path, Options(**options))
    message = str(error.value)
    assert "\n" not in message
    kept = cache.cache_folder()
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]
    return message


WRITERS: list[tuple[str, Callable[[Path], Original]]] = [
    ("dsprites", originals.dsprites_npz),
    ("dsprites", originals.dsprites_hdf5),
    ("shapes3d", originals.shapes3d),
    ("mpi3d-toy", originals.mpi3d),
    ("cars3d", originals.cars3d),
    ("cars3d", lambda folder: originals.cars3d(folder, cells=True)),
    ("smallnorb", originals.smallnorb),
    ("smallnorb", lambda folder: originals.smallnorb(folder, zipped=False)),
    ("mnist", originals.mnist),
    ("fashionmnist", lambda folder: originals.mnist(folder, zipped=False)),
    ("chairs", originals.chairs),
    ("celeba", originals.celeba),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_pixels_and_factors_come_back(
    name: str, write: Callable[[Path], Original], folder: Path
) -> None:
    original = write(folder)
    prepare(name, original.path)
    dataset = datasets.load(name)
    expected = original.images
    side = dataset.images.image_shape[1]
    if expected.shape[2] != side:
        expected = fit_pixels(expected, side)
    pixels = dataset.images[:].numpy() * 255
    assert pixels.shape == expected.shape
    # JPEG keeps one colour only nearly.
    assert np.abs(pixels - expected).max() <= (3 if name == "celeba" else 1e-3)
    varying = [k for k, column in enumerate(original.factors.T) if len(set(column)) > 1]
    renamed = {"digit": "class"} if name == "fashionmnist" else {}
    assert (
        dataset.factor_names
        == tuple(renamed.get(original.names[k], original.names[k]) for k in varying)
        or name == "mpi3d-toy"
    )
    factors = dataset.factors(np.arange(len(dataset.images)))
    assert factors is not None
    if factors.shape[1] != len(varying):  # a grid that is given keeps constant factors
        varying = list(range(len(original.names)))
    np.testing.assert_array_equal(factors, original.factors[:, varying])
    full_grids = {"dsprites", "shapes3d", "mpi3d-toy", "cars3d", "smallnorb", "chairs"}
    assert (dataset.grid is not None) == (name in full_grids)


# ---------------------------------------------------------------- dSprites


@pytest.mark.parametrize("write", [originals.dsprites_npz, originals.dsprites_hdf5])
def test_dsprites_is_packed_and_compared_with_our_rendering(
    write: Callable[[Path], Original], folder: Path
) -> None:
    header = prepared.read_header(prepare("dsprites", write(folder).path))
    assert header.packed
    assert header.remark == "equal to our rendering (shapes2d), bit for bit"


def test_dsprites_with_one_wrong_pixel_is_found_out(folder: Path) -> None:
    images, classes = originals.dsprites_arrays()
    images[5, 0, 0] ^= 1
    np.savez(folder / "d.npz", imgs=images, latents_classes=classes)
    header = prepared.read_header(prepare("dsprites", folder / "d.npz"))
    assert header.remark == f"1 of {len(images)} images differ from our rendering"


def test_dsprites_metadata_is_never_unpickled(folder: Path, tmp_path: Path) -> None:
    prepare("dsprites", originals.dsprites_npz(folder, tmp_path / "trace").path)
    assert not (tmp_path / "trace").exists()


def test_pickled_images_are_refused_and_do_not_run(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = np.full((4, 64, 64), originals.Evil(trace), object)
    np.savez(folder / "d.npz", imgs=evil, latents_classes=evil)
    np.savez(folder / "m.npz", images=np.broadcast_to(evil[:, :, :, None], (4, 64, 64, 3)))
    np.savez(folder / "e.npz", imgs=np.zeros((4, 64, 64), np.uint8), latents_classes=evil)
    for file in ("d", "e"):
        assert "pickled Python objects" in line("dsprites", folder / f"{file}.npz")
    # Its count is refused before its values are looked at.
    assert "got 4" in line("mpi3d-toy", folder / "m.npz")
    assert not trace.exists()


# ---------------------------------------------------------------- MPI3D, HDF5


def test_mpi3d_is_streamed_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read of the archive is longer than a few images."""
    original = originals.mpi3d(folder)
    monkeypatch.setattr("betavae.data.arrays.PIECE", 4 * 64 * 64 * 3)
    read, longest = numpy_files.read_exactly, 0

    def watched(file: Any, count: int) -> bytes:
        nonlocal longest
        longest = max(longest, count)
        return read(file, count)

    monkeypatch.setattr(numpy_files, "read_exactly", watched)
    prepare("mpi3d-toy", original.path)
    assert longest == 4 * 64 * 64 * 3


def test_hdf5_chunks_are_unpacked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pieces that end within chunks, every image is still right."""
    monkeypatch.setattr("betavae.data.arrays.PIECE", 5 * 64 * 64 * 3)
    original = originals.shapes3d(folder)
    prepare("shapes3d", original.path)
    np.testing.assert_array_equal(datasets.load("shapes3d").images.data, original.images)


def test_hdf5_that_points_elsewhere_is_refused(folder: Path) -> None:
    original = originals.shapes3d(folder)
    with h5py.File(folder / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(original.path), "images")
        file["labels"] = np.zeros((96, 6))
    assert "must hold an array 'images'" in line("shapes3d", folder / "link.h5")
    with h5py.File(folder / "outside.h5", "w") as file:
        layout = [(str(folder / "3dshapes.h5"), 0, 96 * 64 * 64 * 3)]
        file.create_dataset("images", (96, 64, 64, 3), np.uint8, external=layout)
        file["labels"] = np.zeros((96, 6))
    assert "must be an array in the file itself" in line("shapes3d", folder / "outside.h5")


def test_without_h5py_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = originals.shapes3d(folder)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert line("shapes3d", original.path).endswith("pip install 'betavae[hdf5]'")


# ---------------------------------------------------------------- chairs, CelebA


def test_chairs_without_the_mat_are_numbered_by_name(folder: Path) -> None:
    members, views = originals.chairs_members(mat=False)
    write_files(folder, members)
    prepare("chairs", folder / "rendered_chairs")
    data = datasets.load("chairs").images.data
    by_name = sorted(views, key=lambda path: (path.split("/")[1], views[path][1:]))
    np.testing.assert_array_equal(data[:, 0, 32, 32], [views[path][3] for path in by_name])


def test_chairs_that_lack_views_have_labels_but_no_grid(folder: Path) -> None:
    members, views = originals.chairs_members()
    gone = sorted(views)[3]
    del members[gone]
    prepare("chairs", write_tar(folder / "rendered_chairs.tar", members))
    dataset = datasets.load("chairs")
    assert dataset.grid is None
    assert dataset.labels is not None
    assert dataset.labels.shape == (17, 3)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"size": 128}, (1, 128, 128)),
        ({"size": 32, "colour": True}, (3, 32, 32)),
        ({"crop": "whole"}, (1, 64, 64)),
    ],
)
def test_chairs_options(folder: Path, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    prepare("chairs", originals.chairs(folder).path, Options(**options))
    images = datasets.load("chairs", size=options.get("size")).images
    assert images.image_shape == shape
    dark = (images.data[0, 0] < 200).mean()
    # The square is a quarter of the crop, a ninth of the whole picture.
    assert dark == pytest.approx(1 / 9 if "crop" in options else 1 / 4, abs=0.02)


def celeba_folder(folder: Path, lists: str) -> Path:
    """CelebA unpacked, with its lists where the argument says."""
    members, _, labels = originals.celeba_members()
    write_files(folder / "celeba", members)
    where = {"official": ("Anno", "Eval"), "in": ("celeba", "celeba"), "none": None}[lists]
    if where is not None:
        written = originals.celeba_lists(labels)
        for place, (name, content) in zip(where, written.items(), strict=True):
            write_files(folder / place, {name: content})
    return folder / "celeba"


@pytest.mark.parametrize("lists", ["official", "in", "none"])
def test_celeba_lists_are_found_in_and_beside(folder: Path, lists: str) -> None:
    header = prepared.read_header(prepare("celeba", celeba_folder(folder, lists)))
    dataset = datasets.load("celeba")
    if lists == "none":
        assert dataset.labels is None
        assert header.remark == "no list_attr_celeba.txt in or beside the images: no labels"
    else:
        assert dataset.labels is not None
        np.testing.assert_array_equal(dataset.labels, originals.celeba_members()[2])


def test_celeba_as_kaggle_has_it(folder: Path) -> None:
    members, _, labels = originals.celeba_members()
    nested = {f"img_align_celeba/{name}": content for name, content in members.items()}
    rows = [f"{k + 1:06d}.jpg," + ",".join(map(str, 2 * row[:-1] - 1)) for k, row in
            enumerate(labels)]  # fmt: skip
    nested["list_attr_celeba.csv"] = "\n".join(
        ["image_id," + ",".join(originals.ATTRIBUTES), *rows]
    ).encode()
    rows = [f"{k + 1:06d}.jpg,{row[-1]}" for k, row in enumerate(labels)]
    nested["list_eval_partition.csv"] = "\n".join(["image_id,partition", *rows]).encode()
    prepare("celeba", write_zip(folder / "archive.zip", nested))
    dataset = datasets.load("celeba")
    assert dataset.factor_names == (*originals.ATTRIBUTES, "partition")
    np.testing.assert_array_equal(dataset.labels, labels)


def test_celeba_crop_and_whole(folder: Path) -> None:
    frame = np.zeros((218, 178, 3), np.uint8)
    frame[35:183, 15:163] = 255  # the centre square of 148
    members = {f"{k:06d}.jpg": originals.file_content(frame, "JPEG", quality=100) for k in range(2)}
    path = write_zip(folder / "img_align_celeba.zip", members)
    prepare("celeba", path)
    assert datasets.load("celeba").images.data.min() > 230
    prepare("celeba", path, Options(crop="whole", colour=False))
    images = datasets.load("celeba").images
    assert images.image_shape == (1, 64, 64)
    assert images.data.mean() / 255 == pytest.approx(148 * 148 / 178 / 218, abs=0.02)


# ---------------------------------------------------------------- wrong files


def damaged_chair(content: bytes) -> dict[str, bytes]:
    members, views = originals.chairs_members()
    members[sorted(views)[4]] = content
    return members


def animated() -> bytes:
    frames = [Image.fromarray(originals.noise(k, 450, 450)) for k in range(2)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is not a PNG or JPEG image"),
        (originals.file_content(originals.noise(0, 450, 450))[:4000], "is damaged"),
        (originals.file_content(originals.noise(0, 300, 450)), "crop must be in 1..300"),
        (animated(), "is animated, expected one picture a file"),
    ],
)
def test_bad_pictures_in_an_archive_are_one_line_that_names_them(
    folder: Path, content: bytes, message: str
) -> None:
    said = line("chairs", write_tar(folder / "chairs.tar", damaged_chair(content)))
    assert message in said
    assert "renders/image_005_p030_t103_r096.png" in said


def test_cmyk_and_palette_pictures_become_rgb(folder: Path) -> None:
    red = Image.new("RGB", (178, 218), (200, 10, 10))
    members = {
        "1.jpg": originals.file_content(red.convert("CMYK"), "JPEG", quality=100),
        "2.jpg": originals.file_content(red, "JPEG", quality=100),
        "3.png": originals.file_content(red.quantize(4)),
    }
    prepare("celeba", write_zip(folder / "img.zip", members))
    data = datasets.load("celeba").images.data.astype(int)
    assert np.abs(data - np.array([200, 10, 10])[:, None, None]).max() < 8


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
    said = line("celeba", path)
    assert said.startswith(f"{attributes} must have a row for every image, 2 are missing")
    assert said.endswith("the first is 000004.jpg")
    attributes.write_bytes(b"".join(rows).replace(b"000003.jpg", b"000003.jpg  1"))
    assert "row 3 must be a file name and 4 whole numbers, got '000003.jpg 1" in line(
        "celeba", path
    )
    attributes.write_bytes(b"\xff\xfe\x00")
    assert "must be text in UTF-8" in line("celeba", path)


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
    np.savez(folder / "a.npz", images=originals.noise(0, 5, 64, 64, 3))
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


def test_smallnorb_has_two_cameras(folder: Path) -> None:
    left, right = (originals.smallnorb(folder, camera=camera) for camera in (0, 1))
    size = 96 * 96
    assert left.images.reshape(-1, size).tolist() != right.images.reshape(-1, size).tolist()
    for cameras, wanted in (("left", left), ("right", right)):
        prepare("smallnorb", folder, Options(cameras=cameras))
        dataset = datasets.load("smallnorb")
        assert dataset.factor_names == left.names
        np.testing.assert_array_equal(dataset.images.data, fit_pixels(wanted.images, 64))
    prepare("smallnorb", folder, Options(cameras="both"))
    both = datasets.load("smallnorb")
    assert both.grid is not None
    assert both.grid.names == (*left.names, "camera")
    for camera, wanted in enumerate((left, right)):  # the last factor, so rows take turns
        np.testing.assert_array_equal(both.images.data[camera::2], fit_pixels(wanted.images, 64))


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
