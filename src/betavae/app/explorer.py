"""What the explorer does with a run: images to codes, codes to pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.readers.pictures import decode as decode_file
from betavae.data.shapes2d import SHAPES
from betavae.figures.animation import gif_bytes
from betavae.figures.arrays import by_rate, mosaic, rgb_bytes
from betavae.models.likelihoods import NO_LIKELIHOOD
from betavae.report.words import title
from betavae.runs.latent_names import read_names
from betavae.runs.latent_ranges import decoder
from betavae.runs.made import current_weights
from betavae.runs.opened import OpenRun, open_run, sample_rows
from betavae.training.records import ACTIVE_NATS

SPAN = 3.0  # how far sliders go, in standard deviations
MOST_FRAMES = 121
SEEN = 256  # images that an upload is compared with
LABEL = 18  # pixels of the line below an exported strip
EXPORT_SIDE = 128  # pixels that small images are scaled up to in exports


class Upload(io.BytesIO):
    """A file that came with a request; decoders that name what they read call it so."""

    def __str__(self) -> str:
        return "the uploaded file"


@dataclass(frozen=True)
class Explorer:
    """One or two runs over images of one shape.

    Codes that come and go count deviations from the centre of each latent: those of the prior,
    or of the codes themselves where a method has no prior.

    Attributes:
        runs: the runs; images are picked from the first one's data set.
    """

    runs: tuple[OpenRun, ...]

    def session(self) -> dict[str, Any]:
        """Return what the page shows before an image is picked."""
        dataset = self.runs[0].dataset
        return {
            "shape": list(dataset.images.image_shape),
            "rows": len(dataset.images),
            "data": dataset.name,
            "span": SPAN,
            "runs": [_described(run) for run in self.runs],
        }

    def rows(self, row: int) -> dict[str, Any]:
        """Encode an image of the data set by every run.

        Raises:
            InputError: when the row is not there.
        """
        dataset = self.runs[0].dataset
        if not 0 <= row < len(dataset.images):
            raise InputError(f"row must be in 0..{len(dataset.images) - 1}, got {row}")
        factors = dataset.factors(np.array([row]))
        known: dict[str, int | str] = {}
        if factors is not None:
            for name, value in zip(dataset.factor_names, map(int, factors[0]), strict=True):
                known[name] = value_name(dataset, name, value)
        file = dataset.files[row] if dataset.files else ""
        found = self._encoded(dataset.images[[row]])
        return {"row": row, "factors": known, "file": file, "unlike": "", **found}

    def upload(self, content: bytes, *, invert: bool = False) -> dict[str, Any]:
        """Encode an image file, cropped to its centre square and resized; it is not kept.

        Raises:
            InputError: when it is no picture, is damaged, or is too large.
        """
        channels, height, _ = self.runs[0].dataset.images.image_shape
        pixels = decode_file(Upload(content), channels, height)
        image = torch.from_numpy(pixels.astype(np.float32) / 255)[None]
        image = 1 - image if invert else image
        found = self._encoded(image)
        return {"row": None, "factors": {}, "file": "", "unlike": self._unlike(image), **found}

    @torch.inference_mode()
    def _unlike(self, image: Tensor) -> str:
        """Say that an image is unlike those of the data set, where it is drawn worse than all."""
        run = self.runs[0]
        error = float((run.model.decode(run.model.code_means(image)) - image).square().mean())
        if error <= self._worst:
            return ""
        return (
            f"Unlike the images of {run.dataset.name}: the model draws it worse than any of "
            f"{SEEN} that were tried, so its values may mean nothing."
        )

    @cached_property
    def _worst(self) -> float:
        """The largest mean squared error among some images of the data set."""
        run = self.runs[0]
        images = run.dataset.images[sample_rows(run.dataset, SEEN)]
        with torch.inference_mode():
            drawn = run.model.decode(run.model.code_means(images))
        return float((drawn - images).square().mean(dim=(1, 2, 3)).max())

    @torch.inference_mode()
    def _encoded(self, image: Tensor) -> dict[str, Any]:
        codes = [
            (
                (run.model.code_means(image)[0].numpy() - run.scale.centres) / run.scale.scales
            ).tolist()
            for run in self.runs
        ]
        address = base64.b64encode(png(image[0].numpy())).decode()
        return {"picture": f"data:image/png;base64,{address}", "codes": codes}

    def picture(self, run: int, code: Sequence[float]) -> bytes:
        """Return what a run draws of a code, as PNG."""
        return png(self.images(run, [code])[0])

    def film(
        self, run: int, codes: Sequence[Sequence[float]], kind: str, labels: Sequence[str] = ()
    ) -> bytes:
        """Return what a run draws of several codes: a strip as PNG, or a loop there and back.

        Args:
            run: which run.
            codes: 2 or more codes, at most `MOST_FRAMES`.
            kind: "png" or "gif".
            labels: what stands below the pictures of a strip, one each, or nothing.

        Raises:
            InputError: for codes or a kind that cannot be used.
        """
        if not 2 <= len(codes) <= MOST_FRAMES:
            raise InputError(f"codes must be 2 to {MOST_FRAMES}, got {len(codes)}")
        if kind not in ("png", "gif"):
            raise InputError(f"kind must be png or gif, got '{kind}'")
        images = self.images(run, codes)
        scale = max(1, EXPORT_SIDE // images.shape[-1])
        large = images.repeat(scale, axis=-2).repeat(scale, axis=-1)
        if kind == "gif":
            return gif_bytes([_picture(image) for image in large])
        file = io.BytesIO()
        sheet = mosaic(large[None], gap=2 * scale, fill="#ffffff")
        strip = Image.fromarray(sheet).convert("RGB")
        if len(labels) == len(codes):
            strip = labelled(strip, labels, side=large.shape[-1], gap=2 * scale)
        strip.save(file, "PNG", optimize=True)
        return file.getvalue()

    def images(self, run: int, codes: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Decode codes (n, M) of a run to images (n, C, H, W) in [0, 1].

        Raises:
            InputError: for a run that is not there, or codes of another length.
        """
        if not 0 <= run < len(self.runs):
            raise InputError(f"run must be in 0..{len(self.runs) - 1}, got {run}")
        model, scale = self.runs[run].model, self.runs[run].scale
        if any(len(code) != model.latents for code in codes):
            raise InputError(f"a code must have {model.latents} numbers")
        own = scale.centres + scale.scales * np.asarray(codes, np.float64)
        return decoder(model)(own.astype(np.float32)).clip(0, 1)


