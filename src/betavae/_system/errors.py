"""The one exception that means "the input is wrong", not "betavae is wrong"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input from the user: says what is wrong, what was expected and what came.

    The command line prints its message on one line and exits with code 2; every other
    exception is a bug and keeps its traceback.

    >>> raise InputError("beta must be >= 0, got -1")
    Traceback (most recent call last):
    ...
    betavae.InputError: beta must be >= 0, got -1
    """

    __module__ = "betavae"  # where users import it from


class RankFailed(InputError):
    """What went wrong in one of several processes alone, so that this one has to say it."""


def not_installed(what: str, package: str, extra: str) -> InputError:
    """Return the error for something that needs a package which one of our extras brings.

    >>> print(not_installed("engine ray", "ray", "ray"))
    engine ray needs ray, which is not installed: pip install 'betavae[ray]'
    """
    return InputError(
        f"{what} needs {package}, which is not installed: pip install 'betavae[{extra}]'"
    )


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside a range, both ends of which are allowed.

    Raises:
        InputError: says the range.

    >>> check_range("steps", 5, 2, 1001)
    >>> check_range("steps", 1, 2, 1001)
    Traceback (most recent call last):
    ...
    betavae.InputError: steps must be in 2..1001, got 1
    """
    if not least <= value <= most:
        raise InputError(f"{name} must be in {least}..{most}, got {str(value)[:40]}")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the choice closest to `word`, else ``""``.

    >>> did_you_mean("learning_rat", ["learning_rate", "batch"])
    "; did you mean 'learning_rate'?"
    >>> did_you_mean("zzz", ["learning_rate", "batch"])
    ''
    """
    close = closest(word, choices)
    return f"; did you mean '{close}'?" if close else ""


def closest(word: str, choices: Iterable[str]) -> str:
    """Return the choice closest to `word`, of equally close ones the one that begins like it.

    >>> closest("--bata", ["--data", "--beta"]), closest("zzz", ["--beta"])
    ('--beta', '')
    """
    near = difflib.get_close_matches(word, list(choices), n=5)

    def alike(choice: str) -> tuple[float, bool]:
        ratio = difflib.SequenceMatcher(None, choice, word).ratio()
        return round(ratio, 6), choice.lstrip("-")[:1] == word.lstrip("-")[:1]

    return max(near, key=alike, default="")
