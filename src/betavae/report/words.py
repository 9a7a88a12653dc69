"""What a run says of itself in words and numbers, for the report."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from betavae.config import METHOD_DEFAULTS, METHOD_TAKES, TAKEN_BY_ALL, Config
from betavae.options import ObjectiveOptions
from betavae.runs.opened import OpenRun
from betavae.runs.scores import Tile
from betavae.training.records import ACTIVE_NATS, COLLAPSED_NATS

FITTED_AT_ONCE = ("pca", "ica")
DATA_NAMES = {"shapes2d": "the 2D shapes"}
TITLES = {
    "constrained": "Constrained β-VAE",
    "capacity": "Capacity β-VAE",
    "tcvae": "β-TCVAE",
    "factor": "FactorVAE",
    "dip": "DIP-VAE",
    "infovae": "InfoVAE",
    "custom": "VAE with an objective of its own",
}
METHODS = {"infogan": "InfoGAN", "dcign": "DC-IGN", "pca": "PCA", "ica": "ICA"}
ALWAYS_NAMED = (
    "objective",
    "network",
    "latents",
    "optimiser",
    "learning_rate",
    "batch",
    "images",
    "seed",
)


@dataclass(frozen=True)
class Setting:
    """One line of the configuration table."""

    name: str
    value: str
    description: str
    changed: bool


@dataclass(frozen=True)
class SettingRow:
    """One line of the configuration table of several runs: a value a run."""

    name: str
    values: list[str]
    description: str
    changed: bool


def number(value: float) -> str:
    """Write a number as short as it can be read back.

    >>> number(4.0), number(0.001), number(1 / 3), number(300000.0)
    ('4', '0.001', '0.3333333333333333', '300000')
    """
    short = f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    return short if float(short) == value else repr(value)


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


def model_name(config: Config, beta: float) -> str:
    """Return what to call a VAE whose weight of the rate ended at `beta`.

    >>> model_name(Config(beta=4), 4.0)
    'β-VAE with β = 4'
    """
    objective = config.objective
    if objective.name != "beta":
        return f"{TITLES[objective.name]} ({objective})"
    return "VAE (β = 1)" if beta == 1 else f"β-VAE with β = {beta:.4g}"


def title(run: OpenRun) -> str:
    """Say what was trained on what."""
    config = run.header.config
    if config.method != "vae":
        return f"{METHODS[config.method]} on {data_name(config.data)}"
    return f"{model_name(config, run.beta)} on {data_name(config.data)}"


def lead(run: OpenRun) -> str:
    """Say in one sentence what the report is about."""
    config, (channels, height, width) = run.header.config, run.header.image_shape
    kind = "grey" if channels == 1 else "colour"
    model = (
        f"a variational autoencoder of {config.latents} latents ({config.network} network, "
        f"{config.likelihood.capitalize()} likelihood)"
        if config.method == "vae"
        else f"{METHODS[config.method]} with {config.latents} latents"
    )
    return (
        f"What {model} learned from {run.header.dataset_rows:,} "
        f"{kind} images of {height} × {width} pixels."
    )


def warnings(run: OpenRun) -> list[str]:
    """Say what a reader must know before trusting the rest."""
    lines = []
    trained = run.header.config.method not in FITTED_AT_ONCE
    if trained and run.images_seen < run.header.config.images:
        lines.append(
            f"Training is not finished: it stands at {run.images_seen:,} of "
            f"{run.header.config.images:,} images. "
            f"Go on with: betavae train --resume --out {shlex.quote(str(run.folder))}"
        )
    if run.scale.prior and run.rates.sum() < COLLAPSED_NATS:
        lines.append(
            f"The posterior collapsed: with a rate of {run.rates.sum():.3f} nats no latent says "
            "anything about the image. Try a smaller β, another seed or a longer run."
        )
    return lines


def tiles(run: OpenRun) -> list[Tile]:
    """Return the summary's figures besides the score."""
    return [*_terms(run), *_effort(run)]


