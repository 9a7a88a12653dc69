"""A user's .npy and .npz files: every layout and dtype that works, one line for all that don't."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from user_images import BINARY, COLOUR, GREY, RNG, Evil, floats, line
from written import noise

from betavae import data as datasets
from betavae.data import array_files as archives
from betavae.data import cache
from betavae.data.factors import Factors
from betavae.data.readers.arrays import to_store

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    ("images", "expected", "packed"),
    [
        (GREY, GREY[:, None] / 255, False),
        (GREY[:, None], GREY[:, None] / 255, False),
        (GREY[..., None], GREY[:, None] / 255, False),
        (COLOUR, COLOUR / 255, False),
        (np.moveaxis(COLOUR, 1, 3), COLOUR / 255, False),
        (np.asfortranarray(COLOUR), COLOUR / 255, False),
        (GREY.astype(np.int64), GREY[:, None] / 255, False),
        (GREY.astype(">u2"), GREY[:, None] / 255, False),
        (GREY / 255, GREY[:, None] / 255, False),
        ((GREY / 255).astype(np.float16), None, False),
        ((COLOUR / 255).astype(">f4"), COLOUR / 255, False),
        (GREY / 255 + 5e-7, GREY[:, None] / 255, False),
        (BINARY, BINARY[:, None], True),
        (BINARY.astype(bool), BINARY[:, None], True),
        (BINARY * np.uint8(255), BINARY[:, None], True),
        (BINARY.astype(np.float32), BINARY[:, None], True),
        (BINARY.astype(np.int32)[..., None], BINARY[:, None], True),
    ],
)
def test_every_layout_and_dtype(
    tmp_path: Path, suffix: str, images: np.ndarray, expected: np.ndarray | None, packed: bool
) -> None:
    path = tmp_path / f"set{suffix}"
    np.save(path, images) if suffix == ".npy" else np.savez_compressed(path, images=images)
    dataset = datasets.load(str(path))
    assert dataset.name == str(path)
    assert dataset.images.packed == packed
    assert dataset.images.data.dtype == np.uint8
    assert (dataset.labels, dataset.grid, dataset.factor_names) == (None, None, ())
    if expected is None:  # half precision cannot say every 1/255
        expected = GREY[:, None] / 255
        np.testing.assert_allclose(floats(dataset), expected, atol=0.51 / 255 + 1e-3)
    else:
        np.testing.assert_allclose(floats(dataset), expected, atol=1e-7)
    assert not cache.cache_folder().exists()  # a small set needs no file


def test_three_by_three_could_be_either_and_is_read_as_channels_last() -> None:
    assert to_store(noise(0, 2, 3, 32, 3)).image_shape == (3, 3, 32)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("images", [COLOUR, np.moveaxis(COLOUR, 1, 3), COLOUR / 255, BINARY])
def test_large_sets_are_mapped_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, images: np.ndarray
) -> None:
    monkeypatch.setattr(archives, "IN_MEMORY", 500)
    monkeypatch.setattr("betavae.data.readers.arrays.PIECE", 2000)  # one image or two at a time
    path = tmp_path / f"set{suffix}"
    np.save(path, images) if suffix == ".npy" else np.savez(path, imgs=images)
    first = datasets.load(str(path))
    base: Any = first.images.data
    while not isinstance(base, np.memmap):
        base = base.base
    assert not base.flags.writeable
    expected = to_store(images)
    np.testing.assert_array_equal(floats(first), expected[:].numpy())
    direct = suffix == ".npy" and images.dtype == np.uint8 and images is not BINARY
    assert (
        Path(str(base.filename)) == path
        if direct
        else cache.cache_folder() in Path(str(base.filename)).parents
    )
    if not direct:
        # The second load reads the prepared file and never looks at the pixels again.
        monkeypatch.setattr(archives, "survey", lambda source: pytest.fail("read again"))
        np.testing.assert_array_equal(floats(datasets.load(str(path))), floats(first))


def test_a_changed_array_is_prepared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "IN_MEMORY", 500)
    path = tmp_path / "set.npy"
    np.save(path, GREY / 255)
    datasets.load(str(path))
    np.save(path, GREY[::-1] / 255)
    os.utime(path, ns=(1, 1))
    np.testing.assert_allclose(floats(datasets.load(str(path))), GREY[::-1, None] / 255, atol=1e-7)


@pytest.mark.parametrize("top", [1, 255])
def test_size_crops_the_centre_and_resizes_arrays(tmp_path: Path, top: int) -> None:
    images = np.zeros((3, 50, 100), np.uint8)
    images[:, 25:, 25:75] = top  # the lower half of the centre square
    np.save(tmp_path / "set.npy", images)
    dataset = datasets.load(str(tmp_path / "set.npy"), size=32)
    assert dataset.images.image_shape == (1, 32, 32)
    assert not dataset.images.packed
    pixels = floats(dataset)
    assert pixels[:, :, :14].max() < 0.02
    assert pixels[:, :, 18:].min() > 0.98


def test_size_that_is_there_already_changes_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", BINARY)
    assert datasets.load(str(tmp_path / "set.npy"), size=32).images.packed


def nan_at(value: float) -> np.ndarray:
    images = np.full((4, 32, 32), 0.5, np.float32)
    images[2, 3, 4] = value
    return images


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (nan_at(np.nan), "must be finite, got NaN or infinite pixels in image 2"),
        (nan_at(np.inf), "must be finite, got NaN or infinite pixels in image 2"),
        (nan_at(-np.inf), "must be finite, got NaN or infinite pixels in image 2"),
        (nan_at(-1), "of dtype float32 must lie in [0, 1], got -1 in image 2"),
        (nan_at(1.5), "must lie in [0, 1], got 1.5 in image 2"),
        (GREY.astype(float), "must lie in [0, 1], got 255 in image 0; divide by 255"),
        (GREY.astype(int) - 1, "of dtype int64 must hold 0..255, got -1 in image"),
        (GREY.astype(int) + 1, "of dtype int64 must hold 0..255, got 256 in image"),
        (np.full((4, 32, 32), 7, np.uint8), "must differ somewhere, got the same value in every"),
        (np.zeros((4, 32, 32)), "must differ somewhere, got the same value in every pixel"),
        (np.zeros((0, 32, 32), np.uint8), "at least one image, got shape (0, 32, 32)"),
        (np.zeros((4, 300, 48), np.uint8), "must have sides of 8 to 256 pixels, got 300x48"),
        (np.zeros((40, 40, 3), np.uint8), "(40, 40, 3) is one picture, expected a set of images"),
        (np.zeros((4, 1024), np.uint8), "must have shape (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        (np.zeros((4, 32, 32, 5), np.uint8), "with C 1 or 3, got (4, 32, 32, 5)"),
        (np.zeros((4, 2, 32, 32, 3), np.uint8), "got (4, 2, 32, 32, 3)"),
        (np.zeros((4, 32, 32), complex), "must be uint8, bool or float in [0, 1], got dtype comp"),
        (np.full((4, 32, 32), "x"), "must be uint8, bool or float in [0, 1], got dtype <U1"),
        (np.full((4, 32, 32), Evil(), object), "holds pickled Python objects, which are refused"),
        (np.zeros((4, 32, 32), [("r", "u1")]), "got dtype [('r', 'u1')]"),
    ],
)
def test_bad_arrays_are_one_line(
    tmp_path: Path, suffix: str, images: np.ndarray, message: str
) -> None:
    path = tmp_path / f"bad{suffix}"
    if suffix == ".npy":
        np.save(path, images, allow_pickle=True)
    else:
        np.savez(path, images=images)
    said = line(path)
    assert message in said
    assert str(path) in said
    assert not Path("/tmp/betavae-evil").exists()


@pytest.mark.parametrize("cut", [0, 5, 60, 200, 3000])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_truncated_arrays_are_one_line(tmp_path: Path, suffix: str, cut: int) -> None:
    path = tmp_path / f"cut{suffix}"
    np.save(path, GREY) if suffix == ".npy" else np.savez_compressed(path, images=GREY)
    path.write_bytes(path.read_bytes()[:cut])
    said = line(path)
    assert str(path) in said
    assert "truncated" in said or "damaged" in said


def test_an_archive_with_damaged_bytes_is_one_line(tmp_path: Path) -> None:
    for compressed, save in ((False, np.savez), (True, np.savez_compressed)):
        path = tmp_path / f"flipped{compressed}.npz"
        save(path, images=GREY)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(bytes(content))
        assert f"{path} is damaged or not a .npz file" in line(path)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (6, 32",  # tokenize.TokenError
        b"{'descr': '|u1',\0 'fortran_order': False, 'shape': (6, 32, 32), }",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-6, 32, 32), }",
        b"__import__('os').mkdir('/tmp/betavae-evil')",
        b"{'descr': 'nonsense', 'fortran_order': False, 'shape': (6, 32, 32), }",
        b" " * 20_000,  # numpy's own message has three lines
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_headers_are_one_line(tmp_path: Path, suffix: str, header: bytes) -> None:
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"
    path = tmp_path / f"bad{suffix}"
    if suffix == ".npy":
        path.write_bytes(content + GREY.tobytes())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content + GREY.tobytes())
    assert "damaged" in line(path)
    assert not Path("/tmp/betavae-evil").exists()


def test_a_header_that_lies_about_its_size_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lie.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 64, 64)}
        np.lib.format.write_array_header_1_0(file, header)
    assert "is truncated: (1000000000000, 64, 64) uint8 takes 4,096,000,000,000,1" in line(path)
    packed = tmp_path / "lie.npz"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "images.npy")
    assert "array 'images' is truncated" in line(packed)


def test_names_that_do_not_match_their_content_are_one_line(tmp_path: Path) -> None:
    for name, content in (("text.npy", b"hello"), ("text.npz", b"hello"), ("empty.npz", b"")):
        (tmp_path / name).write_bytes(content)
        assert "is damaged or not a .np" in line(tmp_path / name)
    (tmp_path / "images.h5").write_bytes(b"\x89HDF")
    assert "is damaged or not an HDF5 file" in line(tmp_path / "images.h5")
    (tmp_path / "images.doc").write_bytes(b"hello")
    assert "data must be a folder, a .zip or .tar of images, or a .npy" in line(
        tmp_path / "images.doc"
    )
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    assert "must hold an array 'images' of shape" in line(tmp_path / "zip.npz")
    assert "got no arrays" in line(tmp_path / "zip.npz")


def test_missing_paths_are_one_line_with_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert line("shape2d") == "no data set or path 'shape2d'; did you mean 'shapes2d'?"
    assert line("nothing/at/all") == "no data set or path 'nothing/at/all'"
    np.save(tmp_path / "faces.npy", GREY)
    assert line("face.npy").endswith("did you mean 'faces.npy'?")
    assert line("faces.npy/x").startswith("no data set or path 'faces.npy/x'")
    assert line("bad\0name").startswith("cannot read 'bad")
    assert "size must be in 8..256, got 500" in line("faces.npy", size=500)


def squares() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.divmod(np.arange(16), 4)
    images = np.zeros((16, 32, 32), np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 200
    return images, np.stack([rows, columns], axis=1)


def test_factors_in_order_become_a_grid(tmp_path: Path) -> None:
    images, factors = squares()
    path = tmp_path / "squares.npz"
    np.savez(path, images=images, factors=factors, factor_names=["row", "column"])
    dataset = datasets.load(str(path))
    assert dataset.grid == Factors(("row", "column"), (4, 4))
    assert dataset.factor_names == ("row", "column")
    np.testing.assert_array_equal(dataset.factors(np.array([5, 15])), [[1, 1], [3, 3]])


def test_factors_in_another_order_stay_labels(tmp_path: Path) -> None:
    images, factors = squares()
    path = tmp_path / "squares.npz"
    np.savez(path, pictures=images[::-1], factors=factors[::-1].astype(np.uint8))
    dataset = datasets.load(str(path))
    assert dataset.grid is None
    assert dataset.labels is not None
    assert dataset.labels.dtype == np.int64
    assert dataset.factor_names == ("factor1", "factor2")
    np.testing.assert_array_equal(dataset.factors(np.array([0])), [[3, 3]])


def test_the_layout_of_the_published_dsprites(tmp_path: Path) -> None:
    """Names, dtypes and the pickled metadata as published; a corner of the set."""
    classes = Factors(("c", "shape", "scale", "o", "x", "y"), (1, 2, 1, 1, 2, 2)).table()
    images = RNG.integers(0, 2, (8, 64, 64), dtype=np.uint8)
    path = tmp_path / "dsprites.npz"
    np.savez_compressed(
        path,
        metadata=np.array({"title": Evil()}, object),
        imgs=images,
        latents_values=classes.astype(float),
        latents_classes=classes,
    )
    dataset = datasets.load(str(path))
    assert dataset.images.packed
    np.testing.assert_array_equal(floats(dataset)[:, 0], images)
    # Columns with one value vary nothing, and go: colour always, here two more.
    assert dataset.factor_names == ("shape", "posX", "posY")
    assert dataset.grid == Factors(("shape", "posX", "posY"), (2, 2, 2))
    assert not Path("/tmp/betavae-evil").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"factors": np.zeros((15, 2), int)}, "one row an image, expected 16 rows, got 15"),
        ({"factors": np.full((16, 2), np.inf)}, "must be finite, got infinite values"),
        ({"factors": np.zeros((16, 2, 2), int)}, "must have (N, K) integers, got shape (16, 2, 2)"),
        ({"factors": np.full((16, 2), -3)}, "must be >= 0, or -1 where not known, got -3"),
        ({"factors": np.full((16, 2), Evil())}, "holds pickled Python objects, which are refused"),
        (
            {"factors": np.zeros((16, 2), int), "factor_names": ["a"]},
            "expected 2 different names, got ['a']",
        ),
        (
            {"factors": np.zeros((16, 2), int), "factor_names": ["a", "a"]},
            "expected 2 different names",
        ),
        ({"other": np.zeros((16, 32, 32)), "images": None}, "'pictures' (16, 32, 32), 'other' (16"),
    ],
)
def test_bad_archives_are_one_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    content = {"images": squares()[0], **arrays}
    if content["images"] is None:  # two arrays that could be the images
        content = {"pictures": squares()[0], "other": arrays["other"]}
    np.savez(tmp_path / "bad.npz", **content)
    assert message in line(tmp_path / "bad.npz")
    assert not Path("/tmp/betavae-evil").exists()