def open_explorer(folders: Sequence[Path], *, data: str | None = None) -> Explorer:
    """Open one or two runs.

    Args:
        folders: of the runs.
        data: another place of their images; where they are nowhere, the few that were kept with
            a run stand in for them.

    Raises:
        InputError: when there are more, one cannot be opened, or image shapes differ.
    """
    if not 1 <= len(folders) <= 2:
        raise InputError(f"explore takes one run or two, got {len(folders)}")
    runs = tuple(open_run(folder, data=data, whole=False) for folder in folders)
    shapes = {run.header.image_shape for run in runs}
    if len(shapes) > 1:
        raise InputError(
            f"two runs need images of one shape, got {' and '.join(map(str, sorted(shapes)))}"
        )
    for run in runs:
        read_names(run.folder, run.weights)  # a damaged file must stop here
    return Explorer(runs)


def value_name(dataset: Dataset, factor: str, value: int) -> int | str:
    """Return what a value of a factor is called; the number where it has no name."""
    names = dataset.value_names.get(factor, ())
    if dataset.name == "shapes2d" and factor == "shape":
        names = SHAPES
    return names[value] if 0 <= value < len(names) else value


def labelled(strip: Image.Image, labels: Sequence[str], *, side: int, gap: int) -> Image.Image:
    """Return a strip of pictures with a label below each.

    >>> labelled(Image.new("RGB", (40, 16)), ["-1", "1"], side=16, gap=8).size
    (40, 34)
    """
    sheet = Image.new("RGB", (strip.width, strip.height + LABEL), "white")
    sheet.paste(strip)
    pen = ImageDraw.Draw(sheet)
    for place, label in enumerate(labels):
        middle = place * (side + gap) + side / 2
        pen.text((middle, strip.height + LABEL / 2), label, fill="#1b1f24", anchor="mm")
    return sheet


def _described(run: OpenRun) -> dict[str, Any]:
    names = read_names(run.folder, run.weights)
    scale = run.scale
    facts = "shares of all that the latents do to the picture"
    if run.distortion is not None:
        facts = f"distortion {run.distortion:.1f}, rate {run.rates.sum():.2f} nats"
        facts += f"; {NO_LIKELIHOOD}" if run.is_no_likelihood else ""
    there = current_weights(run.folder)
    if there and there != run.weights:
        facts += "; of earlier weights than the folder's: start explore again"
    return {
        "title": title(run),
        "folder": str(run.folder),
        "prior": scale.prior,
        "facts": f"{run.folder} · {facts}",
        "unit": "" if scale.prior else "σ",
        "idle": f"under {ACTIVE_NATS:g} nats" if scale.prior else "without effect on the picture",
        "latents": [
            {
                "index": int(k),
                "amount": float(scale.amounts[k]),
                "said": f"{scale.amounts[k]:.2f} {scale.unit}",
                "active": bool(scale.active[k]),
                "name": names.get(int(k), ""),
            }
            for k in by_rate(scale.amounts)
        ],
    }


def _picture(image: NDArray[np.float32]) -> Image.Image:
    """Turn an image (C, H, W) in [0, 1] into a Pillow image, L or RGB."""
    if image.shape[0] == 1:
        return Image.fromarray(np.rint(image[0] * 255).astype(np.uint8))
    return Image.fromarray(np.ascontiguousarray(rgb_bytes(image)))


def png(image: NDArray[np.float32]) -> bytes:
    """Return an image (C, H, W) in [0, 1] as PNG bytes.

    >>> png(np.zeros((1, 8, 8), np.float32))[1:4]
    b'PNG'
    """
    file = io.BytesIO()
    _picture(image).save(file, "PNG", compress_level=1)  # speed before size: it stays on loopback
    return file.getvalue()
