"""CelebA (Liu et al. 2015): aligned faces, with 40 attributes and the official partition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.containers import Container, open_container
from betavae.data.readers.file_names import Files, find_match
from betavae.data.readers.files import read_plain
from betavae.data.readers.tables import Table, parse_table
from betavae.data.recipe import Chosen, Reading, Recipe, decode_all

ATTRIBUTES = "list_attr_celeba"
PARTITION = "list_eval_partition"
LISTS = (".txt", ".csv")
PICTURES = (".jpg", ".jpeg", ".png")
BESIDE = ("", "Anno", "Eval")  # folders where the official site has the lists


def read(path: Path, chosen: Chosen) -> Reading:
    """Read the site's folder (Img, Anno, Eval), or the images' .zip or folder with lists beside.

    Images are sorted by name; lists name them with any extension.

    Raises:
        InputError: when there are no images, one is damaged, or a list lacks one of them.
    """
    container = open_container(path)
    names = container.ending(*PICTURES)
    if not names and path.is_dir():
        container = open_container(_zip(path, container))
        names = container.ending(*PICTURES)
    if not names:
        raise InputError(f"{path} must hold .jpg or .png images, got none")
    short = [name.rsplit("/", 1)[-1] for name in names]
    columns: list[NDArray[Any]] = []
    titles: list[str] = []
    for stem in (ATTRIBUTES, PARTITION):
        found = _list(path, container, stem)
        if found is None:
            continue
        table = _table(*found, short)
        values = np.stack([column.values(table.style) for column in table.columns], axis=1)
        if not np.array_equal(values, np.rint(values)):
            raise InputError(f"{found[0]} must hold whole numbers")
        # -1 and 1 become 0 and 1
        columns.append(values > 0 if stem == ATTRIBUTES else values)
        titles += table.names if stem == ATTRIBUTES else ["partition"]

    def fill(out: NDArray[np.uint8]) -> str | None:
        decode_all(container, names, out, chosen, "decoding faces")
        return None if columns else f"no {ATTRIBUTES}.txt in or beside the images: no labels"

    shape = (chosen.channels, chosen.size, chosen.size)
    labels = np.concatenate(columns, axis=1).astype(np.int64) if columns else None
    return Reading(len(names), shape, fill, labels=labels, names=tuple(titles))


def _zip(path: Path, container: Container) -> Path:
    """Return the one archive of images in a folder, at any depth."""
    found = container.ending(".zip", ".tar")
    if len(found) != 1:
        packed = [name for name in container.names if ".7z" in name.lower()]
        hint = f"; unpack {min(packed)} first" if packed else ""
        got = ", ".join(found)[:80] or "none"
        raise InputError(f"{path} must hold images or one .zip file, got {got}{hint}")
    return path / found[0]


def _list(path: Path, container: Container, stem: str) -> tuple[str, bytes] | None:
    """Return the name and the bytes of a list, from among the images or from around them."""
    for file in (stem + suffix for suffix in LISTS):
        member = container.named(file)
        if member is not None:
            return container.shown(member), container.read(member)
        for above in (path, path.parent, path.parent.parent):
            for folder in BESIDE:
                beside = above / folder / file
                if above.is_dir() and beside.is_file():
                    return str(beside), read_plain(beside)
    return None


def _table(what: str, content: bytes, names: list[str]) -> Table:
    """Return a list's rows for `names`, without the column that names them."""
    files = Files(names)
    table = parse_table(content, what, rows=len(names), is_file=files.__contains__)
    match = find_match(table, files)
    if match is None:
        given = files.place(table.columns[0].cells, 1, strict=False)
        missing = sorted(set(range(len(names))) - {k for k in given if k is not None})
        lacks = (
            f", {len(missing):,} are missing, the first is {names[missing[0]]}" if missing else ""
        )
        raise InputError(f"{what} must have a row for every image{lacks}")
    table = table.rows(match.rows).without(match.column)
    wordy = next((column for column in table.columns if not column.numeric), None)
    if wordy is not None or not table.columns:
        shown = min(wordy.known, default="") if wordy is not None else "no columns"
        raise InputError(f"{what} must hold a file name and whole numbers, got '{shown[:60]}'")
    return table


RECIPE = Recipe(
    title="celebrities' faces, aligned",
    images="202,599 colour 178x218",
    factors="40 attributes (0 no, 1 yes), partition 3 (0 train, 1 validation, 2 test)",
    site="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="non-commercial research only, not to be passed on",
    download="1.4 GB",
    source="the site's folder with Img, Anno and Eval; or img_align_celeba.zip or its folder, with "
    "list_attr_celeba.txt and list_eval_partition.txt in or beside it",
    read=read,
    crop=148,
    no_remote="its authors hand it out through file-sharing pages, under an agreement",
)
