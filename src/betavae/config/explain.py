"""What is wrong with options, in one line: what, expected, got."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from betavae._system.errors import did_you_mean
from betavae._system.options import Options
from betavae.config.kinds import KINDS, bare_options, member_of, name_of

LONGEST = 80  # characters of a value that is shown


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Turn pydantic's first complaint about a `model` into one line: what, expected, got."""
    line = " ".join(_explained(error, model).split())
    return re.sub(rf"([^' ]{{{LONGEST}}})[^' ]+", r"\1...", line)


def _explained(error: ValidationError, model: type[BaseModel]) -> str:
    first, *others = error.errors(include_url=False)
    parts = [str(part) for part in first["loc"]]
    kind = parts[0] if parts and parts[0] in KINDS else None
    if kind is None and parts and parts[0] in model.model_fields:
        del parts[1:]  # pydantic names the branch of a union
    member = None
    if kind is not None and len(parts) > 1:  # pydantic names the chosen member: leave it out
        member = member_of(kind, parts.pop(1))
    if first["type"] == "union_tag_invalid" and kind is not None:
        return _unknown_member(kind, first)
    if kind is not None and len(parts) == 1 and first["type"] != "value_error":
        close = did_you_mean(kind, [name for name in model.model_fields if name != kind])
        hint = close if isinstance(first["input"], (int, float)) else ""
        names = ", ".join(_names(kind))
        return f"{kind} must be one of {names}, or a table, got {_shown(first['input'])}{hint}"
    if first["type"] == "extra_forbidden":
        return _unknown_option(parts, kind, member, model)
    message = first["msg"].removeprefix("Value error, ")
    name = ".".join(parts[1:] if member is not None and parts[-1] in member.bare else parts)
    if not name or first["type"] == "value_error":
        return message
    also = [other["msg"] for other in others if kind is None and other["loc"][:1] == (name,)]
    message = " or ".join([message, *also]).replace(" or Input should be ", " or ")
    message = message.replace("Input should be ", "must be ")
    for words, sign in (
        ("greater than or equal to ", ">= "),
        ("less than or equal to ", "<= "),
        ("greater than ", "> "),
        ("less than ", "< "),
    ):
        message = message.replace(words, sign)
    got = first["input"]
    choices = get_args(_annotation(member or model, parts)) if isinstance(got, str) else ()
    hint = did_you_mean(got, [c for c in choices if isinstance(c, str)]) if choices else ""
    return f"{name} {message}, got {_shown(got)}{hint}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _names(kind: str) -> list[str]:
    return [name_of(member) for member in KINDS[kind]]


def _unknown_member(kind: str, first: Any) -> str:
    got = str(first["ctx"].get("tag", ""))
    names = _names(kind)
    return f"{kind} must be one of {', '.join(names)}, got '{got}'{did_you_mean(got, names)}"


def _unknown_option(
    parts: list[str], kind: str | None, member: type[Options] | None, model: type[BaseModel]
) -> str:
    if kind is None or member is None:
        known = [*model.model_fields, *bare_options()]
        return f"unknown option '{'.'.join(parts)}'{did_you_mean(parts[-1], known)}"
    own, key = name_of(member), parts[-1]
    has = [name for name in member.model_fields if name != "name"]
    owners = [
        name_of(other) for other in KINDS[kind] if key in other.model_fields and key != "name"
    ]
    hint = did_you_mean(key, has)
    if not hint:
        belongs = f"; it belongs to {', '.join(owners)}" if owners else ""
        hint = f"{belongs}; {own} has {', '.join(has) or 'none'}"
    return f"{kind} {own} has no option '{key}'{hint}"


def _annotation(model: type[BaseModel], parts: list[str]) -> Any:
    field = model.model_fields.get(parts[-1])
    return field.annotation if field else None
