"""The explorer as one file: sliders, and the decoder in plain JavaScript, without a server."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.text import readable
from betavae.app.explorer import SPAN
from betavae.figures.arrays import by_rate
from betavae.models.layers import Places
from betavae.models.likelihoods import Bernoulli
from betavae.models.vae import VAE
from betavae.report.words import title
from betavae.report.write import script_source
from betavae.runs.latent_names import read_names
from betavae.runs.made import writing
from betavae.runs.opened import OpenRun, open_run, seed_rows

PAGE = Path(__file__).parent / "page"
LARGEST = 40_000_000  # bytes of a page: what browsers open and papers' pages carry
STARTS = 24  # images whose codes the page starts from; the images themselves stay here


def export_page(run_folder: Path, out: Path, *, data: str | None = None) -> Path:
    """Write a run's explorer as one HTML file that needs no server and no network.

    It holds the decoder's weights, the names of the latents, and the codes of 24 images.

    Args:
        run_folder: a run of a VAE with one of betavae's own networks.
        out: the file.
        data: another place of the run's images.

    Returns:
        The file.

    Raises:
        InputError: for a decoder that the page cannot run, or one too large for it.
    """
    with writing(out, run_folder):
        run = open_run(run_folder, data=data, whole=False)
        content = _checked_page(run)
        with write_beside(out) as beside:
            beside.write_bytes(content)
    return out


def _checked_page(run: OpenRun) -> bytes:
    if not isinstance(run.model, VAE) or run.model.latent.decoder_inputs != run.model.latents:
        raise InputError(f"only VAEs with a code of numbers make a page, got {title(run)}")
    content = _page(run, run.model)
    if len(content) > LARGEST:
        raise InputError(
            f"the page would be {len(content) / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}: the "
            f"decoder of network {run.header.config.network} is too large; patch and conv fit"
        )
    return content


def _page(run: OpenRun, model: VAE) -> bytes:
    names, scale = read_names(run.folder, run.weights), run.scale
    rows = seed_rows(
        run.dataset, min(STARTS, len(run.dataset.images)), np.random.default_rng(run.seed)
    )
    with torch.inference_mode():
        codes = model.code_means(run.dataset.images[rows]).numpy()
    said = {
        "title": title(run),
        "shape": list(run.header.image_shape),
        "span": SPAN,
        "sigmoid": isinstance(model.likelihood, Bernoulli),
        "latents": [
            {
                "index": int(k),
                "name": names.get(int(k), ""),
                "said": f"{scale.amounts[k]:.2f} {scale.unit}",
                "active": bool(scale.active[k]),
            }
            for k in by_rate(scale.amounts)
        ],
        "codes": np.round(codes.astype(np.float64), 4).tolist(),
        "layers": decoder_layers(model.decoder),
    }
    parts = {
        name: (PAGE / f"static.{name}").read_text(encoding="utf-8")
        for name in ("html", "css", "js")
    }
    page = parts["html"]
    for mark, text in {
        "{{title}}": html.escape(said["title"]),
        "{{weights}}": run.weights,
        "{{digest}}": script_source(parts["js"]),
        "{{css}}": parts["css"],
        "{{data}}": json.dumps(said, ensure_ascii=False).replace("<", "\\u003c"),
        "{{script}}": parts["js"],
    }.items():
        page = page.replace(mark, text)
    return readable(page).encode("utf-8")


def decoder_layers(decoder: nn.Module) -> list[dict[str, Any]]:
    """Return a decoder's layers with their weights, as the page's script runs them.

    Raises:
        InputError: for a layer that the script does not know.

    >>> [layer["kind"] for layer in decoder_layers(nn.Sequential(nn.Linear(2, 4), nn.ReLU()))]
    ['dense', 'relu']
    """
    if isinstance(decoder, nn.Sequential):
        return [layer for inner in decoder for layer in decoder_layers(inner)]
    if isinstance(decoder, nn.Linear):
        return [
            {
                "kind": "dense",
                "outputs": decoder.out_features,
                "weight": _packed(decoder.weight),
                "bias": _packed(decoder.bias),
            }
        ]
    for kind, form in (("relu", nn.ReLU), ("tanh", nn.Tanh), ("silu", nn.SiLU)):
        if isinstance(decoder, form):
            return [{"kind": kind}]
    if isinstance(decoder, nn.Unflatten):
        return [{"kind": "shape", "shape": [int(side) for side in decoder.unflattened_size]}]
    if isinstance(decoder, nn.PixelShuffle):
        return [{"kind": "shuffle", "factor": int(decoder.upscale_factor)}]
    if isinstance(decoder, nn.ConvTranspose2d):
        window = (decoder.kernel_size, decoder.stride, decoder.padding)
        if window == ((4, 4), (2, 2), (1, 1)) and decoder.bias is not None:
            return [
                {
                    "kind": "doubling",
                    "outputs": decoder.out_channels,
                    "weight": _packed(decoder.weight),
                    "bias": _packed(decoder.bias),
                }
            ]
    if isinstance(decoder, Places):
        return [
            {
                "kind": "places",
                "grid": list(decoder.grid),
                "width": decoder.width,
                "places": _packed(decoder.places),
                "lines": decoder_layers(decoder.lines),
                "layers": decoder_layers(decoder.layers),
            }
        ]
    raise InputError(
        f"the page runs betavae's own decoders, and does not know {type(decoder).__name__}"
    )


def _packed(tensor: torch.Tensor) -> str:
    """Return a tensor's numbers as base64 of little-endian float32, in logical order."""
    values = tensor.detach().cpu().contiguous().numpy().astype("<f4")
    return base64.b64encode(values.tobytes()).decode()
