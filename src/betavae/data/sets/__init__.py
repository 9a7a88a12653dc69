"""The data sets that have a name, besides the rendered 2D shapes."""

from __future__ import annotations

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
