"""3D chairs (Aubry et al. 2014): 1,393 models from 62 views, streamed from the published tar."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.containers import Container, open_container
from betavae.data.readers.matlab import read_mat
from betavae.data.recipe import Chosen, Reading, Recipe, Remote, decode_all, one_file

# rendered_chairs/MODEL/renders/image_001_p020_t011_r096.png: elevation p, azimuth t in degrees
PATTERN = re.compile(r"(?:.*/)?([^/]+)/renders/[^/]*_p(\d+)_t(\d+)_[^/]*\.png", re.IGNORECASE)
NAMES = ("model", "elevation", "azimuth")
MODELS = "all_chair_names.mat"


def read(path: Path, chosen: Chosen) -> Reading:
    """Read the tar, or the folder unpacked from it, sorted by model, elevation and azimuth.

    Models are numbered as in all_chair_names.mat where that is there, else by name.

    Raises:
        InputError: when there are no such images, or one is damaged or smaller than the crop.
    """
    if path.is_dir() and not any(path.rglob("renders")):
        path = one_file(path, (".tar",), "chairs")
    container = open_container(path)
    found = {name: match for name in container.names if (match := PATTERN.fullmatch(name))}
    if not found:
        raise InputError(f"{path} must hold MODEL/renders/..._pXXX_tYYY_....png images, got none")
    number = _models(container, sorted({match[1] for match in found.values()}))
    views = {
        name: (number[match[1]], int(match[2]), int(match[3])) for name, match in found.items()
    }
    names = sorted(views, key=lambda name: (views[name], name))
    values = np.array([views[name] for name in names], np.int64)
    ranks = [np.unique(column, return_inverse=True)[1] for column in values.T]

    def fill(out: NDArray[np.uint8]) -> None:
        decode_all(container, names, out, chosen, "decoding chairs")

    shape = (chosen.channels, chosen.size, chosen.size)
    labels = np.stack(ranks, axis=1).astype(np.int64)
    return Reading(len(names), shape, fill, labels=labels, names=NAMES)


def _models(container: Container, models: list[str]) -> dict[str, int]:
    """Give every model its number, in the order of the .mat file where it is given."""
    file = container.named(MODELS)
    if file is None:
        return {model: index for index, model in enumerate(models)}
    what = f"{container.path}: {file}"
    cells = read_mat(io.BytesIO(container.read(file)), ("folder_names",), what)["folder_names"]
    listed = [str(np.asarray(cell).squeeze()) for cell in cells.flat]
    number = {model: index for index, model in enumerate(listed)}
    missing = [model for model in models if model not in number]
    if missing:
        raise InputError(f"{what} must name every model, '{missing[0]}' is missing")
    return number


RECIPE = Recipe(
    title="chair models, rendered",
    images="86,366 colour 600x600 (made grey)",
    factors="model 1,393, elevation 2, azimuth 31: a full grid",
    site="https://www.di.ens.fr/willow/research/seeing3Dchairs/",
    licence="none stated by its authors",
    download="about 2.5 GB: our estimate, at 30 kB a picture; no size is stated there",
    source="rendered_chairs.tar, or the folder unpacked from it",
    read=read,
    channels=1,
    crop=400,
    remotes=(
        Remote("https://www.di.ens.fr/willow/research/seeing3Dchairs/data/rendered_chairs.tar"),
    ),
)
