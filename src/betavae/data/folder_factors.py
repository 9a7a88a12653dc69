"""The factors of a folder of pictures: its table, the tables around it, its sub-folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from betavae._system.errors import InputError
from betavae.data.factors_table import Labels, read_labels
from betavae.data.label_arrays import labels_from_array
from betavae.data.readers.containers import Container
from betavae.data.readers.files import read_plain
from betavae.data.readers.json_lines import JSON_LINES, as_csv
from betavae.data.readers.tables import SUFFIXES

TABLES = ("factors", "labels", "metadata")  # stems of tables that are looked for
ENDINGS = (*SUFFIXES, JSON_LINES)


def folder_table(
    container: Container, names: Sequence[str]
) -> tuple[Labels | None, str | None, list[str]]:
    """Find and read the table of factors; return it, what it is called, and notes.

    A factors.csv within must fit the pictures. Other tables, and those beside the folder, are
    taken only if they name every picture.
    """
    files = tuple(names)
    notes: list[str] = []
    folder = container.path.resolve() if container.is_folder else None
    tables = [one for one in container.names if one.lower().endswith(ENDINGS)]
    # The shallowest of a name wins; archives often hold one folder, which is as good as the top.
    tables.sort(key=lambda one: -one.count("/"))
    inside = {one.lower().rsplit("/", 1)[-1]: one for one in tables}
    tops = {one.split("/")[0] for one in container.names}
    top = f"{tops.pop()}/" if len(tops) == 1 and not container.is_folder else ""
    for one in (f"{stem}{suffix}" for stem in TABLES for suffix in ENDINGS):
        if one not in inside:
            continue
        content, what = container.read(inside[one]), container.shown(inside[one])
        at_top = "/" not in inside[one].removeprefix(top)
        if one.startswith(TABLES[0]) and at_top:
            return _read(content, what, files, folder), what, notes
        found = _read_if_named(content, what, files, folder, notes)
        if found is not None:
            return found, what, notes
    stems = (*TABLES, container.path.resolve().name.split(".")[0])
    for one in (f"{stem}{suffix}" for stem in stems for suffix in ENDINGS):
        beside = container.path.resolve().parent / one
        if beside.is_file():
            found = _read_if_named(read_plain(beside), str(beside), files, folder, notes)
            if found is not None:
                return found, str(beside), notes
    return None, None, notes


def _read(
    content: bytes, what: str, files: tuple[str, ...], folder: Path | None, *, named: bool = False
) -> Labels:
    if what.lower().endswith(JSON_LINES):
        content = as_csv(content, what)
    return read_labels(content, what, files, folder, named=named)


def _read_if_named(
    content: bytes, what: str, files: tuple[str, ...], folder: Path | None, notes: list[str]
) -> Labels | None:
    try:
        return _read(content, what, files, folder, named=True)
    except InputError as error:
        why = str(error).removeprefix(what).lstrip(": ")
        notes.append(f"{what} is left out: it {why}"[:280])
        return None


def with_folders(
    names: tuple[str, ...], folders_as: str | None, labels: Labels | None, notes: list[str]
) -> Labels | None:
    """Add the sub-folders' names as factors, or offer to."""
    parts = [name.split("/")[:-1] for name in names]
    if folders_as is None:
        tops = sorted({part[0] for part in parts if part})
        if len(tops) > 1 and all(parts) and labels is None:
            notes.append(
                f"pictures lie in {len(tops)} folders ({', '.join(tops)[:60]}): "
                "--folders-as class makes them a factor"
            )
        return labels
    titles = tuple(folders_as.split("/"))
    if not any(len(part) >= len(titles) for part in parts):
        raise InputError(f"folders_as '{folders_as}' needs {len(titles)} levels of sub-folders")
    words = np.array([[*part, *[""] * len(titles)][: len(titles)] for part in parts])
    return labels_from_array(words, titles, "folders").beside(labels)
