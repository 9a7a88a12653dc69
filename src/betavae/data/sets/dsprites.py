"""dSprites as published, .npz or .hdf5: bit-packed, and compared with our own rendering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import stream_on_all_cores
from betavae.data import shapes2d
from betavae.data.label_arrays import DSPRITES_NAMES
from betavae.data.readers.arrays import AHEAD, packed_bits
from betavae.data.readers.hdf5 import hdf5_array, hdf5_source
from betavae.data.readers.numpy_files import Archive
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, array_reading, one_file

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"


def read(path: Path, chosen: Chosen) -> Reading:
    """Read the published file: `imgs` and `latents_classes`; its pickled metadata is never read.

    Raises:
        InputError: when the file is not dSprites.
    """
    path = one_file(path, (".npz", ".hdf5", ".h5"), "dsprites")
    if path.suffix.lower() == ".npz":
        archive = Archive(path)
        missing = [key for key in ("imgs", "latents_classes") if key not in archive.headers]
        if missing:
            held = ", ".join(archive.headers) or "no arrays"
            raise InputError(f"{path} must hold arrays imgs and latents_classes, got {held}")
        source, classes = archive.source("imgs"), archive.read("latents_classes")
    else:
        source, classes = hdf5_source(path, "imgs"), hdf5_array(path, "latents/classes")
    side = (shapes2d.SIDE, shapes2d.SIDE)
    if source.shape[1:] != side or classes.shape != (source.shape[0], len(DSPRITES_NAMES)):
        raise InputError(
            f"{path} must hold (N, 64, 64) images and (N, 6) classes, got {source.shape} and "
            f"{classes.shape}"
        )
    labels, names = classes[:, 1:].astype(np.int64), DSPRITES_NAMES[1:]  # there is one colour
    if chosen.size != shapes2d.SIDE:
        return array_reading(source, chosen, labels=labels, names=names, white=1)

    def fill(out: NDArray[np.uint8]) -> str:
        differ: list[int] = []

        def one(piece: tuple[int, NDArray[np.uint8]]) -> int:
            first, images = piece
            last = first + len(images)
            if images.max() > 1:
                raise InputError(f"{path} must hold 0 and 1, got {images.max()}")
            out[first:last] = packed_bits(images)
            other = shapes2d.render(labels[first:last]) != images[:, 0]
            differ.append(int(other.any(axis=(1, 2)).sum()))
            return len(images)

        stream_on_all_cores(source.images(), one, len(labels), "reading images", backlog=AHEAD)
        if not any(differ):
            return "equal to our rendering (shapes2d), bit for bit"
        return f"{sum(differ):,} of {len(labels):,} images differ from our rendering"

    shape = (1, *side)
    return Reading(len(labels), shape, fill, packed=True, labels=labels, names=names)


RECIPE = Recipe(
    title="the paper's 2D shapes, as published",
    images="737,280 binary 64x64",
    factors="shape 3, scale 6, orientation 40, posX 32, posY 32: a full grid",
    site="https://github.com/google-deepmind/dsprites-dataset",
    licence="Apache 2.0 (its repository); drawn with LÖVE, which is under zlib/libpng",
    download="26 MB",
    source=f"{FILE}.npz or .hdf5",
    read=read,
    channels=1,
    takes=(),
    remotes=(
        Remote(
            f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE}.npz",
        ),
    ),
)
