"""Codes with their factors, checked, and what a result records of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, read_codes
from betavae.metrics._shared.checks import Seed
from betavae.metrics._shared.factors import SHAPES_2D, check_columns, check_factors, factor_table
from betavae.metrics._shared.results import About


@dataclass(frozen=True)
class Labelled:
    """Codes and discrete factors that were checked.

    Attributes:
        codes: (N, M) numbers.
        values: (N, K) the chosen factors, whole numbers but for metrics of numbers; -1: not known.
        columns: which columns of the factors these are.
        about: what a result records of them.
    """

    codes: Array
    values: Array
    columns: tuple[int, ...]
    about: About


def check_labelled(
    codes: Any,
    factors: Any,
    factor_columns: Sequence[int] | None,
    rng: Seed,
    *,
    several: bool = False,
    without_shape: bool = False,
) -> Labelled:
    """Check what every metric of discrete factors checks first.

    Args:
        codes: (N, M) numbers, or (N, M, D).
        factors: (N, K) whole numbers, -1 where not known, or text.
        factor_columns: the columns to use; None: all that take several values.
        rng: the seed, which the result records.
        several: whether it takes two factors or more to tell apart.
        without_shape: whether, by default, the shape of the 2D shapes is left out: it is when
            the factors have the names of theirs, and in no other case.

    Raises:
        InputError: naming the argument, what was expected and what came.
    """
    array, reduction = read_codes(codes)
    table = factor_table(factors)
    chosen = None
    if factor_columns is not None:
        chosen = check_columns(factor_columns, len(table.names))
    elif without_shape and sorted(table.names) == sorted(SHAPES_2D):
        chosen = tuple(k for k, name in enumerate(table.names) if name != SHAPES_2D[0])
    values, _, columns = check_factors(table, len(array), columns=chosen)
    left_out = tuple(
        f"{name} ({'not asked for' if factor_columns else 'resampled freely'})"
        if chosen is not None
        else f"{name} (takes one value)"
        for k, name in enumerate(table.names)
        if k not in columns
    )
    if several and values.shape[1] < 2:
        why = f" (left out: {', '.join(left_out)})" if left_out else ""
        raise InputError(
            f"factors must have at least 2 columns to tell apart, got {values.shape[1]}{why}"
        )
    used = tuple(table.names[k] for k in columns)
    about = About.of(array.shape, rng, factors=used, left_out=left_out, reduction=reduction)
    return Labelled(array, values, columns, about)
