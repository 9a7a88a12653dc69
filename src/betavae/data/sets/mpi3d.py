"""MPI3D (Gondal et al. 2019): a robot arm with an object; toy, realistic, real and complex."""

from __future__ import annotations

from pathlib import Path

from betavae._system.errors import InputError
from betavae.data.factors import Factors
from betavae.data.readers.numpy_files import Archive
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, array_reading, one_file

NAMES = (
    "object_color", "object_shape", "object_size", "camera_height", "background_color",
    "horizontal_axis", "vertical_axis",
)  # fmt: skip
# The images stand in grid order; how many there are says which grid it is.
GRIDS = tuple(
    Factors(NAMES, sizes)
    for sizes in (
        (6, 6, 2, 3, 3, 40, 40),  # toy, realistic, real
        (4, 4, 2, 3, 3, 40, 40),  # complex; and all of them before 2020
    )
)


def read(path: Path, chosen: Chosen) -> Reading:
    """Read the array `images` (N, 64, 64, 3), streamed from the archive.

    Raises:
        InputError: when the file is not MPI3D.
    """
    path = one_file(path, (".npz",), "mpi3d")
    archive = Archive(path)
    if "images" not in archive.headers:
        held = ", ".join(archive.headers) or "no arrays"
        raise InputError(f"{path} must hold an array images, got {held}")
    source = archive.source("images")
    grid = next((grid for grid in GRIDS if len(grid) == source.shape[0]), None)
    if grid is None:
        counts = " or ".join(f"{len(grid):,}" for grid in GRIDS)
        raise InputError(f"{path} must hold {counts} images, got {source.shape[0]:,}")
    if archive.headers["images"].fortran_order:
        raise InputError(f"{path}: images must be stored in C order to be streamed")
    return array_reading(source, chosen, grid=grid)


ADDRESS = "https://storage.googleapis.com/mpi3d_disentanglement_dataset/data/"
REST = "object_size 2, camera_height 3, background_color 3, horizontal_axis 40, vertical_axis 40"


def _recipe(shown: str, file: str, public: str | None, kinds: int = 6) -> Recipe:
    """Return one of the four sets; `kinds` of colours and of shapes each."""
    return Recipe(
        title=f"a robot arm holding an object, {shown}",
        images=f"{kinds**2 * 28_800:,} colour 64x64",
        factors=f"object_color {kinds}, object_shape {kinds}, {REST}: a full grid",
        site="https://github.com/rr-learning/disentanglement_dataset",
        licence="CC BY 4.0",
        download=f"{kinds**2 * 28_800 * 64 * 64 * 3 / 1e9:.1f} GB",
        source=file,
        read=read,
        remotes=() if public is None else (Remote(ADDRESS + public),),
        no_remote="" if public else "its authors share it through Google Drive only",
    )


TOY = _recipe("rendered simply", "mpi3d_toy.npz", "mpi3d_toy.npz")
REALISTIC = _recipe("rendered realistically", "mpi3d_realistic.npz", "mpi3d_realistic.npz")
REAL = _recipe("photographed", "mpi3d_real.npz", "real.npz")
COMPLEX = _recipe(
    "photographed, with everyday objects", "real3d_complicated_shapes_ordered.npz", None, kinds=4
)
