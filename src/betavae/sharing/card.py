"""The model card: what was trained on what, how it scores, a picture, how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from betavae import figures
from betavae.config import UNDECIDING, Config
from betavae.figures.style import latent_name
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.report.settings_words import settings
from betavae.report.words import data_name, model_name
from betavae.runs.latent_ranges import Scale, decoder
from betavae.runs.traversals import leading, sweep_images
from betavae.training.records import Record

# What describes the machine that trained rather than the model.
MACHINE = {"init", *UNDECIDING}

# The last two are how the hub counts models shared through its mixin.
TAGS = (
    "betavae", "beta-vae", "vae", "disentanglement", "representation-learning",
    "model_hub_mixin", "pytorch_model_hub_mixin",
)  # fmt: skip

CROSS_ENTROPY = (
    "The distortion is a Bernoulli cross-entropy: of pixels other than 0 and 1 it is no likelihood."
)


def prior_traversal(
    model: VAE, rates: Sequence[float] | None = None, *, span: float = 3.0, steps: int = 11
) -> Figure:
    """Draw what each latent does when all others are at their centre: no training image is shown.

    Args:
        model: in eval mode.
        rates: (M,) nats per image, which order the latents; as they come if None.
        span: latents run from -span to span.
        steps: pictures a latent.
    """
    known = np.zeros(model.latents) if rates is None else np.asarray(rates, np.float64)
    scale = Scale.of_latent(model.latent, known)
    latents, values = leading(known), scale.sweep(span, steps)
    levels = scale.levels(values)[latents]
    centre = scale.centres[None].astype(np.float32)
    images = sweep_images(decoder(model), centre, latents, levels)
    return figures.traversal(
        images,
        values,
        [latent_name(k) for k in latents],
        rates=None if rates is None else known[latents],
    )


def card_text(
    config: Config,
    image_shape: ImageShape,
    record: Record | None,
    scores: Mapping[str, float] | None,
    picture: bool,
) -> str:
    """Return the card in the hub's Markdown, with its YAML head."""
    table = image_shape[:2] == (1, 1)
    beta = record.beta if record is not None else config.beta(image_shape)
    what = (
        f"rows of {image_shape[2]} numbers" if table else "images {} x {} x {}".format(*image_shape)
    )
    parts = [
        "---",
        "library_name: betavae",
        f"pipeline_tag: {'feature-extraction' if table else 'image-feature-extraction'}",
        f"tags: [{', '.join(TAGS)}]",
        "---",
        "",
        f"# {model_name(config, beta)} on {data_name(config.data)}",
        "",
        f"A variational autoencoder of {config.latents} latents for {what}.",
        "",
    ]
    if picture:
        parts += [
            "![What each latent does from -3 to 3, the others at 0](traversal.png)",
            "",
            "*Each row moves one latent from -3 to 3, the others stay at 0.*",
            "",
        ]
    parts += _numbers(record, scores)
    if record is not None and config.likelihood.name == "bernoulli" and not table:
        parts += [CROSS_ENTROPY, ""]
    parts += ["## Settings", "", "| option | value |", "| --- | --- |"]
    parts += [
        f"| {line.name} | {line.value} |"
        for line in settings(config)
        if line.name not in MACHINE | {"data", "size", "method"} and line.value != "–"
    ]
    parts += [
        "",
        "## Use",
        "",
        "```python",
        "from betavae import BetaVAE",
        "",
        'vae = BetaVAE.from_pretrained("THIS/REPOSITORY")',
        "codes = vae.transform(X)                # (N, latents): posterior means",
        "again = vae.inverse_transform(codes)",
        "```",
        "",
    ]
    return "\n".join(parts)


def _numbers(record: Record | None, scores: Mapping[str, float] | None) -> list[str]:
    """Return the section of scores, empty where nothing is known."""
    rows = [(name, f"{value:.4g}") for name, value in (scores or {}).items()]
    if record is not None:
        rows += [
            ("distortion, nats an image", f"{record.distortion:.4g}"),
            ("rate, nats an image", f"{record.rate:.4g}"),
            ("active latents", f"{record.active_latents}"),
            ("training images", f"{record.images:,}"),
        ]
    if not rows:
        return []
    lines = [f"| {name} | {value} |" for name, value in rows]
    return ["## Numbers", "", "| what | value |", "| --- | --- |", *lines, ""]
