"""Commands about data sets: `data list`, `data info`, `data prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from betavae._system.errors import InputError
from betavae._system.text import printable
from betavae.cli.apps import data_app

if TYPE_CHECKING:
    from betavae.data.dataset import Dataset

SHOWN = 12  # names of classes


@data_app.command(name="list")
def data_list() -> None:
    """List the data sets that have a name, and what else can be given.

    Example: betavae data list
    """
    from betavae.data import prepared, shapes2d
    from betavae.data.sets import SETS
    from betavae.data.sets.made import MADE

    for name, (holds, _) in MADE.items():
        state = "made as it is drawn"
        if name == "shapes2d":
            state = "prepared" if shapes2d.cache_path().exists() else "rendered on first use"
        print(f"{name:17} {holds} ({state})")
    for name, recipe in SETS.items():
        sizes = ", ".join(map(str, prepared.find(name)))
        state = f"prepared, size {sizes}" if sizes else f"see: betavae data info {name}"
        print(f"{name:17} {recipe.images} ({state})")
    print(f"{'PATH':17} a folder, .zip or .tar of images, or a .npy, .npz, .h5, .pt or .mat file")


@data_app.command(name="info")
def data_info(
    data: str,
    /,
    *,
    size: int | None = None,
    crop: int | Literal["whole"] | None = None,
    pad: Literal["black", "white", "edge"] | None = None,
    folders_as: str | None = None,
    skip_bad: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say what a data set holds, and of a named one where to get it and under which terms.

    Example: betavae data info chairs

    Args:
        data: shapes2d, a name that `betavae data list` shows, or the path of your own images.
        size: Side of a prepared set; crop and resize your own images to this side, 8 to 256.
        crop: Side of the centre square to cut out first, or whole to squeeze everything.
        pad: Make pictures square by a border instead: black, white, or the edge's pixels.
        folders_as: Name of a factor whose values are the pictures' sub-folders.
        skip_bad: Leave damaged pictures out instead of refusing the set.
    """
    from betavae import data as datasets
    from betavae.data import prepared
    from betavae.data.sets import SETS

    if data in SETS:
        print("\n".join(SETS[data].lines(data)))
        there = prepared.find(data)
        if not there or (size is not None and size not in there):
            print("not prepared yet")
            return
        header = prepared.read_header(
            there.get(size or SETS[data].size, next(iter(there.values())))
        )
        print(f"prepared from {header.source['path']} (sha256 {header.source['sha256']})")
        if header.remark:
            print(header.remark)
        _show(datasets.load(data, size=header.image_shape[1]))
        return
    options: dict[str, Any] = {
        "crop": crop, "pad": pad, "folders_as": folders_as, "skip_bad": skip_bad
    }  # fmt: skip
    _show(datasets.load(data, size=size, **options))


def _show(dataset: Dataset) -> None:
    """Print what a data set holds."""
    channels, height, width = dataset.images.image_shape
    kind = "binary, 8 pixels a byte" if dataset.images.packed else "uint8"
    shape = f"{channels} x {height} x {width}"
    print(f"{printable(dataset.name)}: {len(dataset.images):,} images, {shape}")
    megabytes = dataset.images.nbytes / 1e6
    print(f"stored {kind}: {megabytes:,.1f} MB" if megabytes else "made as they are drawn")
    if dataset.grid is not None:
        sizes = zip(dataset.grid.names, dataset.grid.sizes, strict=True)
        listed = ", ".join(f"{name} {count}" for name, count in sizes)
        print(printable(f"factors, a full grid: {listed}"))
    elif dataset.labels is not None:
        print(printable(f"factors: {', '.join(dataset.factor_names)}"))
    else:
        print("factors: none")
    for name, values in dataset.value_names.items():
        more = f", ... ({len(values)})" if len(values) > SHOWN else ""
        print(printable(f"{name}: {', '.join(values[:SHOWN])}{more}"))


@data_app.command(name="prepare")
def data_prepare(
    data: str = "shapes2d",
    /,
    *,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    download: bool = False,
    size: int | None = None,
    colour: Annotated[bool | None, Parameter(negative="--grey")] = None,
    crop: int | Literal["whole"] | None = None,
    cameras: Literal["left", "right", "both"] | None = None,
    identities: int | None = None,
    azimuths: int | None = None,
    elevations: int | None = None,
    lights: int | None = None,
) -> None:
    """Read a data set into the cache now, so that training starts at once.

    Example: betavae data prepare faces --from 01_MorphableModel.mat --identities 50

    Args:
        data: shapes2d, a name that `betavae data list` shows, or a folder of images.
        source: The file or folder that you downloaded; `betavae data info NAME` says which.
        download: Download it into the cache first, where it has a stable public address.
        size: Side of the images. [default: the set's own, mostly 64]
        colour: Make images RGB, or with --grey grey. [default: the set's own]
        crop: Side of the centre square to cut out, or whole to squeeze everything.
        cameras: SmallNORB: whose images; with both, the camera is a factor. [default: left]
        identities: Faces: how many people.
        azimuths: Faces: how many turns of the head.
        elevations: Faces: how many heights of the camera.
        lights: Faces: how many directions of the light.
    """
    from betavae import data as datasets
    from betavae.data import prepare, prepared
    from betavae.data.cache import cache_folder
    from betavae.data.recipe import Options

    options = Options(size, colour, crop, cameras, identities, azimuths, elevations, lights)
    if source is None and not download and options == Options(size):
        _show(datasets.load(data, size=size))
        return
    if source is None and not download:
        raise InputError("these options need --from PATH, the files to prepare")
    if source is not None and download:
        raise InputError("give --from or --download, not both")
    if source is None:
        source = prepare.download(data, cache_folder() / "downloads" / data)
    path = prepare.prepare(data, source, options)
    header = prepared.read_header(path)
    _show(prepared.load(path, data))
    if header.remark:
        print(header.remark)
    print(f"written to {path}; next: betavae train {data}")
