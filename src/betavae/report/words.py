"""What a run says of itself in words and numbers, for the report."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from betavae.config import Config
from betavae.models.likelihoods import NO_LIKELIHOOD
from betavae.objectives.beta import BetaOptions
from betavae.report.score_words import Tile
from betavae.report.settings_words import number
from betavae.runs.opened import OpenRun
from betavae.training.records import ACTIVE_NATS

FITTED_AT_ONCE = ("pca", "ica")
DATA_NAMES = {"shapes2d": "the 2D shapes"}


def duration(seconds: float) -> tuple[str, str]:
    """Write a time as value and unit.

    >>> duration(42.4), duration(125), duration(7380)
    (('42', 's'), ('2:05', 'min'), ('2:03', 'h'))
    """
    whole = round(seconds)
    if whole < 60:
        return str(whole), "s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}", "min"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}", "h"


def data_name(name: str) -> str:
    """Return what to call a data set: its proper name, or the file's or folder's."""
    return DATA_NAMES.get(name, Path(name).name or name)


def model_name(config: Config, beta: float | None) -> str:
    """Return what to call a VAE whose weight of the rate, where it has one, ended at `beta`.

    >>> model_name(Config(beta=4), 4.0)
    'β-VAE with β = 4'
    """
    objective, kind = config.objective, config.latent.title
    latents = f", {kind} latents" if kind else ""
    if objective.name != "beta" or beta is None:
        return f"{objective.title} ({objective}){latents}"
    return ("VAE (β = 1)" if beta == 1 else f"β-VAE with β = {beta:.4g}") + latents


def title(run: OpenRun) -> str:
    """Say what was trained on what."""
    config = run.header.config
    if config.method.name != "vae":
        return f"{config.method.title} on {data_name(config.data)}"
    return f"{model_name(config, run.beta)} on {data_name(config.data)}"


def lead(run: OpenRun) -> str:
    """Say in one sentence what the report is about."""
    config, (channels, height, width) = run.header.config, run.header.image_shape
    kind = "grey" if channels == 1 else "colour"
    model = (
        f"a variational autoencoder of {config.latents} latents ({config.network} network, "
        f"{config.likelihood.title} likelihood)"
        if config.method.name == "vae"
        else f"{config.method.title} with {config.latents} latents"
    )
    return (
        f"What {model} learned from {run.header.dataset_rows:,} "
        f"{kind} images of {height} × {width} pixels."
    )


def loss(config: Config) -> str:
    """Say what a VAE's training minimised; nothing of other methods.

    >>> loss(Config(beta=4)), loss(Config(objective="tcvae"))[:53]
    ('The loss is distortion + β × rate.', 'The loss is that of objective tcvae: The rate is take')
    """
    if config.method.name != "vae":
        return ""
    objective = config.objective
    if objective.name == "beta":
        return "The loss is distortion + β × rate."
    about = " ".join((type(objective).__doc__ or "").partition("\n\n")[0].split())
    return f"The loss is that of objective {objective.name}: {about}"


def warnings(run: OpenRun) -> list[str]:
    """Say what a reader must know before trusting the rest."""
    lines = []
    trained = run.header.config.method.name not in FITTED_AT_ONCE
    if trained and run.images_seen < run.header.config.images:
        lines.append(
            f"Training is not finished: it stands at {run.images_seen:,} of "
            f"{run.header.config.images:,} images. "
            f"Go on with: betavae train --resume --out {shlex.quote(str(run.folder))}"
        )
    return lines


def sentence(line: str) -> str:
    """Return a line of the terminal as a sentence.

    >>> sentence("it overfits; take more images")
    'It overfits; take more images.'
    """
    return f"{line[:1].upper()}{line[1:]}."


def tiles(run: OpenRun) -> list[Tile]:
    """Return the summary's figures besides the score."""
    return [*_terms(run), *_effort(run)]


def _terms(run: OpenRun) -> list[Tile]:
    """Return the terms of a VAE; of another method how many latents there are."""
    config, pixels = run.header.config, math.prod(run.header.image_shape)
    if run.distortion is None:
        active = int(run.scale.active.sum())
        return [Tile("Latents", f"{active}", f"of {config.latents}", "that move the picture")]
    active = int(run.scale.active.sum())
    found = [
        Tile(
            "Distortion",
            _nats(run.distortion),
            "nats",
            NO_LIKELIHOOD if run.is_no_likelihood else "−log p(x|z) per image: what is lost",
        ),
        Tile(
            "Rate",
            _nats(float(run.rates.sum())),
            "nats",
            "KL from the prior per image: what is kept",
        ),
        Tile(
            "Active latents",
            f"{active}",
            f"of {config.latents}",
            f"rate above {ACTIVE_NATS:g} nats",
        ),
    ]
    if run.beta is not None:
        norm = f"normalised, βM/N: {run.beta * config.latents / pixels:.3g}"
        found.append(Tile("β", f"{run.beta:.4g}", "", f"{_path(run)}{norm}"))
    return found


def _path(run: OpenRun) -> str:
    """Say how beta moved, where it did."""
    objective = run.header.config.objective
    if not isinstance(objective, BetaOptions) or objective.beta_schedule == "constant":
        return ""
    ramp = objective.beta_ramp or run.header.config.length(run.header.image_shape).ramp
    return f"from {number(objective.beta_start)}, {objective.beta_schedule}, over {ramp:,} images; "


def _effort(run: OpenRun) -> list[Tile]:
    """Return how much the run saw, and how long that took."""
    time, unit = duration(run.header.seconds)
    if run.header.config.method.name in FITTED_AT_ONCE:
        return [
            Tile("Images seen", f"{run.header.dataset_rows:,}", "", "every image of the set, once"),
            Tile("Training time", time, unit, "fitted in one go"),
        ]
    speed = run.images_seen / run.header.seconds if run.header.seconds > 0 else 0
    passes = run.images_seen / run.header.dataset_rows
    return [
        Tile("Images seen", f"{run.images_seen:,}", "", f"{passes:.3g} passes over the set"),
        Tile("Training time", time, unit, f"{speed:,.0f} images a second"),
    ]


def _nats(value: float) -> str:
    """Write nats with four digits or so: 9.47, 115.0, 82,246."""
    digits = 2 if abs(value) < 99.5 else 1 if abs(value) < 999.5 else 0
    return f"{value:,.{digits}f}".replace("-", "−")
