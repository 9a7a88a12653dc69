"""Figures as bytes and as files."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.figures.style import LIGHT, drawing

FORMATS = ("png", "svg", "pdf")


def to_bytes(figure: Figure, format: str, *, transparent: bool = False) -> bytes:
    """Return a figure as PNG, SVG or PDF; the same figure gives the same bytes.

    Raises:
        InputError: for another format.
    """
    if format not in FORMATS:
        raise InputError(f"figures are saved as {', '.join(FORMATS)}, got '{format}'")
    dates = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    file = io.BytesIO()
    with drawing(LIGHT):
        figure.savefig(
            file,
            format=format,
            facecolor="none" if transparent else figure.get_facecolor(),
            metadata=dates[format],
        )
    return file.getvalue()


def save(figure: Figure, path: Path, *, transparent: bool = False) -> Path:
    """Write a figure in the format of the file's ending, beside and renamed.

    Args:
        figure: what to write.
        path: a .png, .svg or .pdf file; its folder is made where missing.
        transparent: leave the paper out.

    Returns:
        `path`.

    Raises:
        InputError: for another ending, or when the file cannot be written.
    """
    content = to_bytes(figure, path.suffix.lower().removeprefix("."), transparent=transparent)
    with write_beside(path) as beside:
        beside.write_bytes(content)
    return path
