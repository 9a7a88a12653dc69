"""CelebA (Liu et al. 2015): aligned faces, with 40 attributes and the official partition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.containers import Container, open_container
from betavae.data.readers.files import reading
from betavae.data.recipe import Chosen, Reading, Recipe, decode_all, one_file

ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
BESIDE = ("", "Anno", "Eval")  # folders beside the images, as the official site has them


def read(path: Path, chosen: Chosen) -> Reading:
    """Read img_align_celeba.zip or its folder, sorted by name, with the lists in it or beside it.

    Raises:
        InputError: when there are no .jpg images, one is damaged, or a list lacks one of them.
    """
    if path.is_dir() and not any(path.rglob("*.jpg")):
        path = one_file(path, (".zip",), "celeba")
    container = open_container(path)
    names = container.ending(".jpg", ".png")
    if not names:
        raise InputError(f"{path} must hold .jpg images, got none")
    short = [name.rsplit("/", 1)[-1] for name in names]
    columns, titles = [], []
    for files in (ATTRIBUTES, PARTITION):
        found = _list(container, files)
        if found is not None:
            what, text = found
            values, given = _table(text, short, what)
            if files is ATTRIBUTES:
                values = (values > 0).astype(np.int64)  # -1 and 1 become 0 and 1
            columns.append(values)
            titles += given if files is ATTRIBUTES else ["partition"]

    def fill(out: NDArray[np.uint8]) -> str | None:
        decode_all(container, names, out, chosen, "decoding faces")
        return None if columns else f"no {ATTRIBUTES[0]} in or beside the images: no labels"

    shape = (chosen.channels, chosen.size, chosen.size)
    labels = np.concatenate(columns, axis=1) if columns else None
    return Reading(len(names), shape, fill, labels=labels, names=tuple(titles))


def _list(container: Container, files: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the name and the text of a list, from among the images or from beside them."""
    for file in files:
        member = container.named(file)
        if member is not None:
            return f"{container.path}: {member}", _text(container.read(member), member)
        for folder in BESIDE:
            beside = container.path.parent / folder / file
            if beside.is_file():
                with reading(beside):
                    return str(beside), _text(beside.read_bytes(), str(beside))
    return None


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{what} must be text in UTF-8, got other bytes") from None


def _table(text: str, names: list[str], what: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return a list's numbers for `names`, (N, K), and its column names where it has them.

    The official lists have a count, a line of names, and rows parted by spaces (the partition
    has rows alone); Kaggle's have commas and a header.
    """
    lines = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if lines and len(lines[0]) == 1:
        lines = lines[1:]
    titles: list[str] = []
    if lines and not lines[0][-1].lstrip("-").isdigit():
        titles = lines[0][1:] if lines[0][0] == "image_id" else lines[0]
        lines = lines[1:]
    width = len(titles) or 1
    table: dict[str, list[int]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            if len(line) != width + 1:
                raise ValueError
            table[line[0]] = [int(cell) for cell in line[1:]]
        except ValueError:
            raise InputError(
                f"{what} row {number} must be a file name and {width} whole numbers, "
                f"got '{' '.join(line)[:60]}'"
            ) from None
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(
            f"{what} must have a row for every image, {len(missing):,} are missing, "
            f"the first is {missing[0]}"
        )
    return np.array([table[name] for name in names], np.int64), titles


RECIPE = Recipe(
    title="celebrities' faces, aligned",
    images="202,599 colour 178x218",
    factors="40 attributes (0 no, 1 yes), partition 3 (0 train, 1 validation, 2 test)",
    site="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="non-commercial research only, not to be passed on",
    download="1.4 GB",
    source="img_align_celeba.zip or its folder, with list_attr_celeba.txt and "
    "list_eval_partition.txt in or beside it",
    read=read,
    crop=148,
    no_remote="its authors hand it out through file-sharing pages, under an agreement",
)
