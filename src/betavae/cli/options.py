"""The configuration as the command line takes it, derived from `betavae.config.Config`.

What is chosen by name becomes a name and its options, ``--objective tcvae --objective.beta 6``;
options with a bare name stand beside it, ``--beta 4``. Which options go together is checked by
the configuration itself, with one line that names the right one.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model

from betavae.config import KINDS, Config, bare_options, name_of

STRICT = ConfigDict(extra="forbid")


def _plain(annotation: Any) -> Any:
    """Return an option's type without its ranges, or None: an option may be left out."""
    if get_origin(annotation) is Literal or annotation in (int, float, str, bool):
        return _or_none(annotation)
    return annotation


def _or_none(annotation: Any) -> Any:
    return annotation | None


def _help(description: str | None, default: object) -> str:
    """Return an option's help with its default, where it does not state one itself."""
    text = description or ""
    if "[default:" in text or default is None or isinstance(default, BaseModel):
        return text
    return f"{text} [default: {default}]"


def _inner(kind: str) -> type[BaseModel]:
    """Return the options of a kind: its name, and every member's that has no bare name."""
    members = KINDS[kind]
    names = [name_of(member) for member in members]
    usual = {"objective": "settle", "optimiser": "muon with settle, else adam"}.get(kind, names[0])
    description = Config.model_fields[kind].description
    fields: dict[str, Any] = {
        "name": (
            str | None,  # checked by the configuration, which knows what was meant
            Field(
                None,
                description=f"{description} [default: {usual}] [choices: {', '.join(names)}]",
            ),
        )
    }
    types: dict[str, list[Any]] = {}
    texts: dict[str, list[str]] = {}
    for member, name in zip(members, names, strict=True):
        for key, field in member.model_fields.items():
            if key != "name" and key not in member.bare:
                types.setdefault(key, []).append(_plain(field.annotation))
                text = _help(field.description, field.default)
                texts.setdefault(key, []).append(f"{name}: {text}")
    for key, found in types.items():
        annotation = reduce(or_, found)
        fields[key] = (annotation, Field(None, description=" ".join(texts[key])))
    return create_model(f"{kind.capitalize()}Arguments", __config__=STRICT, **fields)


def _arguments() -> type[BaseModel]:
    fields: dict[str, Any] = {}
    bare = bare_options()
    for name, field in Config.model_fields.items():
        if name not in KINDS:
            text = _help(field.description, field.default)
            fields[name] = (_plain(field.annotation), Field(None, description=text))
            continue
        fields[name] = (_or_none(_inner(name)), Field(None))
        for key, kinds in bare.items():
            if name not in kinds:
                continue
            owner = kinds[name][0].model_fields[key]
            text = _help(owner.description, owner.default)
            fields[key] = (_plain(owner.annotation), Field(None, description=text))
    return create_model("Arguments", __config__=STRICT, **fields)


Arguments = _arguments()
"""Every option of `Config`, each None where it was not given."""


def given(arguments: Any) -> dict[str, Any]:
    """Return the options that were given, as `Config.from_mapping` takes them."""
    found: dict[str, Any] = arguments.model_dump(exclude_unset=True)
    return found


def spelled_out(words: list[str]) -> list[str]:
    """Write `--objective NAME` as `--objective.name NAME`, so that its options can follow.

    >>> spelled_out(["--objective", "tcvae", "--likelihood=gaussian"])
    ['--objective.name', 'tcvae', '--likelihood.name=gaussian']
    """
    short = {f"--{kind}" for kind in KINDS}
    parts = (word.partition("=") for word in words)
    return [f"{a}.name{b}{c}" if a in short else f"{a}{b}{c}" for a, b, c in parts]
