"""MNIST and FashionMNIST: idx files of 28x28 images, padded to 32x32, with their classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from betavae._system.errors import InputError
from betavae.data.readers.arrays import Source
from betavae.data.readers.idx import open_idx
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, array_reading

PARTS = ("train", "t10k")
SIDE = 28


def read(path: Path, chosen: Chosen, *, factor: str) -> Reading:
    """Read a folder's idx files: the training images, then the test images.

    Images get a border of two pixels, as LeNet had it; larger sizes are resized from that.

    Raises:
        InputError: when files are missing or do not belong together.
    """
    found = [(index, pair) for index, part in enumerate(PARTS) if (pair := _pair(path, part))]
    if not found:
        raise InputError(f"{path} must hold train-images-idx3-ubyte and its like, got none")
    images, labels = [], []
    for index, (pictures, classes) in found:
        values, kinds = open_idx(pictures), open_idx(classes).read()
        if values.shape[1:] != (SIDE, SIDE) or kinds.shape != values.shape[:1]:
            raise InputError(
                f"{pictures} must hold (N, 28, 28) images with N labels, got {values.shape} and "
                f"{kinds.shape}"
            )
        images.append(values.read().astype(np.uint8))
        labels.append(np.stack([kinds, np.full(len(kinds), index)], axis=1))
    pixels = np.pad(np.concatenate(images), ((0, 0), (2, 2), (2, 2)))
    return array_reading(
        Source.from_array(pixels), chosen,
        labels=np.concatenate(labels).astype(np.int64), names=(factor, "partition"),
    )  # fmt: skip


def _pair(path: Path, part: str) -> tuple[Path, Path] | None:
    """Find images and labels of one part, gzipped or not, in the folder or its subfolders."""
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        names = {f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.', 1)}-ubyte"}
        names |= {f"{name}.gz" for name in names}
        files = sorted(file for file in path.rglob("*") if file.name in names and file.is_file())
        found.append(files[0] if files else None)
    images, labels = found
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        raise InputError(f"{path} has {images or labels}, but not what belongs to it")
    return images, labels


def _recipe(
    title: str, factor: str, site: str, licence: str, mirror: str, *files: Remote
) -> Recipe:
    return Recipe(
        title=title,
        images="70,000 grey 28x28 (padded to 32x32)",
        factors=f"{factor} 10, partition 2 (0 train, 1 test)",
        site=site,
        licence=licence,
        download=f"{sum(file.nbytes or 0 for file in files) / 1e6:.0f} MB",
        source="the folder with its four idx files, gzipped or not",
        read=partial(read, factor=factor),
        size=32,
        channels=1,
        takes=("colour",),
        remotes=tuple(Remote(mirror + file.url, file.nbytes, file.sha256) for file in files),
    )


MNIST = _recipe(
    "handwritten digits",
    "digit",
    "http://yann.lecun.com/exdb/mnist/",
    "CC BY-SA 3.0, held by Y. LeCun and C. Cortes (as PyMVPA's page of it says)",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    Remote(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    Remote(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    Remote(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    Remote(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
FASHION = _recipe(
    "clothes",
    "class",
    "https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    Remote(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    Remote(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    Remote(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    Remote(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)
