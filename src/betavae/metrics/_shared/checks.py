"""Checks of options that every metric shares."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from betavae._system.errors import InputError, did_you_mean

Seed: TypeAlias = "int | np.random.Generator | None"


class NotComputable(InputError):
    """The data do not allow this metric, though nothing about the arguments is wrong."""


def as_generator(rng: Seed) -> np.random.Generator:
    """Return a numpy Generator for a seed, a Generator (used as it is) or None (fresh entropy).

    >>> bool(as_generator(0).integers(10) == as_generator(0).integers(10))
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, (int, np.integer)) and rng >= 0):
        return np.random.default_rng(rng)
    raise InputError(f"rng must be a seed >= 0, a numpy Generator or None, got {rng!r}")


def check_count(value: Any, name: str, minimum: int = 1) -> int:
    """Return `value` as an int of at least `minimum`, or raise `InputError`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise InputError(f"{name} must be an integer >= {minimum}, got {value!r}")
    return int(value)


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`, else raise `InputError` with a suggestion.

    >>> check_choice("higgins", "protocol", ("higgins2017", "locatello2019"))
    Traceback (most recent call last):
    ...
    betavae.InputError: protocol must be one of 'higgins2017', 'locatello2019', \
got 'higgins'; did you mean 'higgins2017'?
    """
    if value not in choices:
        raise InputError(
            f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}"
            + did_you_mean(str(value), choices)
        )
    return value
