"""How a user's own pictures are taken in: size, crop, padding, folders as a factor, damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from betavae._system.errors import InputError
from betavae.data.readers.pictures import Crop, check_crop, fit
from betavae.data.resize import fit_pixels

SMALLEST, LARGEST = 8, 256  # sides of images
PADS = ("black", "white", "edge")


@dataclass(frozen=True)
class LoadOptions:
    """How a user's own pictures are taken in; each is also an argument of `load`.

    Attributes:
        size: resize to this side; pictures that are not square are first cut to their centre
            square, unless crop or pad says otherwise.
        crop: cut out the centre square of this side first; "whole" squeezes the whole picture.
        pad: make pictures square by a border instead: black, white, or the edge's pixels.
        folders_as: name of a factor whose values are the pictures' sub-folders; several names,
            parted by ``/``, for folders in folders.
        skip_bad: leave damaged files out, with a note, instead of refusing the set.

    Raises:
        InputError: for values out of range, or that do not go together.

    >>> LoadOptions(size=64, pad="white").shape(100, 50, "x")
    (64, 64)
    """

    size: int | None = None
    crop: Crop = None
    pad: Literal["black", "white", "edge"] | None = None
    folders_as: str | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not (_whole(self.size) and SMALLEST <= self.size <= LARGEST):
            raise InputError(f"size must be in {SMALLEST}..{LARGEST}, got {self.size}")
        if self.crop not in (None, "whole") and not (_whole(self.crop) and int(self.crop) >= 1):
            raise InputError(f"crop must be 'whole' or the side of a square, got {self.crop!r}")
        if self.pad is not None and self.pad not in PADS:
            raise InputError(f"pad must be one of {', '.join(PADS)}, got {self.pad!r}")
        if self.pad is not None and self.crop is not None:
            raise InputError("pad and crop do not go together: a picture is cut or bordered")
        if self.crop == "whole" and self.size is None:
            raise InputError("crop 'whole' needs a size to squeeze pictures to")
        names = None if self.folders_as is None else self.folders_as.split("/")
        if names is not None and (not all(names) or len(set(names)) < len(names)):
            raise InputError(f"folders_as must be different names, got '{self.folders_as}'")

    @property
    def pixels(self) -> tuple[object, ...]:
        """What decides the pixels of a picture."""
        return self.size, self.crop, self.pad

    def shape(self, height: int, width: int, what: str) -> tuple[int, int]:
        """Return the height and width that images of this size get.

        Raises:
            InputError: when that is too small or large for a network.
        """
        if self.pad is not None:
            height = width = max(height, width)
        elif isinstance(self.crop, int):
            check_crop(self.crop, height, width, what)
            height = width = self.crop
        if self.size is not None:
            return self.size, self.size
        if min(height, width) < SMALLEST or max(height, width) > LARGEST:
            raise InputError(
                f"{what} must have sides of {SMALLEST} to {LARGEST} pixels, got {height}x{width} "
                "(height x width); size 64 (--size 64) crops to the centre square and resizes"
            )
        return height, width

    def fitted(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fit (n, C, H, W) bytes."""
        height, width = images.shape[2:]
        if self.pad is not None and height != width:
            border = [_border(max(height, width) - side) for side in (height, width)]
            if self.pad == "edge":
                images = np.pad(images, ((0, 0), (0, 0), *border), "edge")
            else:
                shade = 255 if self.pad == "white" else 0
                images = np.pad(images, ((0, 0), (0, 0), *border), constant_values=shade)
        if self.size is None and not isinstance(self.crop, int):
            return images
        return fit_pixels(images, self._side(), self.crop)

    def fitted_picture(self, picture: Image.Image, what: str) -> Image.Image:
        """Fit one picture of mode L or RGB."""
        self.shape(picture.height, picture.width, what)
        if self.pad is not None and picture.width != picture.height:
            pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
            square = LoadOptions(pad=self.pad).fitted(np.moveaxis(pixels, 2, 0)[None])[0]
            picture = Image.fromarray(np.moveaxis(square, 0, 2).squeeze(), picture.mode)
        if self.size is None and not isinstance(self.crop, int):
            return picture
        return fit(picture, self._side(), self.crop)

    def _side(self) -> int:
        return self.size or int(self.crop or 0)


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _border(pixels: int) -> tuple[int, int]:
    return pixels // 2, pixels - pixels // 2