def _terms(run: OpenRun) -> list[Tile]:
    """Return the terms of a VAE; of another method how many latents there are."""
    config, pixels = run.header.config, math.prod(run.header.image_shape)
    if run.distortion is None:
        active = int(run.scale.active.sum())
        return [Tile("Latents", f"{active}", f"of {config.latents}", "that move the picture")]
    beta, active = run.beta, int(run.scale.active.sum())
    moving = config.beta_schedule != "constant"
    path = (
        f"from {number(config.beta_start)}, {config.beta_schedule}, over "
        f"{config.resolved_ramp():,} images; "
        if moving
        else ""
    )
    return [
        Tile("Distortion", _nats(run.distortion), "nats", "−log p(x|z) per image: what is lost"),
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
        Tile(
            "β", f"{beta:.4g}", "", f"{path}normalised, βM/N: {beta * config.latents / pixels:.3g}"
        ),
    ]


def _effort(run: OpenRun) -> list[Tile]:
    """Return how much the run saw, and how long that took."""
    time, unit = duration(run.header.seconds)
    if run.header.config.method in FITTED_AT_ONCE:
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


def settings(config: Config) -> list[Setting]:
    """Return the configuration, line by line, marking what differs from the method's defaults.

    Options that the method does not take have no value.
    """
    lines = []
    for name, field in Config.model_fields.items():
        description, _, default = (field.description or "").partition(" [default: ")
        if not takes(config, name):
            lines.append(Setting(name, _shown(None), description, False))
            continue
        value = getattr(config, name)
        shown = _shown(value)
        unused = config.beta_norm is not None or config.objective.name != "beta"
        if value is None and default and not (name == "beta" and unused):
            shown = default.rstrip("]")
        usual = METHOD_DEFAULTS.get(config.method, {}).get(name, field.default)
        changed = value != usual and shown != default.rstrip("]")
        lines.append(Setting(name, shown, description, changed))
    return lines


def takes(config: Config, name: str) -> bool:
    """Say whether the configured method has an option of this name."""
    return config.method == "vae" or name in (*TAKEN_BY_ALL, *METHOD_TAKES[config.method])


def setting_rows(configs: Sequence[Config]) -> list[SettingRow]:
    """Return the configurations side by side.

    Marked are the options that differ from the default, or, of several runs, from each other.
    """
    rows = []
    for lines in zip(*(settings(config) for config in configs), strict=True):
        values = [line.value for line in lines]
        changed = lines[0].changed if len(lines) == 1 else len(set(values)) > 1
        rows.append(SettingRow(lines[0].name, values, lines[0].description, changed))
    return rows


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else f"{value}"


def command(config: Config, out: Path) -> list[str]:
    """Return the command line that trains this run again, a piece an option.

    Options that decide the result are named even at their default, so that the line stays
    exact when a default changes.

    >>> command(Config(beta=4, images=1000, bf16=True), Path("runs/b4"))[:3]
    ['betavae train shapes2d', '--objective beta', '--network patch']
    """
    pieces = [["betavae", "train", config.data]]
    names = [*ALWAYS_NAMED, *(name for name in Config.model_fields if name not in ALWAYS_NAMED)]
    for name in filter(lambda name: takes(config, name), names):
        value = getattr(config, name)
        if isinstance(value, ObjectiveOptions):
            pieces.append(["--objective", value.name])
            pieces += [
                [f"--objective.{key.replace('_', '-')}", str(given)]
                for key, given in value.given().items()
            ]
            continue
        if name == "beta" and config.beta_norm is None and config.objective.name == "beta":
            value = config.resolved_beta(1)
        elif name == "beta_ramp" and config.beta_schedule != "constant":
            value = config.resolved_ramp()
        elif name == "data" or (
            name not in ALWAYS_NAMED and value == Config.model_fields[name].default
        ):
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            pieces.append([option if value else option.replace("--", "--no-", 1)])
        elif value is not None:
            pieces.append([option, number(value) if isinstance(value, float) else str(value)])
    return [shlex.join(piece) for piece in [*pieces, ["--out", str(out)]]]
