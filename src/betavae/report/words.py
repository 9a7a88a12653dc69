"""What a run says of itself in words and numbers, for the report."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from betavae._system.options import Options
from betavae.config import KINDS, Config
from betavae.models.methods import ALWAYS
from betavae.objectives.beta import BetaOptions
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


def model_name(config: Config, beta: float | None) -> str:
    """Return what to call a VAE whose weight of the rate, where it has one, ended at `beta`.

    >>> model_name(Config(beta=4), 4.0)
    'β-VAE with β = 4'
    """
    objective = config.objective
    if objective.name != "beta" or beta is None:
        return f"{TITLES[objective.name]} ({objective})"
    return "VAE (β = 1)" if beta == 1 else f"β-VAE with β = {beta:.4g}"


def title(run: OpenRun) -> str:
    """Say what was trained on what."""
    config = run.header.config
    if config.method.name != "vae":
        return f"{METHODS[config.method.name]} on {data_name(config.data)}"
    return f"{model_name(config, run.beta)} on {data_name(config.data)}"


def lead(run: OpenRun) -> str:
    """Say in one sentence what the report is about."""
    config, (channels, height, width) = run.header.config, run.header.image_shape
    kind = "grey" if channels == 1 else "colour"
    model = (
        f"a variational autoencoder of {config.latents} latents ({config.network} network, "
        f"{config.likelihood.name.capitalize()} likelihood)"
        if config.method.name == "vae"
        else f"{METHODS[config.method.name]} with {config.latents} latents"
    )
    return (
        f"What {model} learned from {run.header.dataset_rows:,} "
        f"{kind} images of {height} × {width} pixels."
    )


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
    active = int(run.scale.active.sum())
    found = [
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


def settings(config: Config) -> list[Setting]:
    """Return the configuration, line by line, marking what differs from the method's defaults.

    Options that the method does not take have no value.
    """
    usual = Config.from_mapping({"method": config.method.name})
    lines = []
    for name, field in Config.model_fields.items():
        description = (field.description or "").partition(" [default: ")[0]
        if not takes(config, name):
            lines.append(Setting(name, _shown(None), description, False))
            continue
        value, default = getattr(config, name), getattr(usual, name)
        if not isinstance(value, Options):
            shown = _default(field.description) if value is None else _shown(value)
            lines.append(Setting(name, shown, description, value != default))
            continue
        same = type(value) is type(default)
        lines.append(Setting(name, _name(value), description, not same))
        for key, inner in type(value).model_fields.items():
            if key == "name":
                continue
            here = getattr(value, key)
            there = getattr(default, key) if same else inner.default
            text = (inner.description or "").partition(" [default: ")[0]
            shown = _default(inner.description) if here is None else _shown(here)
            label = key if key in value.bare else f"{name}.{key}"
            changed = here != there and shown != _default(inner.description)
            lines.append(Setting(label, shown, text, changed))
    return lines


def _name(value: Options) -> str:
    return str(getattr(value, "name"))  # noqa: B009


def _default(description: str | None) -> str:
    """Return what a description says the default is, else a dash."""
    return (description or "").partition(" [default: ")[2].rstrip("]") or _shown(None)


def takes(config: Config, name: str) -> bool:
    """Say whether the configured method has an option of this name."""
    taken = config.method.takes
    return taken is None or name in (*ALWAYS, *taken)


def setting_rows(configs: Sequence[Config]) -> list[SettingRow]:
    """Return the configurations side by side.

    Marked are the options that differ from the default, or, of several runs, from each other.
    An option that a run does not have is a dash in its column.
    """
    columns = [{line.name: line for line in settings(config)} for config in configs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = []
    for name in names:
        lines = [column.get(name) for column in columns]
        values = [_shown(None) if line is None else line.value for line in lines]
        known = next(line for line in lines if line is not None)
        changed = known.changed if len(lines) == 1 else len(set(values)) > 1
        rows.append(SettingRow(name, values, known.description, changed))
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
    ['betavae train shapes2d', '--objective beta', '--beta 4']
    """
    pieces = [["betavae", "train", config.data]]
    names = [*ALWAYS_NAMED, *(name for name in Config.model_fields if name not in ALWAYS_NAMED)]
    for name in filter(lambda name: takes(config, name), names):
        value, default = getattr(config, name), Config.model_fields[name].default
        if name == "data" or (name not in ALWAYS_NAMED and value == default):
            continue
        if name in KINDS:
            pieces += [[f"--{name}", _name(value)], *_inner(name, value)]
        else:
            pieces += _piece(f"--{name}", value)
    return [shlex.join(piece) for piece in [*pieces, ["--out", str(out)]]]


def _inner(kind: str, value: Options) -> list[list[str]]:
    """Return an option for everything in a table that was set, and for the main ones."""
    pieces: list[list[str]] = []
    for key in type(value).model_fields:
        here = getattr(value, key)
        if key == "beta" and isinstance(value, BetaOptions) and value.beta_norm is None:
            here = value.resolved(1, 1)
        elif key == "name" or (key not in value.model_fields_set and key != "learning_rate"):
            continue
        pieces += _piece(f"--{key}" if key in value.bare else f"--{kind}.{key}", here)
    return pieces


def _piece(option: str, value: object) -> list[list[str]]:
    option = option.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [[option if value else option.replace("--", "--no-", 1)]]
    return [[option, number(value) if isinstance(value, float) else str(value)]]
