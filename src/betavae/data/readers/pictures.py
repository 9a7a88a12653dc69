"""PNG and JPEG files of any mode, decoded safely into grey or RGB bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from betavae._system.errors import InputError

MAX_PIXELS = 1 << 26  # below Pillow's own warning; a photograph of 64 megapixels still passes
REDUCING_GAP = 3.0  # images more than this many times too large are first averaged in boxes

Crop = int | Literal["whole"] | None  # side of the centre square to keep; None is the largest

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Head:
    """What a picture's header says: its size in pixels, and whether it has only grey."""

    width: int
    height: int
    grey: bool


@contextmanager
def opened(file: Path | BytesIO, name: str | None = None) -> Iterator[Image.Image]:
    """Open a PNG or JPEG file; every complaint becomes one InputError line that names it.

    Args:
        file: a path, or the file's content.
        name: what messages call it; a path names itself.

    Raises:
        InputError: when the file is no PNG or JPEG, is damaged, animated, in CMYK, or larger than
            MAX_PIXELS (a small file can claim to hold terabytes).
    """
    path = name or str(file)
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(_too_large(path))
            # A JPEG of several frames (MPO) is one picture with previews; an animated PNG is not.
            if image.format == "PNG" and getattr(image, "is_animated", False):
                raise InputError(f"{path} is animated, expected one picture a file")
            if image.mode == "CMYK":  # converted without the printer's profile, colours are wrong
                raise InputError(f"{path} is in CMYK, expected grey or RGB; save it as RGB")
            yield image
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(_too_large(path)) from None
    except UnidentifiedImageError:
        claim = ", though its name says so" if name or isinstance(file, Path) else ""
        raise InputError(f"{path} is not a PNG or JPEG image{claim}") from None
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        raise InputError(f"{path} is damaged: {error}") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error and more on damage
        raise InputError(f"{path} is damaged: {error}") from None


def _too_large(path: str) -> str:
    return f"{path} is larger than {MAX_PIXELS:,} pixels, refused as a possible decompression bomb"


def read_head(path: Path) -> Head:
    """Read size and kind of a picture without decoding it; see `opened` for what is raised."""
    with opened(path) as image:
        return Head(image.width, image.height, _is_grey(image))


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def decode(
    file: Path | BytesIO,
    channels: int,
    size: int | None,
    *,
    crop: Crop = None,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Decode one picture into (C, H, W) bytes, upright as its EXIF orientation says.

    Sixteen bits become eight, rounded; palettes become RGB; what is transparent lies on white, as
    viewers show it.

    Args:
        file: a PNG or JPEG file, or its content.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB.
        size: crop as `crop` says and resize to this side; None keeps the size.
        crop: see `fit`.
        name: what messages call it; a path names itself.

    Raises:
        InputError: see `opened`; or when the picture is smaller than `crop`.
    """
    with opened(file, name) as image:
        image.load()
        picture = flat(_upright(image), "L" if channels == 1 else "RGB")
        if size is not None:
            check_crop(crop, picture.height, picture.width, name or str(file))
            picture = fit(picture, size, crop)
        pixels = np.asarray(picture)
        return pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0)


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says, if it says."""
    try:
        method = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # metadata is often broken where pixels are not
        return image
    return image if method is None else image.transpose(method)


def flat(image: Image.Image, mode: str) -> Image.Image:
    """Convert any mode to L or RGB."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255, not scale
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def check_crop(crop: Crop, height: int, width: int, what: str) -> None:
    """Raise InputError unless a square of side `crop` lies within images of this size."""
    if isinstance(crop, int) and not 1 <= crop <= min(height, width):
        raise InputError(
            f"crop must be in 1..{min(height, width)} for {what} of {height}x{width} "
            f"(height x width), got {crop}"
        )


def fit(picture: Image.Image, size: int, crop: Crop = None) -> Image.Image:
    """Crop an image to a centre square and resize it to `size` (box, then Lanczos).

    Args:
        picture: of mode L or RGB.
        size: side of the result.
        crop: side of the square, None for the largest one; "whole" squeezes the whole picture.
    """
    # Not resize(box=...): its filter reaches over the box, so that what is cropped shines in.
    picture = picture.crop(kept(picture.width, picture.height, crop))
    if picture.size == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


def kept(width: int, height: int, crop: Crop) -> tuple[int, int, int, int]:
    """Return the part to keep: left, top, right, bottom."""
    if crop == "whole":
        return 0, 0, width, height
    side = min(width, height) if crop is None else crop
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def to_channels(images: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Turn (n, C, H, W) grey or RGB bytes into `channels` channels, grey as Pillow does.

    Source: ITU-R 601 luma in 16-bit fixed point, rounded.

    >>> to_channels(np.array([255, 0, 0], np.uint8).reshape(1, 3, 1, 1), 1).item()
    76
    """
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
    red, green, blue = (images[:, k].astype(np.uint32) for k in range(3))
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return luma.astype(np.uint8)[:, None]


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Make Pillow ready for threads that decode, and silence its warnings of odd metadata.

    Its warnings of bombs, which `opened` refuses, become errors.
    """
    Image.preinit()  # loads the decoders once, before threads race to
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
