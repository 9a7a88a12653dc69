"""A user's own pictures: a folder, a zip or a tar of them, with a table of factors or without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from betavae._system.errors import InputError
from betavae._system.threads import on_all_cores, stream_on_all_cores
from betavae.data import cache
from betavae.data.dataset import Dataset
from betavae.data.factors_table import Labels
from betavae.data.folder_factors import folder_table, with_folders
from betavae.data.images import ImageStore
from betavae.data.labelled import labelled
from betavae.data.load_options import LoadOptions
from betavae.data.readers.arrays import DIM, white_of
from betavae.data.readers.containers import Container
from betavae.data.readers.file_names import PICTURES, natural
from betavae.data.readers.pictures import (
    DEEP,
    Head,
    decode_as,
    deepest,
    quiet_decoders,
    read_head,
)

LISTED = 10  # bad files that a message names

Bad = dict[str, str]  # by name, why a picture cannot be used


def load_folder(container: Container, *, name: str, options: LoadOptions) -> Dataset:
    """Load the pictures of a folder or an archive; see `betavae.data.load`."""
    names = sorted(container.ending(*PICTURES), key=natural)
    if not names:
        others = container.names
        got = f"{len(others)} other files, such as {min(others)}" if others else "no files"
        raise InputError(f"{container.path} must hold images such as .png or .jpg, got {got}")
    marks = dict(zip(container.names, container.marks, strict=True))
    key = [(one, marks[one]) for one in names]
    path = cache.prepared_path(
        container.path.resolve().stem, "pictures", options.pixels, options.skip_bad, key
    )
    stored = cache.find(path)
    if stored is None or stored.images.ndim != 4:
        stored = _prepare(container, names, options, path)
    images, bad = stored.images, set(stored.said["bad"])
    good = [k for k, one in enumerate(names) if one not in bad]
    store = ImageStore(images, (images.shape[1], images.shape[2], images.shape[3]), packed=False)
    labels, used, notes = folder_table(container, names)
    if labels is not None:
        labels = Labels(labels.values[good], labels.names, labels.value_names, labels.notes)
    kept = tuple(names[k] for k in good)
    labels = with_folders(kept, options.folders_as, labels, notes)
    notes = [*stored.said["notes"], *_left_out(container, used), *notes]
    dataset = labelled(name, store, labels, what=str(container.path) if used is None else used)
    return replace(dataset.noted(notes), files=kept)


def _left_out(container: Container, used: str | None) -> list[str]:
    """Say what of a folder is neither a picture nor the table."""
    others = [
        one for one in container.names
        if not one.lower().endswith(PICTURES) and container.shown(one) != used
    ]  # fmt: skip
    kinds = Counter(PurePosixPath(one).suffix.lower() or one.rsplit("/", 1)[-1] for one in others)
    parts = [f"{count:,} {kind} file{'s' * (count > 1)}" for kind, count in kinds.most_common(5)]
    if container.odd:
        parts.append(f"pipes or devices: {len(container.odd)}")
    return [f"{container.path}: left out {', '.join(parts)}"] if parts else []


@dataclass(frozen=True)
class _Plan:
    """What decoding a set needs to know.

    Attributes:
        names: of the pictures that can be read.
        channels: 1 or 3.
        side: height and width that they get.
        notes: about the set as a whole.
        deep: the white of pictures of 16 bits.
    """

    names: list[str]
    channels: int
    side: tuple[int, int]
    notes: list[str]
    deep: int


def _prepare(
    container: Container, names: list[str], options: LoadOptions, path: Path
) -> cache.Stored:
    """Check every header, then decode everything into one file of the cache."""
    bad: Bad = {}
    plan = _plan(container, names, options, bad)

    def fill(out: NDArray[np.uint8]) -> int:
        low, top = _decode(container, plan, options, out, bad, 255)
        if low == top:
            raise InputError(
                f"images in {container.path} must differ somewhere, got the value {top} in every "
                "pixel"
            )
        if 0 < top < DIM:  # decoded again, so that they are resized after they are stretched
            plan.notes.append(f"{container.path}: values 0..{top} are stretched, {top} is white")
            _decode(container, plan, options, out, bad, top)
        _check_bad(container, bad, len(names), options)
        kept = [k for k, name in enumerate(plan.names) if name not in bad]
        for row, k in enumerate(kept):
            if row != k:
                out[row] = out[k]
        return len(kept)

    def describe(count: int) -> dict[str, Any]:
        if bad:
            plan.notes.append(f"{container.path}: {_bad_line(bad)}; left out")
        return {"notes": plan.notes, "bad": sorted(bad)}

    room = cache.ROOM + (8 * sum(map(len, names)) + 8 * len(names) if options.skip_bad else 0)
    shape = (len(plan.names), plan.channels, *plan.side)
    return cache.keep(path, shape, fill, describe=describe, room=room)


def _each(
    container: Container,
    names: Sequence[str],
    work: Callable[[int, Path | BytesIO, str], None],
    bad: Bad,
    title: str,
) -> None:
    """Call ``work(k, file, shown)`` for every picture on all cores; what fails goes to `bad`."""
    places = {name: k for k, name in enumerate(names)}

    def one(name: str, file: Path | BytesIO) -> int:
        shown = container.shown(name)
        try:
            work(places[name], file, shown)
        except InputError as error:
            bad[name] = str(error)
        return 1

    with quiet_decoders():
        if container.is_folder:
            on_all_cores(lambda k: one(names[k], container.path / names[k]), len(names), title)
        else:
            stream = container.stream(frozenset(names))
            stream_on_all_cores(
                stream, lambda item: one(item[0], BytesIO(item[1])), len(names), title
            )


def _plan(container: Container, names: list[str], options: LoadOptions, bad: Bad) -> _Plan:
    """Look at all headers, and decide for the set as a whole."""
    heads: dict[str, Head] = {}

    def look(k: int, file: Path | BytesIO, shown: str) -> None:
        heads[names[k]] = read_head(file, shown)

    _each(container, names, look, bad, "checking images")
    if bad and not options.skip_bad:  # all that is damaged is told at once

        def decodes(k: int, file: Path | BytesIO, shown: str) -> None:
            decode_as(file, 3, lambda picture: picture, name=shown)

        _each(container, list(heads), decodes, bad, "looking for other damage")
    _check_bad(container, bad, len(names), options)
    good = [name for name in names if name not in bad]
    first = heads[good[0]]
    side = options.shape(first.height, first.width, container.shown(good[0]))
    for name in good:
        head = heads[name]
        if options.shape(head.height, head.width, container.shown(name)) != side:
            raise InputError(
                f"images must all have the same size, got {first.height}x{first.width} in "
                f"{container.shown(good[0])} and {head.height}x{head.width} in "
                f"{container.shown(name)}; size 64 (--size 64) crops to the centre square and "
                "resizes"
            )
    channels = 1 if all(heads[name].grey for name in good) else 3
    notes = _mode_notes(container, [heads[name] for name in good], channels)
    deep_names = [name for name in good if heads[name].deep]
    white = DEEP
    if deep_names:
        tops = [0]
        _each(
            container, deep_names, lambda k, file, shown: tops.append(deepest(file, shown)), bad,
            "looking at images of 16 bits",
        )  # fmt: skip
        white = white_of(max(tops), np.dtype(np.uint16))
        notes.append(
            f"{container.path}: pictures of 16 bits: {len(deep_names):,}; they hold "
            f"0..{max(tops)}, {white} is white"
        )
    return _Plan(good, channels, side, notes, white)


def _mode_notes(container: Container, heads: list[Head], channels: int) -> list[str]:
    kinds = {
        "grey pictures made RGB": sum(head.grey for head in heads) * (channels == 3),
        "CMYK pictures made RGB without a colour profile": sum(h.mode == "CMYK" for h in heads),
        "transparent pictures laid on white": sum(h.mode in ("RGBA", "LA", "PA") for h in heads),
        "animated pictures of which the first frame is taken": sum(h.frames > 1 for h in heads),
    }
    return [f"{container.path}: {what}: {count:,}" for what, count in kinds.items() if count]


def _decode(
    container: Container,
    plan: _Plan,
    options: LoadOptions,
    out: NDArray[np.uint8],
    bad: Bad,
    white: int,
) -> tuple[int, int]:
    """Decode into the rows of `out`; return the smallest and the largest value of all."""
    ranges: list[tuple[int, int]] = []

    def one(k: int, file: Path | BytesIO, shown: str) -> None:
        def make(picture: Image.Image) -> Image.Image:
            ends = np.asarray(picture.getextrema())  # before resizing, which goes beyond them
            ranges.append((int(ends.min()), int(ends.max())))
            return options.fitted_picture(picture, shown)

        try:
            pixels = decode_as(file, plan.channels, make, name=shown, whites=(white, plan.deep))
        except InputError as error:
            raise InputError(str(error) if shown in str(error) else f"{shown}: {error}") from None
        if pixels.shape != out.shape[1:]:
            raise InputError(f"{shown} changed while it was read")
        out[k] = pixels

    _each(container, plan.names, one, bad, "decoding images")
    _check_bad(container, bad, len(bad) + len(ranges), options)
    return min(low for low, _ in ranges), max(top for _, top in ranges)


def _check_bad(container: Container, bad: Bad, count: int, options: LoadOptions) -> None:
    if len(bad) == count and count > 1:
        raise InputError(f"{container.path}: {_bad_line(bad)}; none is left")
    if not bad or (options.skip_bad and len(bad) < count):
        return
    if len(bad) == 1:
        raise InputError(next(iter(bad.values())))
    raise InputError(f"{container.path}: {_bad_line(bad)}; --skip-bad leaves them out")


def _bad_line(bad: Bad) -> str:
    """Name the first bad files, and why the first one is."""
    names = sorted(bad, key=natural)
    listed = ", ".join(name[-60:] for name in names[:LISTED])
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    noun = "picture" if len(bad) == 1 else "pictures"
    return f"{len(bad):,} {noun} cannot be used: {listed}{more} ({bad[names[0]][-90:]})"
