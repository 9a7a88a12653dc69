"""3D Shapes (Burgess and Kim 2018): an HDF5 file of a room with one object."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from betavae._system.errors import InputError
from betavae.data.readers.hdf5 import hdf5_array, hdf5_source
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, array_reading, one_file

NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")


def read(path: Path, chosen: Chosen) -> Reading:
    """Read `images` (N, 64, 64, 3) and `labels` (N, 6); a label's class is its rank.

    Raises:
        InputError: when the file is not 3D Shapes.
    """
    path = one_file(path, (".h5", ".hdf5"), "shapes3d")
    source, values = hdf5_source(path, "images"), hdf5_array(path, "labels")
    if values.shape != (source.shape[0], len(NAMES)):
        raise InputError(
            f"{path} must hold one label of {len(NAMES)} values an image, got {values.shape} "
            f"for {source.shape[0]:,} images"
        )
    ranks = [np.unique(column, return_inverse=True)[1] for column in values.T]
    labels = np.stack(ranks, axis=1).astype(np.int64)
    return array_reading(source, chosen, labels=labels, names=NAMES)


RECIPE = Recipe(
    title="a room with one object, rendered",
    images="480,000 colour 64x64",
    factors="floor_hue 10, wall_hue 10, object_hue 10, scale 8, shape 4, orientation 15: a full "
    "grid",
    site="https://github.com/google-deepmind/3d-shapes",
    licence="Apache 2.0 (its repository)",
    download="268 MB",
    source="3dshapes.h5",
    read=read,
    remotes=(
        Remote(
            "https://storage.googleapis.com/3d-shapes/3dshapes.h5",
            267_573_662,
            "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
        ),
    ),
)
