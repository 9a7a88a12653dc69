"""A run's settings in words: the table of its options, and the command line that trains it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from betavae._system.options import Options
from betavae.config import KINDS, Config
from betavae.models.methods import ALWAYS
from betavae.objectives.beta import BetaOptions

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


def number(value: float) -> str:
    """Write a number as short as it can be read back.

    >>> number(4.0), number(0.001), number(1 / 3), number(300000.0)
    ('4', '0.001', '0.3333333333333333', '300000')
    """
    short = f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    return short if float(short) == value else repr(value)


def settings(config: Config) -> list[Setting]:
    """Return the configuration, line by line, marking what differs from the defaults.

    They are the method's, and of a VAE those that go with its objective; another objective than
    the default one is marked itself. Options that the method does not take have no value.
    """
    method = {"method": config.method.name}
    first = Config.from_mapping(method).objective
    vae = takes(config, "objective")
    usual = Config.from_mapping({**method, "objective": config.objective.name} if vae else method)
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
        other = type(value) is not type(first) if name == "objective" else not same
        lines.append(Setting(name, _name(value), description, other))
        for key, inner in type(value).model_fields.items():
            if key == "name":
                continue
            here = getattr(value, key)
            there = getattr(default, key) if same else inner.default
            text = (inner.description or "").partition(" [default: ")[0]
            usually = _default(inner.description)
            if key == "beta" and isinstance(value, BetaOptions) and value.beta_norm is not None:
                usually = _shown(None)  # beta_norm stands in its place
            shown = usually if here is None else _shown(here)
            label = key if key in value.bare else f"{name}.{key}"
            lines.append(Setting(label, shown, text, here != there and shown != usually))
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


def setting_rows(configs: Sequence[Config]) -> list[dict[str, Any]]:
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
        rows.append(
            {
                "name": name,
                "values": values,
                "description": known.description,
                "changed": changed,
            }
        )
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
