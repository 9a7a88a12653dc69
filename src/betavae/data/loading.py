"""`load`: a data set by its name, by the path of anybody's files, or from another library."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from betavae._system.errors import InputError, did_you_mean
from betavae._system.notes import note_once
from betavae.data import array_files, prepare, shapes2d
from betavae.data.dataset import Dataset
from betavae.data.folder import load_folder
from betavae.data.folder_factors import folder_table
from betavae.data.labelled import labelled
from betavae.data.load_options import LoadOptions
from betavae.data.other_libraries import from_dataset
from betavae.data.parquet import PARQUET, load_parquet
from betavae.data.readers.containers import Container, open_container
from betavae.data.readers.file_names import PICTURES
from betavae.data.readers.files import check_plain
from betavae.data.readers.members import Member
from betavae.data.readers.numpy_files import Archive, open_npy
from betavae.data.readers.pictures import Crop, pages_in
from betavae.data.sets import SETS, known_file, mpi3d
from betavae.data.sets.made import MADE, is_made, make

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def load(
    name: str | Path | Any,
    *,
    size: int | None = None,
    crop: Crop = None,
    pad: Literal["black", "white", "edge"] | None = None,
    folders_as: str | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Load a data set by name, a user's own images by path, or those of another library.

    What was assumed or left out stands in the data set's `notes`, and is printed once on stderr.

    Args:
        name: ``shapes2d``, ``scenes3d`` or another set that is made here (see `betavae data list`);
            a set prepared before (see `betavae.data.prepare`); or the path of
            a folder, .zip or .tar of pictures (PNG, JPEG, TIFF, BMP, GIF, WebP, PPM), in natural
            order of their names, grey when all are, else RGB; a table ``factors.csv`` in it gives
            their factors, and tables beside it that name every picture do;
            a .tif whose pages are the images, and a .parquet file or a folder of them with a
            column of pictures, as Hugging Face has it;
            a .npy, .npz, .h5, .pt or .mat file of images (N, H, W), (N, H, W, C) or (N, C, H, W),
            or with N last: whole numbers in 0..255, uint16, bool, or floats in [0, 1], with
            labels under the usual keys;
            or a torch Dataset or DataLoader, a Hugging Face data set, a sequence of images.
            A folder that has a set's name is given as ``./NAME``.
        size: side of a prepared set's images; resize a user's own to this side, 8 to 256.
        crop: side of the centre square that is cut out first, or "whole" to squeeze everything.
        pad: make pictures square by a border instead: black, white, or the edge's pixels.
        folders_as: name of a factor whose values are the pictures' sub-folders; see `LoadOptions`.
        skip_bad: leave damaged pictures out, with a note, instead of refusing the set.

    Returns:
        The images, bit-packed when an array is binary (0 and 1, or 0 and 255), else uint8; large
        sets are memory-mapped, a folder's and whatever had to be converted from the cache folder,
        so that a second load is quick.

    Raises:
        InputError: one line that names what is wrong, what was expected and what came.
    """
    options = LoadOptions(size, crop, pad, folders_as, skip_bad)
    if not isinstance(name, (str, os.PathLike)):
        dataset = from_dataset(name, options=options)
    elif is_made(str(name)) or name in SETS:
        dataset = _named(str(name), options)
    else:
        dataset = _from_path(str(name), options)
    note_once(dataset.notes)
    return dataset


def _named(name: str, options: LoadOptions) -> Dataset:
    if options != LoadOptions(options.size):
        raise InputError(
            f"{name} is prepared: it takes a size only; crop is an option of `data prepare`"
        )
    if not is_made(name):
        return prepare.load(name, options.size)
    if options.size not in (None, shapes2d.SIDE):
        raise InputError(f"size of {name} must be {shapes2d.SIDE}, got {options.size}")
    return make(name)


def _from_path(name: str, options: LoadOptions) -> Dataset:
    path = Path(name).expanduser()
    try:
        path.stat()
        is_folder = path.is_dir()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no data set or path '{name}'{_meant(name, path)}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{name[:80]}': {error}") from None
    if not is_folder:
        check_plain(path)
    suffix, known = path.suffix.lower(), known_file(path)
    hint = f"betavae data prepare {known} --from {name}" if known else ""
    if suffix in array_files.SUFFIXES:
        dataset = array_files.load_arrays(path, name=name, options=options)
    elif suffix == PARQUET:
        dataset = load_parquet(None, [str(path)], name=name, options=options)
    elif is_folder or path.name.lower().endswith(ARCHIVES):
        dataset = _from_container(open_container(path), name, options)
    else:
        kinds = (
            "a folder, a .zip or .tar of images, or a .npy, .npz, .h5, .pt, .mat, .tif or .parquet "
            "file"
        )
        asked = f"; this looks like {known}: {hint}" if known else ""
        if suffix in PICTURES:
            asked = "; that is one picture: give the folder of all of them"
        raise InputError(f"data must be {kinds}, got '{name}'{asked}")
    if suffix in (".h5", ".hdf5", ".npz") and not known:
        known = _alike(dataset)
        hint = f"betavae data prepare {known} --from {name}"
    said = (f"{name} looks like {known}; {hint} keeps its factors' names and is quicker",)
    return dataset.noted(said if known else ())


def _stack(container: Container, one: str, name: str, options: LoadOptions) -> Dataset:
    """Load a folder whose only picture is a TIFF of many pages; its table has a row a page."""
    dataset = array_files.load_arrays(container.path / one, name=name, options=options)
    count = len(dataset.images)
    pages = [f"{page:0{len(str(count))}d}" for page in range(1, count + 1)]
    labels, used, notes = folder_table(container, pages)
    notes.append(f"{container.shown(one)} has {count:,} pages, which are the images")
    what = str(container.path) if used is None else used
    return labelled(name, dataset.images, labels, what=what).noted((*notes, *dataset.notes))


def _alike(dataset: Dataset) -> str | None:
    """Return the known set that has these shapes and labels."""
    if dataset.images.image_shape != (3, 64, 64):
        return None
    if dataset.factor_names == tuple(f"labels{k}" for k in range(1, 7)):
        return "shapes3d"
    return "mpi3d-toy" if len(dataset.images) in map(len, mpi3d.GRIDS) else None


def _from_container(container: Container, name: str, options: LoadOptions) -> Dataset:
    """Load pictures; without any, the arrays that lie there as .npy files."""
    arrays, pictures = container.ending(".npy"), container.ending(*PICTURES)
    if not pictures and (tables := container.ending(PARQUET)):
        return load_parquet(container, tables, name=name, options=options)
    alone = container.path / pictures[0] if container.is_folder and len(pictures) == 1 else None
    if alone is not None and pages_in(alone) > 1:
        return _stack(container, pictures[0], name, options)
    if pictures or not arrays:
        return load_folder(container, name=name, options=options)
    members: dict[str, Member]
    if container.is_folder:
        members = {one.removesuffix(".npy"): _mapped(container.path / one) for one in arrays}
    elif container.path.suffix.lower() == ".zip":
        members = Archive(container.path).members()
    else:
        raise InputError(f"{container.path} holds arrays, {arrays[0]} and its like: unpack it")
    return array_files.load_members(container.path, members, name=name, options=options)


def _mapped(path: Path) -> Member:
    values = open_npy(path)
    return Member.of(lambda: values, values.shape, values.dtype, str(path))


def _meant(word: str, path: Path) -> str:
    """Suggest a set's name, or what lies beside the path."""
    try:
        beside = [str(entry) for entry in islice(path.parent.iterdir(), 200)]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(word, [*MADE, *SETS, *beside])
