"""Images and their factors: the 2D shapes, rendered, known data sets, and a user's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy

if TYPE_CHECKING:
    from betavae.data.dataset import Dataset as Dataset
    from betavae.data.factors import Factors as Factors
    from betavae.data.images import ImageStore as ImageStore
    from betavae.data.other_libraries import from_dataset as from_dataset

_HOMES = {
    "Dataset": "dataset",
    "Factors": "factors",
    "ImageStore": "images",
    "from_dataset": "other_libraries",
}

__all__ = ["Dataset", "Factors", "ImageStore", "from_dataset", "load"]
__getattr__, __dir__ = lazy(__name__, _HOMES)


def load(name: str, *, size: int | None = None) -> Dataset:
    """Load a data set by name, or a user's own images by path.

    Args:
        name: ``shapes2d``, a set prepared before (see `betavae.data.prepare`), a .npy or .npz
            file, or a folder of images. A folder that has a set's name is given as ``./NAME``.
        size: side of a prepared set's images; crop to the centre square and resize a folder's
            images to this side.

    Raises:
        InputError: when there is no such set or file, or it holds no usable images.
    """
    from betavae.data import folder, prepare, sets, shapes2d
    from betavae.data.dataset import Dataset

    if name == "shapes2d":
        return Dataset(name, shapes2d.load(), shapes2d.FACTORS, None, shapes2d.FACTORS.names)
    if name in sets.SETS:
        return prepare.load(name, size)
    return folder.load(name, size=size)
