"""The configuration as the command line takes it, derived from `betavae.config.Config`.

What is chosen by name becomes a name and its options, ``--objective tcvae --objective.beta 6``;
options with a bare name stand beside it, ``--beta 4``. Which options go together is checked by
the configuration itself, with one line that names the right one.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel, ConfigDict, Field, create_model

from betavae.config import KINDS, Config, bare_options, name_of

# What --help shows together, the common ones first.
COMMON = Group("Common options", sort_key=0)
DATA = Group("Data", sort_key=1)
NETWORK = Group("Network", sort_key=2)
OBJECTIVE = Group("Objective", sort_key=3)
OPTIMISER = Group("Optimiser", sort_key=4)
RUN = Group("Run", sort_key=5)
FIRST = ("objective", "beta", "latents", "network", "images", "seed")
GROUP_OF = {
    "data": DATA,
    "size": DATA,
    "method": NETWORK,
    "latent": NETWORK,
    "likelihood": NETWORK,
    "objective": OBJECTIVE,
    "optimiser": OPTIMISER,
    "batch": OPTIMISER,
}

STRICT = ConfigDict(extra="forbid")


def _plain(annotation: Any) -> Any:
    """Return an option's type without its ranges, or None: an option may be left out."""
    if get_origin(annotation) in (Literal, tuple, Union, UnionType) or annotation in (
        int,
        float,
        str,
        bool,
    ):
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


def _inner(kind: str, group: Group) -> type[BaseModel]:
    """Return the options of a kind: its name, and every member's that has no bare name.

    The name is shown in `group`, the rest in the kind's own.
    """
    members = KINDS[kind]
    names = [name_of(member) for member in members]
    usual = {"objective": "settle", "optimiser": "muon with settle, else adam"}.get(kind, names[0])
    description = Config.model_fields[kind].description
    fields: dict[str, Any] = {
        "name": (
            # Checked by the configuration, which knows what was meant.
            Annotated[str | None, Parameter(group=group)],
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
        either: Any = reduce(or_, found)
        annotation: Any = Annotated[either, Parameter(group=GROUP_OF.get(kind, RUN))]
        fields[key] = (annotation, Field(None, description=" ".join(texts[key])))
    return create_model(f"{kind.capitalize()}Arguments", __config__=STRICT, **fields)


def _arguments() -> type[BaseModel]:
    fields: dict[str, Any] = {}
    bare = bare_options()

    def add(name: str, annotation: Any, group: Group, text: str | None = None) -> None:
        shown = Annotated[annotation, Parameter(group=group)]
        fields[name] = (shown, Field(None, description=text))

    for name, field in Config.model_fields.items():
        group = COMMON if name in FIRST else GROUP_OF.get(name, RUN)
        if name not in KINDS:
            add(name, _plain(field.annotation), group, _help(field.description, field.default))
            continue
        add(name, _or_none(_inner(name, group)), group)
        for key, kinds in bare.items():
            if name not in kinds:
                continue
            owner = kinds[name][0].model_fields[key]
            inner = COMMON if key in FIRST else GROUP_OF.get(name, RUN)
            add(key, _plain(owner.annotation), inner, _help(owner.description, owner.default))
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
