"""Checks that every metric shares: what codes and factors may be, and what is said if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from betavae._system.errors import InputError
from betavae.metrics._shared.parallel import halves, thread_map

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]
Seed: TypeAlias = "int | np.random.Generator | None"

BLOCK_FLOATS = 1 << 15
TURN_ROWS = 1 << 12
UNKNOWN = -1
"""The factor value that means "not known for this row"."""


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


def check_matrix(values: Any, name: str, *, columns: str) -> Array:
    """Return `values` as a numeric (N, `columns`) array with at least two rows and no NaN.

    Integer arrays keep their dtype (raw pixels as uint8 stay small); other numbers become
    float32 or float64. Raises `InputError` naming `name` for anything else.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name} must be a numeric (N, {columns}) array, got rows of unequal lengths"
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} must be numeric, expected dtype float or int, got dtype {array.dtype}"
        )
    if array.ndim != 2:
        raise InputError(
            f"{name} must have shape (N, {columns}), got {array.ndim} dimension(s): "
            f"shape {array.shape}"
        )
    if array.shape[1] == 0:
        raise InputError(f"{name} must have at least one column, got shape {array.shape}")
    if array.shape[0] < 2:
        raise InputError(f"{name} must have at least 2 rows, got {array.shape[0]}")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            finite = bool(np.isfinite(array.sum()))  # a fifth of the time of looking at each
        bad = 0 if finite else int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            raise InputError(
                f"{name} must be finite, got {bad} NaN or infinite value(s) of {array.size}"
            )
    return array


def check_codes(codes: Any, name: str = "codes") -> Array:
    """Return codes as a numeric (N, M) array, or raise one clear `InputError`.

    >>> check_codes([[0.0, 1.0], [2.0, 3.0]]).shape
    (2, 2)
    >>> check_codes([["a", "b"], ["c", "d"]])
    Traceback (most recent call last):
    ...
    betavae.InputError: codes must be numeric, expected dtype float or int, got dtype <U1
    """
    return check_matrix(codes, name, columns="M")


def check_factors(
    factors: Any,
    n_rows: int | None = None,
    *,
    columns: tuple[int, ...] | None = None,
    name: str = "factors",
) -> Ints:
    """Return discrete factors as an (N, K) int64 array; -1 marks a value that is not known.

    Checks the number of rows against `n_rows`, keeps `columns` if given, and refuses a factor
    with fewer than two known values, with fractions, or with (almost) a value per row: a metric
    for discrete factors says nothing about those; see `bin_factors`.

    >>> check_factors([[0, 1], [1, 1]])
    Traceback (most recent call last):
    ...
    betavae.InputError: factors column 1 must take at least 2 values, got 1
    """
    array = check_matrix(factors, name, columns="K")
    if n_rows is not None and len(array) != n_rows:
        raise InputError(
            f"codes and {name} must have the same number of rows, "
            f"got {n_rows} codes and {len(array)} {name}"
        )
    chosen = check_columns(columns, array.shape[1])
    if chosen != tuple(range(array.shape[1])):
        array = array[:, list(chosen)]
    if array.dtype.kind == "f":
        whole = (array == np.floor(array)).all(axis=0)
        if not whole.all():
            k = chosen[int(np.argmin(whole))]
            raise InputError(
                f"{name} column {k} must hold whole numbers for a metric of "
                f"discrete factors, got fractions; bin it first: bin_factors({name}, bins=20)"
            )
    # Column by column in memory: every metric walks along one factor at a time.
    result = np.empty(array.shape, np.int64, order="F")

    def turn(lows: range) -> None:
        for low in lows:
            result[low : low + TURN_ROWS] = array[low : low + TURN_ROWS]

    def check_column(k: int) -> None:
        column = result[:, k]
        lowest, highest = int(column.min()), int(column.max())
        if 0 <= lowest < highest < len(column) // 2:
            return  # two values at least, and no more than there may be
        known = column if lowest >= 0 else column[column >= 0]
        values = _count_values(known)
        if values < 2:
            raise InputError(f"{name} column {chosen[k]} must take at least 2 values, got {values}")
        if values > max(2, len(known) // 2):
            raise InputError(
                f"{name} column {chosen[k]} must have at least two rows a value on average, "
                f"got {values} values in {len(known)} rows; "
                f"bin it first: bin_factors({name}, bins=20)"
            )

    thread_map(turn, halves(len(array), TURN_ROWS))
    thread_map(check_column, range(len(chosen)))
    return result


def _count_values(known: Ints) -> int:
    """Count the different values: a bincount when the values are small, else a sort."""
    if len(known) and known.max() < 4 * len(known) + 1024:
        return int(np.count_nonzero(np.bincount(known)))
    return len(np.unique(known))


def check_columns(columns: Any, width: int, name: str = "factor_columns") -> tuple[int, ...]:
    """Return the chosen columns as a tuple of indices below `width`; None means all of them.

    >>> check_columns(None, 3), check_columns([1, 2], 3)
    ((0, 1, 2), (1, 2))
    """
    if columns is None:
        return tuple(range(width))
    try:
        chosen = tuple(int(c) for c in columns)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be column indices, got {columns!r}") from error
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= c < width for c in chosen):
        raise InputError(
            f"{name} must be different column indices from 0 to {width - 1}, got {chosen}"
        )
    return chosen


