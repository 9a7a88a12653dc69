"""Picture files of any usual format and mode, decoded safely into grey or RGB bytes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
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
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "GIF", "WEBP", "PPM")
MOVING = ("PNG", "GIF", "WEBP")  # of an animated picture, the first frame is taken
DEEP = 65535  # the white of 16 bits
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
    """What a picture's header says.

    Attributes:
        width: in pixels, as the picture stands upright.
        height: likewise.
        grey: whether it has no colour.
        mode: Pillow's.
        frames: of an animated picture, else 1.
    """

    width: int
    height: int
    grey: bool
    mode: str
    frames: int = 1

    @property
    def deep(self) -> bool:
        """Whether it has more than 8 bits a grey value."""
        return self.mode.startswith("I")


@contextmanager
def opened(file: Path | BytesIO, name: str | None = None) -> Iterator[Image.Image]:
    """Open a picture; every complaint becomes one InputError line that names it.

    Args:
        file: a path, or the file's content.
        name: what messages call it; a path names itself.

    Raises:
        InputError: when the file is none of FORMATS, is damaged, has several pages, or is larger
            than MAX_PIXELS (a small file can claim to hold terabytes).
    """
    path = name or str(file)
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(_too_large(path))
            pages = getattr(image, "n_frames", 1)
            if image.format == "TIFF" and pages > 1:
                raise InputError(f"{path} has {pages} pages, expected one picture a file")
            yield image
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(_too_large(path)) from None
    except UnidentifiedImageError:
        claim = ", though its name says so" if name or isinstance(file, Path) else ""
        raise InputError(f"{path} is not an image that can be read{claim}") from None
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        raise InputError(f"{path} is damaged: {error}") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error and more on damage
        raise InputError(f"{path} is damaged: {error}") from None


def _too_large(path: str) -> str:
    return f"{path} is larger than {MAX_PIXELS:,} pixels, refused as a possible decompression bomb"


def read_head(file: Path | BytesIO, name: str | None = None) -> Head:
    """Read size and kind of a picture without decoding it; see `opened` for what is raised."""
    with opened(file, name) as image:
        width, height = image.size
        if width != height and _turn(image) in (5, 6, 7, 8):  # Pillow decodes a PNG for its EXIF
            width, height = height, width
        moving = image.format in MOVING
        mode = (
            "RGBA"
            if "transparency" in image.info and not image.mode.startswith("I")
            else image.mode
        )
        frames = getattr(image, "n_frames", 1) if moving else 1
        return Head(width, height, _is_grey(image), mode, frames)


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def decode(
    file: Path | BytesIO,
    channels: int,
    size: int | None,
    *,
    crop: Crop = None,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Decode one picture into (C, H, W) bytes, upright as its EXIF orientation says.

    Sixteen bits become eight, rounded; palettes become RGB; CMYK becomes RGB without a colour
    profile, R = 255 - C - K; what is transparent lies on white, as viewers show it.

    Args:
        file: a picture file, or its content.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB.
        size: crop as `crop` says and resize to this side; None keeps the size.
        crop: see `fit`.
        name: what messages call it; a path names itself.

    Raises:
        InputError: see `opened`; or when the picture is smaller than `crop`.
    """

    def make(picture: Image.Image) -> Image.Image:
        if size is None:
            return picture
        check_crop(crop, picture.height, picture.width, name or str(file))
        return fit(picture, size, crop)

    return decode_as(file, channels, make, name=name)


def decode_as(
    file: Path | BytesIO,
    channels: int,
    make: Callable[[Image.Image], Image.Image],
    *,
    name: str | None = None,
    whites: tuple[int, int] = (255, DEEP),
) -> NDArray[np.uint8]:
    """Decode one picture into (C, H, W) bytes, changed by `make`; see `decode`.

    Args:
        file: a picture file, or its content.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB.
        make: crops and resizes a picture of mode L or RGB.
        name: what messages call it; a path names itself.
        whites: the values that are white in pictures of 8 and of 16 bits.
    """
    with opened(file, name) as image:
        image.load()
        deep = image.mode.startswith("I")
        picture = flat(_upright(image), "L" if channels == 1 else "RGB", whites[1])
        if whites[0] != 255 and not deep:
            table = [min(255, (k * 255 + whites[0] // 2) // whites[0]) for k in range(256)]
            picture = picture.point(table * len(picture.getbands()))
        pixels = np.asarray(make(picture))
        return pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0)


def deepest(file: Path | BytesIO, name: str | None = None) -> int:
    """Return the largest value of a picture of 16 bits."""
    with opened(file, name) as image:
        return int(np.asarray(image).max(initial=0))


def _turn(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # metadata is often broken where pixels are not
        return 1


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says, if it says."""
    method = _TURNS.get(_turn(image))
    return image if method is None else image.transpose(method)


def flat(image: Image.Image, mode: str, white: int = DEEP) -> Image.Image:
    """Convert any mode to L or RGB; `white` is that of 16 bits.

    Raises:
        InputError: for fractions outside [0, 1], or more than 16 bits.
    """
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255, not scale
        wide = np.asarray(image).astype(np.int64)
        if wide.min(initial=0) < 0 or wide.max(initial=0) > DEEP:
            raise InputError("a picture of whole numbers must hold 0..65535")
        wide = (wide.clip(0, white) * 255 + white // 2) // white
        image = Image.fromarray(wide.astype(np.uint8))
    elif image.mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise InputError("a picture of fractions must lie in [0, 1]")
        image = Image.fromarray(np.rint(values * 255).astype(np.uint8))
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
