"""What is chosen by name (objectives, optimisers, ...), and options laid into tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.models.dcign import DCIGNMethod
from betavae.models.infogan import InfoGANMethod
from betavae.models.joint import JointLatent
from betavae.models.latents import CustomLatent, GaussianLatent, PointLatent
from betavae.models.likelihoods import (
    BernoulliPixels,
    ContinuousBernoulliPixels,
    GaussianPixels,
)
from betavae.models.linear import ICAMethod, PCAMethod
from betavae.models.methods import VAEMethod
from betavae.models.quantised import QuantisedLatent
from betavae.objectives import AnyObjective
from betavae.objectives.optimisers import Adagrad, Adam, Muon

AnyMethod = VAEMethod | InfoGANMethod | DCIGNMethod | PCAMethod | ICAMethod
AnyLatent = GaussianLatent | PointLatent | QuantisedLatent | JointLatent | CustomLatent
AnyLikelihood = BernoulliPixels | ContinuousBernoulliPixels | GaussianPixels
AnyOptimiser = Adam | Adagrad | Muon
KINDS: dict[str, tuple[type[Options], ...]] = {
    kind: get_args(union)
    for kind, union in (
        ("method", AnyMethod),
        ("latent", AnyLatent),
        ("likelihood", AnyLikelihood),
        ("objective", AnyObjective),
        ("optimiser", AnyOptimiser),
    )
}
"""The fields that are chosen by name, each with its members; the first is the default."""


def name_of(member: type[Options]) -> str:
    """Return the name that chooses a member of a kind.

    >>> name_of(Adam)
    'adam'
    """
    return str(member.model_fields["name"].default)


def plain(value: Any) -> Any:
    """Return an option as plain values; of a table its name and what was set."""
    if isinstance(value, Options):
        return {"name": getattr(value, "name"), **value.given()}  # noqa: B009
    return value


def table(value: Any) -> dict[str, Any]:
    """Return what is chosen by name, given as a name, a mapping or Options, as a mapping."""
    if isinstance(value, Options):
        return dict(plain(value))
    return {"name": value} if isinstance(value, str) else value


def member_of(kind: str, value: Any) -> type[Options] | None:
    """Return the class that a table names; the default where it names none."""
    members = KINDS[kind]
    chosen = table(value) if value is not None else {}
    if not isinstance(chosen, Mapping):
        return None  # refused by the field itself
    name = chosen.get("name", name_of(members[0]))
    found = [one for one in members if name_of(one) == name]
    return found[0] if found else None


def named(tables: dict[str, Any]) -> dict[str, Any]:
    """Return tables with the default name where none is given."""
    for kind, members in KINDS.items():
        value = tables.get(kind)
        if isinstance(value, Mapping) and "name" not in value:
            tables[kind] = {"name": name_of(members[0]), **value}
    return tables


def bare_options() -> dict[str, dict[str, list[type[Options]]]]:
    """Return by bare name: the kind of an option, and the members that have it."""
    found: dict[str, dict[str, list[type[Options]]]] = {}
    for kind, members in KINDS.items():
        for member in members:
            for name in member.bare:
                found.setdefault(name, {}).setdefault(kind, []).append(member)
    return found


def gathered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with bare ones put into their tables, and names turned into tables.

    Raises:
        InputError: for a bare option of another member than the chosen one.

    >>> gathered({"beta": 4, "seed": 1})
    {'seed': 1, 'objective': {'beta': 4}}
    """
    bare = bare_options()
    tables: dict[str, Any] = {key: value for key, value in options.items() if key not in bare}
    for kind in KINDS:
        if tables.get(kind) is not None:
            tables[kind] = table(tables[kind])
    for name, kinds in bare.items():
        if name not in options:
            continue
        ((kind, owners),) = kinds.items()
        chosen = member_of(kind, tables.get(kind))
        if chosen is not None and chosen not in owners:
            own = name_of(owners[0])
            now = name_of(chosen)
            hint = f"; did you mean {kind}.{name}?" if name in chosen.model_fields else ""
            raise InputError(f"{name} belongs to {kind} {own}, not to {now}{hint}")
        there = tables.get(kind) or {}
        if not isinstance(there, Mapping):
            continue  # refused by the field itself
        if name in there and there[name] != options[name]:
            raise InputError(f"{name} is given twice: {options[name]} and {there[name]}")
        tables[kind] = {**there, name: options[name]}
    return tables


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay options over others, both `gathered`.

    Tables of the same name are laid over each other, those of another name are replaced. Of
    options that exclude each other (beta and beta_norm) the upper one wins.
    """
    result = {**base, **over}
    for kind in KINDS:
        below, above = table(base.get(kind)), table(over.get(kind))
        if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
            continue
        if "name" in above and member_of(kind, below) is not member_of(kind, above):
            continue
        member = member_of(kind, below)
        if member is not None and set(member.exclusive) & above.keys():
            below = {key: value for key, value in below.items() if key not in member.exclusive}
        result[kind] = {**below, **above}
    return result
