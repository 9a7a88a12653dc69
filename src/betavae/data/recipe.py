"""What a named data set is: where it comes from, its options, and the function that reads it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import stream_on_all_cores
from betavae.data.cache import let_go
from betavae.data.factors import Factors
from betavae.data.readers.arrays import Source, fill
from betavae.data.readers.containers import Container
from betavae.data.readers.pictures import (
    Crop,
    check_crop,
    decode,
    quiet_decoders,
    to_channels,
)
from betavae.data.resize import fit_pixels

LET_GO = 1 << 10  # pictures after which what is written counts as ours no more

Fill = Callable[[NDArray[np.uint8]], "str | None"]
Cameras = Literal["left", "right", "both"]


@dataclass(frozen=True)
class Options:
    """How a set is to be prepared; None leaves a choice to the set.

    Attributes:
        size: side of the images, 8 to 256.
        colour: RGB (True) or grey (False).
        crop: side of the centre square that is cut out first, or "whole" to squeeze everything.
        cameras: of two cameras, whose images: left, right or both.
        identities, azimuths, elevations, lights: sizes of the grid of rendered faces.
    """

    size: int | None = None
    colour: bool | None = None
    crop: Crop = None
    cameras: Cameras | None = None
    identities: int | None = None
    azimuths: int | None = None
    elevations: int | None = None
    lights: int | None = None


@dataclass(frozen=True)
class Chosen:
    """The options of a set with every choice made.

    Attributes:
        size: side of the images.
        channels: 1 for grey, 3 for RGB.
        crop: see `Options`.
        grid: sizes of the grid of rendered faces, as its factors are ordered; else empty.
        cameras: see `Options`; None for sets of one camera.
    """

    size: int
    channels: int
    crop: Crop
    grid: tuple[int, ...] = ()
    cameras: Cameras | None = None


@dataclass(frozen=True)
class Reading:
    """Images that are about to be read, and their factors: what a set's function returns.

    Attributes:
        count: N.
        shape: (C, H, W) of the images that `fill` writes.
        fill: writes every image into an (N, C, H, W) uint8 array, or an (N, C*H*W/8) one when
            `packed`; returns a remark to keep with the set, or None.
        packed: whether `fill` writes 8 pixels a byte.
        labels: (N, K) integer factors, -1 where not known, or None.
        names: one name a column of `labels`.
        grid: instead of labels, when the rows are a full grid in order.
    """

    count: int
    shape: tuple[int, int, int]
    fill: Fill
    packed: bool = False
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    grid: Factors | None = None


@dataclass(frozen=True)
class Remote:
    """A file at a stable public address.

    Attributes:
        url: http or https.
        nbytes: its length; None where not known.
        sha256: of its content; None where no certain value is known.
    """

    url: str
    nbytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's name, the last part of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Recipe:
    """A named data set.

    Attributes:
        title: what it shows, in a few words.
        images: how many images of which size, as published.
        factors: what is known of every image.
        site: where it is to be had.
        licence: its terms, and whose word that is where it is not the site's.
        download: size of what is downloaded, in words.
        source: what ``--from`` takes.
        read: the function that reads it.
        size: side of the images by default.
        channels: 1 or 3 by default.
        crop: by default.
        takes: names of the `Options` that mean something here, besides size.
        grid: default sizes of a rendered grid.
        cameras: of two cameras, whose images by default; None for sets of one.
        remotes: its files, where there are stable public addresses.
        no_remote: otherwise why there are none.
    """

    title: str
    images: str
    factors: str
    site: str
    licence: str
    download: str
    source: str
    read: Callable[[Path, Chosen], Reading]
    size: int = 64
    channels: int = 3
    crop: Crop = None
    takes: tuple[str, ...] = ("colour", "crop")
    grid: tuple[int, ...] = ()
    cameras: Cameras | None = None
    remotes: tuple[Remote, ...] = ()
    no_remote: str = ""

    def lines(self, name: str) -> list[str]:
        """Say in a few lines what the set is, where it is to be had, and how to prepare it."""
        come = " or --download" if self.remotes else f"; no --download: {self.no_remote}"
        return [
            f"{name}: {self.title}",
            f"images: {self.images}",
            f"factors: {self.factors}",
            f"where: {self.site} ({self.download})",
            f"licence: {self.licence}",
            f"prepare: betavae data prepare {name} --from PATH{come}",
            f"PATH is {self.source}",
        ]


def array_reading(
    source: Source,
    chosen: Chosen,
    *,
    labels: NDArray[np.int64] | None = None,
    names: tuple[str, ...] = (),
    grid: Factors | None = None,
    white: int = 255,
) -> Reading:
    """Read an array of images piece by piece, cropped, resized and coloured as chosen.

    Args:
        source: the images, in any accepted layout.
        chosen: how they are wanted.
        labels: (N, K) factors, or None.
        names: their names.
        grid: instead of labels.
        white: the value that is white.
    """
    _, height, width = source.check()
    check_crop(chosen.crop, height, width, source.what)

    def wanted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return fit_pixels(to_channels(images, chosen.channels), chosen.size, chosen.crop)

    return Reading(
        source.shape[0], (chosen.channels, chosen.size, chosen.size),
        lambda out: fill(source, out, wanted, white), labels=labels, names=names, grid=grid,
    )  # fmt: skip


def one_file(path: Path, suffixes: tuple[str, ...], what: str) -> Path:
    """Return `path`, or the only file with one of `suffixes` in the folder that it names.

    Raises:
        InputError: when there is none, or more than one.
    """
    found = [path] if not path.is_dir() else sorted(path.iterdir())
    found = [file for file in found if file.suffix.lower() in suffixes]
    if len(found) != 1:
        kinds = " or ".join(suffixes)
        got = ", ".join(file.name for file in found) or "none"
        where = f"{path} must hold one {kinds} file" if path.is_dir() else f"a {kinds} file"
        raise InputError(f"{what} needs {where}, got {got if path.is_dir() else path}")
    return found[0]


def decode_all(
    container: Container, names: Sequence[str], out: NDArray[np.uint8], chosen: Chosen, title: str
) -> None:
    """Decode pictures of a container into the rows of `out`, (N, C, H, W), on all cores.

    Args:
        container: the folder or archive.
        names: its N pictures, in the order of the rows.
        out: gets them.
        chosen: says channels, size and crop.
        title: heads the progress bar.

    Raises:
        InputError: when a picture is damaged or smaller than the crop.
    """
    row = {name: index for index, name in enumerate(names)}

    def one(item: tuple[str, bytes]) -> int:
        name, content = item
        if row[name] % LET_GO == 0:
            let_go(out)
        out[row[name]] = decode(
            io.BytesIO(content), chosen.channels, chosen.size, crop=chosen.crop,
            name=f"{container.path}: {name}",
        )  # fmt: skip
        return 1

    with quiet_decoders():
        stream_on_all_cores(container.stream(frozenset(names)), one, len(names), title)
