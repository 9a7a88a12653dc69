"""Folders of pictures that are not the 2D shapes, as docs/findings/photos.md trains on them.

Run: python benchmarks/photo_sets.py FOLDER

Writes products/ (300 objects on soft backgrounds, in colour, drawn), digits/ (scikit-learn's 1,797
grey digits, 8x8 made 64x64, with factors.csv) and patches/ (400 cuts of its two photographs).
"""

from __future__ import annotations

import colorsys
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 256  # of products


def main() -> None:
    """Write the folders into the one that is named."""
    out, rng = Path(sys.argv[1]), np.random.default_rng(0)
    for name, write in (("patches", patches), ("products", products), ("digits", digits)):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, rng)
        print(f"{folder}: {len(list(folder.iterdir())):,} files")


def patches(folder: Path, rng: np.random.Generator) -> None:
    """Cut squares of 128 to 300 pixels out of two photographs."""
    from sklearn.datasets import load_sample_images

    count = 0
    for photo in load_sample_images().images:
        height, width = photo.shape[:2]
        for _ in range(200):
            side = int(rng.integers(128, 300))
            y, x = int(rng.integers(0, height - side)), int(rng.integers(0, width - side))
            cut = Image.fromarray(photo[y : y + side, x : x + side])
            cut.resize((160, 160), Image.Resampling.LANCZOS).save(
                folder / f"{count:03d}.jpg", quality=92
            )
            count += 1


def products(folder: Path, rng: np.random.Generator) -> None:
    """Draw an object of one of three shapes, with a label and a shadow, on two soft colours."""
    for k in range(300):
        pixels = np.asarray(_product(rng).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        noisy = (pixels + rng.normal(0, 4, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{k}.jpg", quality=90)


def _product(rng: np.random.Generator) -> Image.Image:
    top, bottom = _colour(rng.random(), 0.15, 0.95), _colour(rng.random(), 0.2, 0.7)
    share = np.linspace(0, 1, SIDE)[:, None, None] + np.zeros((1, SIDE, 1))
    soft = np.array(top) * (1 - share) + np.array(bottom) * share
    picture = Image.fromarray(soft.astype(np.uint8)).resize((2 * SIDE, 2 * SIDE))
    draw, colour = ImageDraw.Draw(picture), _colour(rng.random(), 0.8, 0.8)
    radius, x, y = (int(rng.integers(*ends)) for ends in ((70, 160), (180, 330), (220, 330)))
    below: Any = picture.getpixel((x, min(y + radius, 2 * SIDE - 1)))
    shadow = (x - radius, y + radius - 20, x + radius, y + radius + 30)
    draw.ellipse(shadow, fill=tuple(int(0.6 * one) for one in below))
    square = (x - radius, y - radius, x + radius, y + radius)
    kind = int(rng.integers(3))
    if kind == 0:
        draw.ellipse(square, fill=colour)
    elif kind == 1:
        draw.rounded_rectangle(square, 30, fill=colour)
    else:
        corners = [(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)]
        draw.polygon(corners, fill=colour)
    label = (x - radius // 3, y - radius // 5, x + radius // 3, y + radius // 4)
    draw.rectangle(label, fill=_colour(rng.random(), 0.5, 0.95))
    return picture


def _colour(hue: float, saturation: float, value: float) -> tuple[int, ...]:
    return tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))


def digits(folder: Path, _: np.random.Generator) -> None:
    """Write scikit-learn's digits eight times as large, and what they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    values: NDArray[np.float64] = found.images
    lines = ["file,digit"]
    for k, (image, digit) in enumerate(zip(values, found.target, strict=True)):
        small = Image.fromarray((image * 255 / 16).astype(np.uint8))
        small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{k}.png")
        lines.append(f"{k}.png,{digit}")
    (folder / "factors.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
