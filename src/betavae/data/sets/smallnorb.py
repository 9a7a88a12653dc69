"""SmallNORB (LeCun et al. 2004): fifty toys from two cameras, in matrices of its own format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import stream_on_all_cores
from betavae.data.cache import let_go
from betavae.data.readers.idx import Matrix, open_norb
from betavae.data.readers.pictures import check_crop, to_channels
from betavae.data.recipe import Chosen, Reading, Recipe, Remote
from betavae.data.resize import fit_pixels

NAMES = ("category", "instance", "elevation", "azimuth", "lighting", "camera")
PATTERN = re.compile(r"smallnorb-.*-(training|testing)-(dat|cat|info)\.mat(\.gz)?")
BLOCK = 256  # image pairs read at a time
AHEAD = 8  # blocks read ahead of the threads that resize them


def read(path: Path, chosen: Chosen) -> Reading:
    """Read a folder's files, training and testing, sorted by factors.

    Both parts together are a full grid; one alone has five instances of each category. With the
    images of both cameras, the camera is the last factor: 0 left, 1 right.

    Raises:
        InputError: when files are missing or do not belong together.
    """
    parts = _parts(path)
    views = {"left": [0], "right": [1], "both": [0, 1]}[chosen.cameras or "left"]
    labels = np.concatenate([_labels(part) for part in parts])
    labels = np.column_stack(
        [np.repeat(labels, len(views), axis=0), np.tile(np.arange(len(views)), len(labels))]
    )
    pairs = [part["dat"] for part in parts]
    check_crop(chosen.crop, pairs[0].shape[2], pairs[0].shape[3], str(pairs[0].path))
    order = np.lexsort(labels.T[::-1])
    row = np.empty(len(labels), np.int64)
    row[order] = np.arange(len(labels))

    def blocks() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        first = 0
        for pair in pairs:
            for block in pair.blocks(BLOCK):
                images = block[:, views].reshape(-1, 1, *block.shape[2:])
                yield first, images
                first += len(images)

    def fill(out: NDArray[np.uint8]) -> None:
        def one(item: tuple[int, NDArray[np.uint8]]) -> int:
            first, images = item
            images = fit_pixels(images, chosen.size, chosen.crop)
            out[row[first : first + len(images)]] = to_channels(images, chosen.channels)
            let_go(out)
            return len(images)

        stream_on_all_cores(blocks(), one, len(labels), "reading images", backlog=AHEAD)

    shape = (chosen.channels, chosen.size, chosen.size)
    sorted_labels = labels[order]
    # Classes in place of the instance's numbers and of tens of degrees: 0, 1, 2, ...
    ranks = [np.unique(column, return_inverse=True)[1] for column in sorted_labels.T]
    return Reading(len(labels), shape, fill, labels=np.stack(ranks, axis=1), names=NAMES)


def _parts(path: Path) -> list[dict[str, Matrix]]:
    """Open the matrices of the training and the testing part, whichever are there."""
    if not path.is_dir():
        raise InputError(f"smallnorb needs the folder that holds its files, got {path}")
    found: dict[str, dict[str, Matrix]] = {}
    for file in sorted(path.iterdir(), reverse=True):  # x.mat after x.mat.gz, so that it wins
        if match := PATTERN.fullmatch(file.name):
            found.setdefault(match[1], {})[match[2]] = open_norb(file)
    for part, matrices in found.items():
        if missing := {"dat", "cat", "info"} - matrices.keys():
            raise InputError(f"{path} lacks smallnorb-...-{part}-{min(missing)}.mat")
        data, kinds, details = matrices["dat"], matrices["cat"], matrices["info"]
        count = data.shape[0]
        pairs = len(data.shape) == 4 and data.shape[1] == 2 and data.dtype == np.uint8
        if not pairs or kinds.shape != (count,) or details.shape != (count, 4):
            raise InputError(
                f"{path}: the {part} files must be (N, 2, H, W) bytes, (N,) and (N, 4), got "
                f"{data.shape} {data.dtype}, {kinds.shape} and {details.shape}"
            )
    if not found:
        raise InputError(f"{path} must hold smallnorb-...-dat.mat, -cat.mat and -info.mat files")
    return [found[part] for part in ("training", "testing") if part in found]


def _labels(part: dict[str, Matrix]) -> NDArray[np.int64]:
    """Return (N, 5) factors: category, and what the info file says."""
    columns = (part["cat"].read()[:, None], part["info"].read())
    labels = np.concatenate(columns, axis=1).astype(np.int64)
    if labels.min() < 0:
        raise InputError(f"{part['info'].path} must hold values >= 0, got {labels.min()}")
    return labels


ADDRESS = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/smallnorb-5x"
RECIPE = Recipe(
    title="fifty toys of five categories, photographed by two cameras",
    images="48,600 grey 96x96 a camera (left by default)",
    factors="category 5, instance 10, elevation 9, azimuth 18, lighting 6, camera 2 where both: "
    "a full grid",
    site="https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
    licence="for research purposes; it cannot be sold",
    download="240 MB",
    source="the folder with its six .mat or .mat.gz files",
    read=read,
    channels=1,
    takes=("colour", "crop", "cameras"),
    cameras="left",
    remotes=tuple(
        Remote(f"{ADDRESS}{part}-{kind}.mat.gz")
        for part in ("46789x9x18x6x2x96x96-training", "01235x9x18x6x2x96x96-testing")
        for kind in ("dat", "cat", "info")
    ),
)
