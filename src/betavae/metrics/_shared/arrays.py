"""Arrays out of whatever people have: lists, numpy, tensors of any library, data frames."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from betavae._system.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]

FIRST_COMPONENT = "first principal component"


def to_array(values: Any, name: str) -> Array:
    """Return `values` as an array, or raise `InputError` that says why it cannot be one.

    Tensors are detached and brought to the CPU whatever their device; half precision, bfloat16
    too, becomes float32. No library but numpy is imported.

    >>> to_array([[1, 2], [3, 4]], "codes").shape
    (2, 2)
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        if "bfloat16" in str(getattr(values, "dtype", "")):  # numpy has no such type
            values = values.float()
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "inhomogeneous" in reason:
            raise InputError(
                f"{name} must be a numeric array, got rows of unequal lengths"
            ) from error
        kind = f"{type(values).__module__.split('.')[0]}.{type(values).__name__}"
        raise InputError(
            f"{name} must be an array, got a {kind} that numpy refuses: {reason}"
        ) from (error)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array


def frame_columns(values: Any) -> tuple[tuple[str, ...], list[Any]] | None:
    """Return names and columns of a data frame (pandas, polars, Arrow), None for anything else."""
    if hasattr(values, "column_names") and hasattr(values, "column"):  # Arrow
        names = list(values.column_names)
        return tuple(map(str, names)), [values.column(name) for name in names]
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):
        names = list(values.columns)
        return tuple(map(str, names)), [values[name].to_numpy() for name in names]
    return None


def check_numbers(array: Array, name: str, whole: bool = False) -> Array:
    """Return a numeric array without NaN: integers keep their dtype, floats become 32 or 64 bits.

    Args:
        array: of any shape.
        name: what messages call it.
        whole: say how to mark a value that is not known, for factors.
    """
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} must be numeric, expected dtype float or int, got dtype {array.dtype}"
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            finite = bool(np.isfinite(array.sum()))  # a fifth of the time of looking at each
        bad = 0 if finite else int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            hint = "; a value that is not known is -1" if whole else ""
            raise InputError(
                f"{name} must be finite, got {bad} NaN or infinite value(s) of {array.size}{hint}"
            )
    return array


def check_matrix(values: Any, name: str, *, columns: str) -> Array:
    """Return `values` as a numeric (N, `columns`) array with at least two rows and no NaN.

    Integer arrays keep their dtype (raw pixels as uint8 stay small); other numbers become
    float32 or float64. Raises `InputError` naming `name` for anything else.
    """
    framed = frame_columns(values)
    if framed is None:
        array = to_array(values, name)
    else:
        parts = [to_array(column, f"{name} column {n}") for n, column in zip(*framed, strict=True)]
        for n, part in zip(framed[0], parts, strict=True):
            check_numbers(part, f"{name} column {n}")
        array = np.stack(parts, axis=1) if parts else np.empty((len(values), 0))
    if array.dtype.kind not in "biuf":
        check_numbers(array, name)
    check_shape(array, name, columns)
    return check_numbers(array, name)


def check_shape(array: Array, name: str, columns: str) -> None:
    """Raise `InputError` unless `array` is (N, `columns`) with two rows and a column at least."""
    if array.ndim != 2:
        raise InputError(
            f"{name} must have shape (N, {columns}), got {array.ndim} dimension(s): "
            f"shape {array.shape}"
        )
    if array.shape[1] == 0:
        raise InputError(f"{name} must have at least one column, got shape {array.shape}")
    if array.shape[0] < 2:
        raise InputError(f"{name} must have at least 2 rows, got {array.shape[0]}")


def read_codes(codes: Any, name: str = "codes") -> tuple[Array, str]:
    """Return codes as a numeric (N, M) array, and how vectors were reduced ("" if there are none).

    Codes (N, M, D), a vector a latent, are reduced to each latent's first principal component,
    as is usual for vector-valued latents (Yang et al. 2022, Visual Concepts Tokenization).

    >>> read_codes(np.arange(12.0).reshape(3, 2, 2))[1]
    'first principal component of 2 numbers a latent'
    """
    if frame_columns(codes) is None:
        codes = to_array(codes, name)
        if codes.ndim == 3 and 0 not in codes.shape and len(codes) > 1:
            return _first_components(check_numbers(codes, name)), (
                f"{FIRST_COMPONENT} of {codes.shape[2]} numbers a latent"
            )
    return check_matrix(codes, name, columns="M"), ""


def check_codes(codes: Any, name: str = "codes") -> Array:
    """Return codes as a numeric (N, M) array, or raise one clear `InputError`; see `read_codes`.

    >>> check_codes([[0.0, 1.0], [2.0, 3.0]]).shape
    (2, 2)
    >>> check_codes([["a", "b"], ["c", "d"]])
    Traceback (most recent call last):
    ...
    betavae.InputError: codes must be numeric, expected dtype float or int, got dtype <U1
    """
    return read_codes(codes, name)[0]


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


def _first_components(vectors: Array) -> Floats:
    """First principal component (N, M) of each latent's vectors (N, M, D); its sign is fixed."""
    result = np.empty(vectors.shape[:2])
    for j in range(vectors.shape[1]):
        part = vectors[:, j].astype(np.float64)
        part -= part.mean(axis=0)
        axis = np.linalg.eigh(part.T @ part)[1][:, -1]
        result[:, j] = part @ axis * np.sign(axis[np.abs(axis).argmax()])
    return result
