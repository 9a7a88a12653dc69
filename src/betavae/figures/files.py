"""Figures as bytes and as files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.stamps import KEY, stamp
from betavae.figures.style import LIGHT, drawing

FORMATS = ("png", "svg", "pdf")


def to_bytes(
    figure: Figure, format: str, *, transparent: bool = False, weights: Iterable[str] = ()
) -> bytes:
    """Return a figure as PNG, SVG or PDF; the same figure gives the same bytes.

    Args:
        figure: what to write.
        format: png, svg or pdf.
        transparent: leave the paper out.
        weights: digests of the weights that it shows, which go into the file's metadata.

    Raises:
        InputError: for another format.
    """
    if format not in FORMATS:
        raise InputError(f"figures are saved as {', '.join(FORMATS)}, got '{format}'")
    metadata: dict[str, dict[str, str | None]] = {
        "png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}
    }  # fmt: skip
    if word := stamp(weights):
        own = {KEY: word} if format == "png" else {"Keywords": f"{KEY}: {word}"}
        metadata[format] |= own
    file = io.BytesIO()
    with drawing(LIGHT):
        figure.savefig(
            file,
            format=format,
            facecolor="none" if transparent else figure.get_facecolor(),
            metadata=metadata[format],
        )
    return file.getvalue()


def save(
    figure: Figure, path: Path, *, transparent: bool = False, weights: Iterable[str] = ()
) -> Path:
    """Write a figure in the format of the file's ending, beside and renamed.

    Args:
        figure: what to write.
        path: a .png, .svg or .pdf file; its folder is made where missing.
        transparent: leave the paper out.
        weights: digests of the weights that it shows, which go into the file's metadata.

    Returns:
        `path`.

    Raises:
        InputError: for another ending, or when the file cannot be written.
    """
    format = path.suffix.lower().removeprefix(".")
    content = to_bytes(figure, format, transparent=transparent, weights=weights)
    with write_beside(path) as beside:
        beside.write_bytes(content)
    return path
