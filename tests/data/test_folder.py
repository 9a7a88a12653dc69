"""A user's own images: every layout, dtype and mode that works, and one line for all that don't."""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from betavae import data as datasets
from betavae.data import archives, cache, folder
from betavae.data.arrays import to_store
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 32, 32), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
BINARY = RNG.integers(0, 2, (6, 32, 32), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test prepares into an empty cache of its own."""
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def floats(dataset: Dataset) -> np.ndarray:
    return dataset.images[:].numpy()


def line(path: Any, **options: Any) -> str:
    """The one line a bad input ends in; nothing may be left in the cache."""
    with pytest.raises(InputError) as error:
        datasets.load(str(path), **options)
    message = str(error.value)
    assert "\n" not in message
    kept = cache.cache_folder()
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]
    return message


# ---------------------------------------------------------------- arrays


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
    both = np.zeros((2, 3, 32, 3), np.uint8)
    with pytest.raises(InputError, match="got 3x32"):
        to_store(both)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("images", [COLOUR, np.moveaxis(COLOUR, 1, 3), COLOUR / 255, BINARY])
def test_large_sets_are_mapped_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, images: np.ndarray
) -> None:
    monkeypatch.setattr(archives, "IN_MEMORY", 500)
    monkeypatch.setattr("betavae.data.arrays.PIECE", 2000)  # one image or two at a time
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


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("/tmp/betavae-evil",)


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
        (np.zeros((4, 48, 48), np.uint8), "a side of 32, 64, 128 pixels, got 48x48"),
        (np.zeros((4, 32, 64), np.uint8), "must be square with a side of"),
        (np.zeros((4, 1024), np.uint8), "must have shape (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        (np.zeros((4, 32, 32, 4), np.uint8), "with C 1 or 3, got (4, 32, 32, 4)"),
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
    assert "a .npy or .npz file or a folder of PNG and JPEG images" in line(tmp_path / "images.h5")
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
    assert "size must be one of 32, 64, 128, got 50" in line("faces.npy", size=50)


# ---------------------------------------------------------------- archives with factors


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
        ({"factors": np.zeros((16, 2))}, "must be (N, K) integers, got shape (16, 2) of dtype flo"),
        ({"factors": np.zeros((16, 2, 2), int)}, "must be (N, K) integers, got shape (16, 2, 2)"),
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


# ---------------------------------------------------------------- folders


def write(path: Path, pixels: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Six grey PNG files at two depths, among other files."""
    root = tmp_path / "shots"
    for k, name in enumerate(["b.png", "a.PNG", "x/c.png", "x/a.png", "w/z/q.png", "d.png"]):
        write(root / name, GREY[k])
    (root / "readme.txt").write_text("not an image")
    (root / ".hidden.png").write_text("not an image")
    (root / ".thumbs").mkdir()
    (root / ".thumbs" / "t.png").write_text("not an image")
    return root


SORTED = ["a.PNG", "b.png", "d.png", "w/z/q.png", "x/a.png", "x/c.png"]
ROWS = [1, 0, 5, 4, 3, 2]


def test_a_folder_is_read_in_sorted_order_and_kept(
    shots: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = datasets.load(str(shots))
    assert dataset.images.image_shape == (1, 32, 32)
    np.testing.assert_array_equal(dataset.images.data[:, 0], GREY[ROWS])
    assert isinstance(dataset.images.data, np.memmap)
    assert len(list((own_cache / "prepared").iterdir())) == 1
    monkeypatch.setattr(folder, "decode", lambda *a: pytest.fail("decoded again"))
    monkeypatch.setattr(folder, "read_head", lambda *a: pytest.fail("opened again"))
    assert torch_equal(datasets.load(str(shots)), dataset)


def torch_equal(one: Dataset, two: Dataset) -> bool:
    return np.array_equal(floats(one), floats(two))


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


def rgb(k: int = 0) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(COLOUR[k], 0, 2))


def test_one_colour_image_makes_the_set_rgb(shots: Path) -> None:
    write(shots / "b.png", rgb())
    dataset = datasets.load(str(shots))
    assert dataset.images.image_shape == (3, 32, 32)
    np.testing.assert_array_equal(dataset.images.data[1], COLOUR[0])
    np.testing.assert_array_equal(dataset.images.data[0], np.broadcast_to(GREY[1], (3, 32, 32)))


def png_file(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG by hand: colour type 0 is grey, 2 RGB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def sixteen_bits(pixels: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits a value, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png_file(pixels.shape[1], pixels.shape[0], 16, colour_type, rows)


def modes() -> list[tuple[str, bytes, np.ndarray]]:
    """Name, file content, and the (C, H, W) bytes that it must give."""
    grey, colour = Image.fromarray(GREY[0]), Image.fromarray(rgb())
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16).reshape(32, 32)
    ramp8 = np.round(ramp / 257).astype(np.uint8)
    stencil = np.zeros((32, 32), np.uint8)
    stencil[:16] = 255
    see_through = colour.copy()
    see_through.putalpha(Image.fromarray(stencil))
    over_white = COLOUR[0].copy()
    over_white[:, 16:] = 255
    shades = Image.fromarray(GREY[0] // 16 * 17)
    palette = shades.convert("P")
    opaque = colour.copy()
    opaque.putalpha(255)
    bits = Image.fromarray(BINARY[0] * np.uint8(255)).convert("1")
    quantised = colour.quantize(16)

    def png(image: Image.Image, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, "PNG", **options)
        return file.getvalue()

    channels = np.moveaxis(np.asarray(quantised.convert("RGB")), 2, 0)
    return [
        ("grey", png(grey), GREY[:1]),
        ("1 bit", png(bits), BINARY[:1] * np.uint8(255)),
        ("grey with alpha", png(Image.merge("LA", (grey, Image.fromarray(stencil)))),
         np.where(stencil == 255, GREY[0], 255)[None]),
        ("grey palette", png(palette), (GREY[:1] // 16 * 17)),
        ("16-bit grey", sixteen_bits(ramp, 0), ramp8[None]),
        ("rgb", png(colour), COLOUR[0]),
        ("opaque rgba", png(opaque), COLOUR[0]),
        ("transparent rgba", png(see_through), over_white),
        ("palette", png(quantised), channels),
        ("16-bit rgb", sixteen_bits(rgb().astype(np.uint16) * 257, 2), COLOUR[0]),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "expected"), modes(), ids=[m[0] for m in modes()])
def test_every_png_mode(tmp_path: Path, name: str, content: bytes, expected: np.ndarray) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (root / "one.png").write_bytes(content)
    data = datasets.load(str(root)).images.data
    np.testing.assert_array_equal(data[0], expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_jpeg_mode(tmp_path: Path, mode: str) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
    image = Image.merge("RGB", [Image.fromarray(smooth), Image.fromarray(smooth.T // 2),
                                Image.fromarray(255 - smooth)])  # fmt: skip
    write(tmp_path / "set" / "a.jpeg", image.convert(mode), quality=98)
    data = datasets.load(str(tmp_path / "set")).images.data
    assert data.shape == (1, 1 if mode == "L" else 3, 32, 32)
    expected = np.asarray(image.convert(mode).convert("L" if mode == "L" else "RGB"))
    close = np.moveaxis(np.atleast_3d(expected), 2, 0).astype(int)
    assert np.abs(data[0].astype(int) - close).max() < 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_exif_says(tmp_path: Path, orientation: int) -> None:
    corner = np.zeros((32, 32), np.uint8)
    corner[:8, :16] = 255  # a mark that every turn and flip puts elsewhere
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "set" / "a.png", corner, exif=exif)
    from PIL import ImageOps

    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(datasets.load(str(path.parent)).images.data[0, 0], expected)


def test_size_crops_the_centre_and_resizes_a_folder(tmp_path: Path) -> None:
    wide, tall = np.zeros((40, 100), np.uint8), np.zeros((90, 64), np.uint8)
    wide[:, 30:70] = 255
    tall[13:77] = 100
    write(tmp_path / "set" / "a.png", wide)
    write(tmp_path / "set" / "b.png", tall)
    write(tmp_path / "set" / "c.png", np.kron(GREY[0], np.ones((8, 8), np.uint8)))
    data = datasets.load(str(tmp_path / "set"), size=64).images.data
    assert data.shape == (3, 1, 64, 64)
    assert (data[0] == 255).all()
    assert (data[1] == 100).all()
    blurred = np.asarray(Image.fromarray(np.kron(GREY[0], np.ones((2, 2), np.uint8))))
    assert np.corrcoef(data[2].ravel(), blurred.ravel())[0, 1] > 0.95


def animated(path: Path) -> None:
    frames = [Image.fromarray(image) for image in GREY[:3]]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def bomb(path: Path) -> None:
    path.write_bytes(png_file(60_000, 60_000, 8, 0, b""))


def cut(path: Path, keep: float) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


BAD_FILES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("text.png", lambda p: p.write_text("hello"), "is not a PNG or JPEG image, though its name"),
    ("empty.jpg", lambda p: p.write_bytes(b""), "is not a PNG or JPEG image, though its name"),
    ("gif.png", lambda p: write(p, GREY[0], format="GIF"), "is not a PNG or JPEG image, though"),
    ("half.png", lambda p: cut(write(p, GREY[0]), 0.5), "is damaged"),
    ("head.png", lambda p: cut(write(p, GREY[0]), 0.02), "is "),
    ("half.jpg", lambda p: cut(write(p, rgb(), quality=95), 0.5), "is damaged: image file is"),
    ("moves.png", animated, "is animated, expected one picture a file"),
    ("bomb.png", bomb, "refused as a possible decompression bomb"),
    ("small.png", lambda p: write(p, GREY[0][:16, :16]), "got 16x16"),
    ("wide.png", lambda p: write(p, np.zeros((32, 64), np.uint8)), "must be square"),
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
    expected = "must hold .png, .jpg or .jpeg images, got "
    assert expected + "no files" in line(tmp_path / "set")
    (tmp_path / "set" / "notes.txt").write_text("x")
    (tmp_path / "set" / "a.gif").write_text("x")
    assert expected + "2 other files, such as a.gif" in line(tmp_path / "set")


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
    monkeypatch.setattr("betavae.data.progress.BAR_FROM", 3)
    monkeypatch.setenv("FORCE_COLOR", "1")
    datasets.load(str(shots))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "decoding images" in captured.err


# ---------------------------------------------------------------- factors.csv


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


def test_a_table_beside_the_folder_in_sorted_order(shots: Path) -> None:
    (shots.parent / "factors.csv").write_text(
        "angle,colour\n9,red\n10,\n9,blue\n\n-1,red\n9,a\n1e1,a"
    )
    dataset = datasets.load(str(shots))
    assert dataset.labels is not None
    # Numbers sort as numbers, words as words, and an empty cell is not known.
    np.testing.assert_array_equal(dataset.labels[:, 0], [1, 2, 1, 0, 1, 2])
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
        (named([*SORTED, "more.png"]), "names 'more.png', but there is no such image in the fol"),
        (named([*SORTED[:-1], "a.PNG"]), "names 'a.PNG' twice"),
        ("angle\n1\n2\n", "must have one row an image, expected 6 rows, got 2"),
        ("file\n" + "\n".join(SORTED), "has no factor columns, got only file"),
        ("angle,angle\n" + "1,2\n" * 6, "must start with different column names"),
        ("angle,\n" + "1,2\n" * 6, "must start with different column names"),
        ("", "must start with different column names, got []"),
        ("a,b\n1,2\n1\n", "line 3 must have 2 cells as the header, got 1"),
        ('a,b\n"1,2\n', "is no CSV table"),
        (b"a\n\xff\xfe\n", "must be text in UTF-8"),
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
