"""Pictures as ``data:`` addresses, for pages that must be one file."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from betavae.figures.arrays import Bytes
from betavae.figures.files import to_bytes


def figure_address(figure: Figure) -> str:
    """Return a figure as an SVG address, without paper behind it."""
    svg = to_bytes(figure, "svg", transparent=True)
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def sheet_address(sheet: Bytes, *, colour: bool) -> str:
    """Return RGBA bytes (height, width, 4) as the address of a picture.

    Grey sheets become PNG with a grey and an alpha channel. Photographs in colour would be
    several megabytes that way, so colour becomes JPEG, with gaps in a grey that suits a light
    and a dark page.
    """
    file = io.BytesIO()
    if colour:
        alpha = sheet[..., 3:].astype(np.float32) / 255
        flat = np.rint(sheet[..., :3] * alpha + 128 * (1 - alpha)).astype(np.uint8)
        Image.fromarray(flat).save(file, "JPEG", quality=88, subsampling=0)
        kind = "jpeg"
    else:
        grey = np.ascontiguousarray(sheet[..., [0, 3]])
        Image.fromarray(grey, mode=None).save(file, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
