"""PNG and JPEG files of any mode, decoded safely into grey or RGB bytes."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from betavae.errors import InputError

MAX_PIXELS = 1 << 26  # below Pillow's own warning; a photograph of 64 megapixels still passes
BLOCK = 64  # files a thread takes at a time
BAR_FROM = 1000  # fewer files than this are read before a progress bar would be seen

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Result = TypeVar("Result")


@dataclass(frozen=True)
class Head:
    """What a picture's header says: its size in pixels, and whether it has only grey."""

    width: int
    height: int
    grey: bool


@contextmanager
def opened(path: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Open a PNG or JPEG file, on disk or in memory.

    Every complaint becomes one InputError line that names the file.

    Raises:
        InputError: when the file is no PNG or JPEG, is damaged, animated, or larger than
            MAX_PIXELS (a small file can claim to hold terabytes).
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(_too_large(path))
            # A JPEG of several frames (MPO) is one picture with previews; an animated PNG is not.
            if image.format == "PNG" and getattr(image, "is_animated", False):
                raise InputError(f"{path} is animated, expected one picture a file")
            yield image
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(_too_large(path)) from None
    except UnidentifiedImageError:
        claim = ", though its name says so" if isinstance(path, Path) else ""
        raise InputError(f"{path} is not a PNG or JPEG image{claim}") from None
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        raise InputError(f"{path} is damaged: {error}") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error and more on damage
        raise InputError(f"{path} is damaged: {error}") from None


def _too_large(path: object) -> str:
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


def decode(path: Path | io.BytesIO, channels: int, size: int | None) -> NDArray[np.uint8]:
    """Decode one picture into (C, H, W) bytes, upright as its EXIF orientation says.

    Sixteen bits become eight, rounded; palettes and CMYK become RGB; what is transparent lies
    on white, as viewers show it.

    Args:
        path: a PNG or JPEG file, on disk or in memory.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB.
        size: crop to the centre square and resize to this side; None keeps the size.

    Raises:
        InputError: see `opened`.
    """
    with opened(path) as image:
        image.load()
        picture = _flat(_upright(image), "L" if channels == 1 else "RGB")
        if size is not None:
            picture = fit(picture, size)
        pixels = np.asarray(picture)
        return pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0)


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says, if it says."""
    try:
        method = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # metadata is often broken where pixels are not
        return image
    return image if method is None else image.transpose(method)


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """Convert any mode to L or RGB."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255, not scale
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def fit(picture: Image.Image, size: int) -> Image.Image:
    """Crop an image to its centre square and resize it to `size` (box, then Lanczos)."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    # Not resize(box=...): its filter reaches over the box, so that what is cropped shines in.
    square = picture.crop((left, top, left + side, top + side))
    if side == size:
        return square
    return square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def fit_pixels(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Crop and resize (n, C, H, W) bytes to (n, C, size, size), as `fit`.

    >>> fit_pixels(np.full((2, 3, 100, 80), 7, np.uint8), 64).shape
    (2, 3, 64, 64)
    """
    planes = images.reshape(-1, *images.shape[2:])
    out = np.empty((len(planes), size, size), np.uint8)
    for plane, result in zip(planes, out, strict=True):
        result[...] = np.asarray(fit(Image.fromarray(np.ascontiguousarray(plane)), size))
    return out.reshape(len(images), -1, size, size)


def on_all_cores(
    work: Callable[[int], Result], count: int, title: str, unit: int = BLOCK
) -> list[Result]:
    """Return ``[work(0), ..., work(count - 1)]``, computed by a thread a core.

    Shows a progress bar on stderr for more than BAR_FROM items. The first error, in order, is
    raised; what has not begun by then never does.
    """
    starts = range(0, count, unit)
    Image.preinit()  # loads the decoders once, before threads race to

    def block(start: int) -> list[Result]:
        return [work(item) for item in range(start, min(start + unit, count))]

    results: list[Result] = []
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # Pillow warns of odd metadata, which changes no pixel, and of bombs, refused in `opened`.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        jobs = [pool.submit(block, start) for start in starts]
        try:
            with _bar(title, count) as advance:
                for job in jobs:
                    results += job.result()
                    advance(len(results))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results


@contextmanager
def _bar(title: str, count: int) -> Iterator[Callable[[int], None]]:
    if count <= BAR_FROM:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=count)
        yield lambda done: progress.update(task, completed=done)
