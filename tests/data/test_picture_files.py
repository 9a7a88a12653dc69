"""Every mode of PNG and JPEG becomes the grey or RGB bytes that a viewer shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from user_images import BINARY, COLOUR, GREY, rgb, sixteen_bits, write

from betavae import data as datasets

pytestmark = pytest.mark.usefixtures("own_cache")


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


@pytest.mark.parametrize("mode", ["L", "RGB"])
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
