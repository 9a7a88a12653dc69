"""Traversals as one animated loop: every latent sweeps there and back at the same time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.stamps import KEY, stamp
from betavae.figures.arrays import LARGEST, mosaic, shrunk, traversal_parts
from betavae.figures.pictures import signed
from betavae.figures.style import LIGHT

MILLISECONDS = 70
TURN_MILLISECONDS = 350  # at both ends, so that the extremes can be seen

_ACROSS = 10  # latents side by side before the next line begins
_WIDTH = 1100  # pixels that small images are scaled up to
_MARGIN, _HEAD, _FOOT, _BETWEEN = 12, 40, 40, 14


def traversal_frames(
    images: Any,
    values: Any,
    labels: Sequence[str],
    *,
    rates: Any = None,
    unit: str = "nats",
    inputs: Any = None,
) -> list[Image.Image]:
    """Draw one frame a value: a column a latent, a row a seed image, a slider for the value.

    Small images are scaled up; images larger than 64 pixels are averaged down, or the animation
    would grow past what a page or a message takes.

    Args:
        images: (M, S, T, C, H, W) in [0, 1].
        values: (T,) rising.
        labels: (M,) a name a latent.
        rates: (M,) what each says, written under the names; columns are then ordered by it.
        unit: what rates are counted in.
        inputs: (S, C, H, W) the seed images, shown left of their rows.

    Returns:
        T images of the same size, mode L for grey and RGB for colour.

    Raises:
        InputError: when shapes do not fit, or pixels are not finite.
    """
    blocks, steps, order, seeds = traversal_parts(images, values, labels, rates, inputs)
    names = [labels[int(k)] for k in order]
    notes = ["" if rates is None else f"{float(rates[k]):.2f} {unit}" for k in order]
    images_side = blocks.shape[-1]
    blocks = shrunk(blocks[order], LARGEST)
    seeds = None if seeds is None else shrunk(seeds, LARGEST)
    per_line = min(len(blocks), _ACROSS)
    side, gap = blocks.shape[-1], 2
    first = 0 if seeds is None else 1
    grown = round(_WIDTH / ((per_line + first) * side))
    scale = 1 if side < images_side else min(4, max(1, grown))
    starts = range(0, len(blocks), per_line)
    gaps = [gap] * per_line if seeds is None else [0, 8, *[gap] * (per_line - 1)]

    def sheet(start: int, step: int) -> Image.Image:
        """Draw one line of latents at one value, filled up with paper where it is short."""
        cells = np.ones((per_line, *blocks.shape[1:2], *blocks.shape[3:]), np.float32)
        part = blocks[start : start + per_line, :, step]
        cells[: len(part)] = part
        columns = cells if seeds is None else np.concatenate((seeds[None], cells))
        picture = mosaic(columns.swapaxes(0, 1), gap=gap, gaps=gaps, fill=LIGHT.paper)
        size = (picture.shape[1] * scale, picture.shape[0] * scale)
        return Image.fromarray(picture).convert("RGB").resize(size, Image.Resampling.NEAREST)

    wide, tall = sheet(0, 0).size
    pitch = _HEAD + tall + _BETWEEN
    size = (wide + 2 * _MARGIN, _MARGIN + len(starts) * pitch - _BETWEEN + _FOOT)
    page = Image.new("RGB", size, LIGHT.paper)
    centres = np.cumsum(gaps) + side * np.arange(len(gaps)) + side / 2
    if seeds is None:
        centres -= gaps[0]
    for line, start in enumerate(starts):
        y = _MARGIN + line * pitch
        if seeds is not None:
            _write(page, (_MARGIN + scale * side / 2, y + 26), "input", 11, LIGHT.muted)
        for k in range(start, min(start + per_line, len(blocks))):
            x = _MARGIN + scale * float(centres[first + k - start])
            _write(page, (x, y + 9), names[k], 15, LIGHT.ink)
            _write(page, (x, y + 26), notes[k], 11, LIGHT.muted)
    frames = []
    for step, value in enumerate(steps):
        frame = page.copy()
        for line, start in enumerate(starts):
            frame.paste(sheet(start, step), (_MARGIN, _MARGIN + _HEAD + line * pitch))
        _slider(frame, float(value), float(steps[0]), float(steps[-1]))
        frames.append(frame if blocks.shape[3] == 3 else frame.convert("L"))
    return frames


def _slider(frame: Image.Image, value: float, low: float, high: float) -> None:
    """Draw where the value stands between its ends, at the foot of a frame."""
    draw = ImageDraw.Draw(frame)
    half = min(150, frame.width / 2 - 45)
    middle, y = frame.width / 2, frame.height - _FOOT / 2
    draw.line((middle - half, y, middle + half, y), fill=LIGHT.rule, width=3)
    draw.line((middle, y - 4, middle, y + 4), fill=LIGHT.rule, width=3)
    place = middle + half * (2 * (value - low) / (high - low) - 1)
    _write(frame, (place, y - 1), "●", 17, LIGHT.ink)
    for sign, end in ((-1, low), (1, high)):
        _write(frame, (middle + sign * (half + 24), y), signed(end), 12, LIGHT.muted)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the figures' type, which comes with matplotlib."""
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _write(
    page: Image.Image, place: tuple[float, float], text: str, size: int, colour: str
) -> None:
    """Write text centred on a place."""
    ImageDraw.Draw(page).text(place, text, fill=colour, font=_font(size), anchor="mm")


def save_gif(frames: Sequence[Image.Image], path: Path, weights: Sequence[str] = ()) -> Path:
    """Write frames as an endless loop there and back, beside and renamed.

    Args:
        frames: two or more, of one size; played forwards, then backwards.
        path: the .gif file; its folder is made where missing.
        weights: digests of the weights that it shows, which go into the file's comment.

    Returns:
        `path`.

    Raises:
        InputError: for fewer than two frames, or when the file cannot be written.
    """
    content = gif_bytes(frames, weights)
    with write_beside(path) as beside:
        beside.write_bytes(content)
    return path


def gif_bytes(frames: Sequence[Image.Image], weights: Sequence[str] = ()) -> bytes:
    """Return frames as a GIF that loops there and back without end.

    Args:
        frames: two or more, of one size.
        weights: digests of the weights that it shows, for its comment.

    Raises:
        InputError: for fewer than two frames.
    """
    if len(frames) < 2:
        raise InputError(f"an animation needs at least 2 frames, got {len(frames)}")
    shared = _one_palette(frames)
    loop = [*shared, *shared[-2:0:-1]]
    times = [MILLISECONDS] * len(loop)
    times[0] = times[len(frames) - 1] = TURN_MILLISECONDS
    file, word = io.BytesIO(), stamp(weights)
    loop[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=loop[1:],
        duration=times,
        loop=0,
        optimize=False,
        comment=f"{KEY}: {word}".encode() if word else b"",
    )
    return file.getvalue()


def _one_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Give all frames one palette, so that colours do not flicker.

    Grey frames keep 64 levels: the eye sees no difference, and the file is a third smaller.
    """
    if frames[0].mode == "L":
        return [
            frame.point([min(255, (level + 2) // 4 * 4) for level in range(256)])
            for frame in frames
        ]
    picked = [frames[int(i)] for i in np.linspace(0, len(frames) - 1, min(len(frames), 4))]
    width, height = picked[0].size
    sheet = Image.new("RGB", (width, len(picked) * height))
    for place, frame in enumerate(picked):
        sheet.paste(frame, (0, place * height))
    palette = sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
