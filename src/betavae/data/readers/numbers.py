"""Numbers as people and programs write them: decimal commas, thousands, and what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError

# What stands for "not known" among numbers, in any case; and among words, as it stands here.
NO_NUMBER = frozenset(
    ("", "na", "n/a", "nan", "-nan", "null", "none", "nil", "<na>", "#n/a", "#na", "-", "?", ".")
)
NO_WORD = frozenset(
    ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "Null", "NULL", "<NA>", "#N/A", "#NA")
)
LONGEST = 60  # digits of a number
EXACT = 2.0**53  # from which on two whole numbers may share a float

_NUMBER = re.compile(r"[+-]?(\d[\d.,' ]*|[.,]\d+)(e[+-]?\d{1,4})?", re.IGNORECASE)
_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)(e[+-]?\d{1,4})?", re.IGNORECASE)
_THREE = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # 1,234: a number of four digits, or 1.234
_BY_COMMA = re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d*|(,\d{3}){2,})")
_BY_POINT = re.compile(r"[+-]?\d{1,3}((\.\d{3})+,\d*|(\.\d{3}){2,})")
_BY_BLANK = re.compile(r"[+-]?\d{1,3}([' ]\d{3})+([.,]\d*)?")
SIGNS = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})


def is_number(cell: str) -> bool:
    """Say whether a cell is a number in some style.

    >>> [is_number(cell) for cell in ("-1.5", "1.234,5", "1e-3", "12 mm", "1_000", "nan")]
    [True, True, True, False, False, False]
    """
    plain = cell.translate(SIGNS)
    if len(plain) > LONGEST or _NUMBER.fullmatch(plain) is None:
        return False
    styles = (_POINT, _COMMA, _BY_COMMA, _BY_POINT, _BY_BLANK)
    return any(style.fullmatch(plain) for style in styles)


def has_point(cell: str) -> bool:
    """Say whether a cell is a number whose only sign is a decimal point."""
    return _POINT.fullmatch(cell) is not None


def is_simple(cell: str) -> bool:
    """Say whether a cell is a number with at most one point or comma, or not known."""
    plain = cell.translate(SIGNS)
    simple = _POINT.fullmatch(plain) or _COMMA.fullmatch(plain)
    return cell.lower() in NO_NUMBER or (len(plain) <= LONGEST and simple is not None)


@dataclass(frozen=True)
class Style:
    """How a table writes numbers: the sign before fractions, and the signs between thousands."""

    decimal: str = "."
    thousands: str = "' "

    def number(self, cell: str) -> Decimal:
        """Return the number that a cell writes, exactly."""
        plain = cell.translate(SIGNS)
        for sign in self.thousands:
            plain = plain.replace(sign, "")
        return Decimal(plain.replace(self.decimal, "."))


def style_of(cells: Iterable[str], what: str) -> Style:
    """Return the one style in which all these numbers are written.

    Raises:
        InputError: when they are in several styles, or can be read in more than one way.

    >>> style_of(["0,5", "1"], "x"), style_of(["1.5", "1,000"], "x").decimal
    (Style(decimal=',', thousands="' "), '.')
    """
    points: list[str] = []
    commas: list[str] = []
    by_point: list[str] = []
    by_comma: list[str] = []
    either: list[str] = []
    maybe: list[str] = []
    for cell in cells:
        plain = cell.translate(SIGNS)
        if _BY_POINT.fullmatch(plain):
            by_point.append(cell)
        elif _BY_COMMA.fullmatch(plain):
            by_comma.append(cell)
        elif _THREE.fullmatch(plain):
            either.append(cell)
        elif "," in plain:
            commas.append(cell)
        elif "." in plain:
            three = _THREE.fullmatch(plain.replace(".", ","))
            (maybe if three else points).append(cell)
    if (commas or by_point) and (points or by_comma):
        one, other = (commas + by_point)[0], (points + by_comma)[0]
        raise InputError(f"{what} writes numbers in two styles, '{one}' and '{other}'")
    if commas or by_point:
        if maybe and not by_point:
            raise InputError(f"{what} writes numbers in two styles, '{commas[0]}' and '{maybe[0]}'")
        return Style(",", "' ." if by_point else "' ")
    if points or by_comma:
        return Style(".", "' ,")
    if either:
        raise InputError(
            f"{what}: '{either[0]}' could be {either[0].replace(',', '.')} or "
            f"{either[0].replace(',', '')}; write it without a comma"
        )
    return Style()


def fast_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return a column of plain finite numbers at once; None where it needs a closer look."""
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        return None
    whole = np.isfinite(values).all() and np.abs(values).max(initial=0) < EXACT
    # Underscores are Python's own.
    return values if whole and "_" not in "".join(cells) else None


def ranks(keys: Sequence[Any]) -> NDArray[np.int64]:
    """Return the place of every key among the different ones in sorted order; None is -1.

    >>> ranks(["b", None, "a", "b"])
    array([ 1, -1,  0,  1])
    """
    order = {
        key: place for place, key in enumerate(sorted({key for key in keys if key is not None}))
    }
    return np.array([-1 if key is None else order[key] for key in keys], np.int64)
