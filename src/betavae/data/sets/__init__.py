"""The data sets that have a name, besides the rendered 2D shapes."""

from __future__ import annotations

import re
from pathlib import Path

from betavae._system.errors import InputError, did_you_mean
from betavae.data.recipe import Recipe
from betavae.data.sets import (
    cars3d,
    celeba,
    chairs,
    dsprites,
    faces,
    mnist,
    mpi3d,
    shapes3d,
    smallnorb,
)

SETS: dict[str, Recipe] = {
    "dsprites": dsprites.RECIPE,
    "chairs": chairs.RECIPE,
    "faces": faces.RECIPE,
    "celeba": celeba.RECIPE,
    "shapes3d": shapes3d.RECIPE,
    "cars3d": cars3d.RECIPE,
    "smallnorb": smallnorb.RECIPE,
    "mpi3d-toy": mpi3d.TOY,
    "mpi3d-realistic": mpi3d.REALISTIC,
    "mpi3d-real": mpi3d.REAL,
    "mpi3d-complex": mpi3d.COMPLEX,
    "mnist": mnist.MNIST,
    "fashionmnist": mnist.FASHION,
}


# Names of the published files, so that somebody who loads one is told about `data prepare`.
FILES = {
    r"dsprites_ndarray_.*\.(npz|hdf5)": "dsprites",
    r"rendered_chairs(\.tar)?": "chairs",
    r"01_MorphableModel\.mat": "faces",
    r"img_align_celeba(_png)?(\.zip)?": "celeba",
    r"3dshapes\.h5": "shapes3d",
    r"nips2015-analogy-data\.tar\.gz": "cars3d",
    r"smallnorb-.*": "smallnorb",
    r"mpi3d_toy\.npz": "mpi3d-toy",
    r"mpi3d_realistic\.npz": "mpi3d-realistic",
    r"mpi3d_real\.npz": "mpi3d-real",
    r"real3d_complicated_shapes_ordered\.npz": "mpi3d-complex",
    r"(train|t10k)-(images|labels).idx\d-ubyte(\.gz)?": "mnist",
}


def known_file(path: Path) -> str | None:
    """Return the set that a file belongs to, by its published name, or None.

    >>> known_file(Path("downloads/3dshapes.h5"))
    'shapes3d'
    """
    for pattern, name in FILES.items():
        if re.fullmatch(pattern, path.name):
            return name
    return None


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a named set.

    Raises:
        InputError: when there is no such set.
    """
    if name not in SETS:
        raise InputError(
            f"data set must be one of {', '.join(SETS)}, got '{name}'{did_you_mean(name, SETS)}"
        )
    return SETS[name]
