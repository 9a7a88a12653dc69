"""Cars3D (Reed et al. 2015): 183 car models, each a .mat file of 24 x 4 views."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import stream_on_all_cores
from betavae.data.cache import let_go
from betavae.data.factors import Factors
from betavae.data.readers.containers import open_container
from betavae.data.readers.matlab import read_mat
from betavae.data.readers.pictures import check_crop, to_channels
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, one_file
from betavae.data.resize import fit_pixels

ELEVATIONS, AZIMUTHS = 4, 24


def read(path: Path, chosen: Chosen) -> Reading:
    """Read the archive, or the folder of .mat files: a grid of elevation, azimuth and object.

    Raises:
        InputError: when there are no such files, or they do not hold `im` as published.
    """
    if path.is_dir() and not any(path.rglob("*_mesh.mat")):
        path = one_file(path, (".gz", ".tar", ".zip"), "cars3d")
    container = open_container(path)
    names = container.ending("_mesh.mat")
    if not names:
        raise InputError(f"{path} must hold car_..._mesh.mat files, got none")
    grid = Factors(("elevation", "azimuth", "object"), (ELEVATIONS, AZIMUTHS, len(names)))
    place = {name: index for index, name in enumerate(names)}

    def fill(out: NDArray[np.uint8]) -> None:
        cells = out.reshape(ELEVATIONS, AZIMUTHS, len(names), *out.shape[1:])

        def one(item: tuple[str, bytes]) -> int:
            name, content = item
            views = _views(content, f"{path}: {name}")
            check_crop(chosen.crop, views.shape[2], views.shape[3], name)
            fitted = to_channels(fit_pixels(views, chosen.size, chosen.crop), chosen.channels)
            cells[:, :, place[name]] = fitted.reshape(ELEVATIONS, AZIMUTHS, *out.shape[1:])
            let_go(out)
            return 1

        stream_on_all_cores(
            container.stream(frozenset(names)), one, len(names), "reading cars", backlog=4
        )

    return Reading(len(grid), (chosen.channels, chosen.size, chosen.size), fill, grid=grid)


def _views(content: bytes, what: str) -> NDArray[np.uint8]:
    """Return a car's views, (4 * 24, 3, H, W), of `im`: an (H, W, 3, 24, 4) array, or cells."""
    stored: Any = read_mat(io.BytesIO(content), ("im",), what)["im"]
    if stored.dtype == object:
        shapes = {getattr(cell, "shape", None) for cell in stored.flat}
        if stored.size != AZIMUTHS * ELEVATIONS or len(shapes) != 1:
            raise InputError(f"{what}: im must hold 24 x 4 images of one size, got {stored.shape}")
        cells = [np.asarray(cell) for cell in stored.reshape(AZIMUTHS, ELEVATIONS, order="F").flat]
        stored = np.moveaxis(np.stack(cells), 0, -1)
        stored = stored.reshape(*stored.shape[:-1], AZIMUTHS, ELEVATIONS)
    if stored.shape[2:] != (3, AZIMUTHS, ELEVATIONS) or stored.dtype != np.uint8:
        raise InputError(
            f"{what}: im must be (H, W, 3, 24, 4) uint8, got {stored.shape} {stored.dtype}"
        )
    views: NDArray[np.uint8] = stored.transpose(4, 3, 2, 0, 1)
    return views.reshape(-1, *views.shape[2:])


RECIPE = Recipe(
    title="car models, rendered",
    images="17,568 colour 128x128",
    factors="elevation 4, azimuth 24, object 183: a full grid",
    site="http://www.scottreed.info/",
    licence="none stated by its authors",
    download="at most about 1.2 GB: our bound, the cars unpacked; no size is stated there",
    source="nips2015-analogy-data.tar.gz, or its folder data/cars",
    read=read,
    remotes=(Remote("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz"),),
)