@dataclass(frozen=True)
class Labelled:
    """Codes and discrete factors that were checked.

    Attributes:
        codes: (N, M) numbers.
        values: (N, K) the chosen factors, -1 where not known.
        columns: which columns of the factors these are.
        log_var: (N, M) where the protocol needs it, else None.
    """

    codes: Array
    values: Ints
    columns: tuple[int, ...]
    log_var: Floats | None


def check_labelled(
    codes: Any,
    factors: Any,
    protocol: str,
    protocols: tuple[str, ...],
    factor_columns: Any = None,
    *,
    several: bool = False,
    four: bool = False,
    log_var: Any = None,
    needs_log_var: bool = False,
) -> Labelled:
    """Check what every metric of discrete factors is given.

    Args:
        codes: (N, M) numbers.
        factors: (N, K) whole numbers, -1 where not known.
        protocol: one of `protocols`.
        protocols: what the metric has.
        factor_columns: the columns to use; None: all.
        several: whether it takes two factors or more to tell apart.
        four: whether None means the four factors of the 2D shapes, see `four_factors`.
        log_var: (N, M) log variances.
        needs_log_var: whether this protocol needs them.

    Raises:
        InputError: naming the argument, what was expected and what came.
    """
    check_choice(protocol, "protocol", protocols)
    array = check_codes(codes)
    spread = check_log_var(log_var, array, f"for protocol {protocol!r}") if needs_log_var else None
    if factor_columns is None and four:
        factor_columns = four_factors(factors)
    columns = None if factor_columns is None else check_columns(factor_columns, _width(factors))
    values = check_factors(factors, len(array), columns=columns)
    if several and values.shape[1] < 2:
        raise InputError(
            f"factors must have at least 2 columns to tell apart, got {values.shape[1]}"
        )
    columns = tuple(range(values.shape[1])) if columns is None else columns
    return Labelled(array, values, columns, spread)


def _width(factors: Any) -> int:
    return int(check_matrix(factors, "factors", columns="K").shape[1])


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
    from betavae._system.errors import did_you_mean

    if value not in choices:
        raise InputError(
            f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}"
            + did_you_mean(str(value), choices)
        )
    return value


def check_log_var(log_var: Any, codes: Array, why: str) -> Floats:
    """Return the log variances that go with `codes`, or raise `InputError` saying `why`."""
    if log_var is None:
        raise InputError(f"log_var must be given {why}, expected shape {codes.shape}, got None")
    array = check_matrix(log_var, "log_var", columns="M")
    if array.shape != codes.shape:
        raise InputError(
            f"log_var must have the shape of codes, expected {codes.shape}, got {array.shape}"
        )
    return array


def four_factors(factors: Any) -> tuple[int, ...] | None:
    """Return columns 1 to 4 for five columns (2D shapes without the shape), else None for all."""
    shape = np.shape(factors)
    return (1, 2, 3, 4) if len(shape) == 2 and shape[1] == 5 else None


def moments(codes: Array) -> tuple[Floats, Floats]:
    """Mean and variance (M,) of each latent over the rows, in float64 whatever the dtype.

    >>> [part.tolist() for part in moments(np.array([[1.0, 5.0], [3.0, 5.0]]))]
    [[2.0, 5.0], [1.0, 0.0]]
    """
    start, n = codes[0].astype(np.float64), len(codes)
    width = codes.shape[1]
    # Blocks stay in cache, and 64 rows are summed as one long row: a tenth of np.var's time.
    size = max(64, BLOCK_FLOATS // width // 64 * 64)
    ones = np.ones(size)

    def sums(lows: range) -> Floats:
        both = np.zeros((2, width))
        for low in lows:
            part = codes[low : low + size] - start  # shifted, or squares would cancel far from 0
            rows = part.reshape(-1, 64 * width) if len(part) % 64 == 0 else part
            both[0] += (ones[: len(rows)] @ rows).reshape(-1, width).sum(axis=0)
            np.multiply(rows, rows, out=rows)
            both[1] += (ones[: len(rows)] @ rows).reshape(-1, width).sum(axis=0)
        return both

    first, second = np.sum(thread_map(sums, halves(n, size)), axis=0) / n
    return start + first, np.maximum(second - first**2, 0.0)


def live_latents(codes: Array, dead_std: float = 0.05) -> npt.NDArray[np.bool_]:
    """Tell which latents are alive: (M,) booleans.

    A latent is dead when its standard deviation over the rows is at most `dead_std` times the
    largest latent's, or times 1 if that is smaller: for codes on the scale of a unit-variance
    prior this is the 0.05 of Kim & Mnih 2018, for codes on a smaller scale it is relative, so
    that nothing depends on units. A constant latent is always dead.

    >>> live_latents(np.array([[0.0, 1.0, 0.001], [2.0, 1.0, 0.0]]))
    array([ True, False, False])
    """
    return alive(*moments(codes), dead_std)


def alive(mean: Floats, variance: Floats, dead_std: float) -> npt.NDArray[np.bool_]:
    """Tell which latents are alive, (M,), from their mean and variance; see `live_latents`."""
    deviation = np.sqrt(variance)
    # Rounding leaves a constant float column with a deviation of about 1e-16 of its value.
    limit = dead_std * min(1.0, float(deviation.max()))
    return np.asarray(deviation > np.maximum(limit, 1e-9 * np.abs(mean)))
