"""Reading arrays from MATLAB .mat files of version 5 and before."""

from __future__ import annotations

import math
import warnings
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.files import check_bytes, check_plain, reading
from betavae.data.readers.members import Member

KINDS = {
    "uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2", "int32": "i4", "uint32": "u4",
    "int64": "i8", "uint64": "u8", "single": "f4", "double": "f8", "logical": "?",
}  # fmt: skip


def read_mat(
    file: Path | BytesIO, keys: tuple[str, ...], name: str | None = None
) -> dict[str, NDArray[Any]]:
    """Read variables of a .mat file, at least two-dimensional, as MATLAB has them.

    Args:
        file: a path, or the file's content.
        keys: the variables.
        name: what messages call the file; a path names itself.

    Raises:
        InputError: when the file cannot be read, is damaged, of version 7.3, or lacks a variable.
    """
    from scipy.io import loadmat, whosmat

    what = name or str(file)
    if isinstance(file, Path):
        check_plain(file)
        with reading(file), file.open("rb") as there:
            start = there.read(128)
    else:
        start = file.getvalue()[:128]
    if start[:10] == b"MATLAB 7.3" or start[:4] == b"\x89HDF":
        raise InputError(f"{what} is a MATLAB 7.3 file, expected version 5: save it with -v7")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what other variables hold
            found = loadmat(file, variable_names=keys)
            missing = [key for key in keys if key not in found]
            if not missing:
                return {key: np.asarray(found[key]) for key in keys}
            if isinstance(file, BytesIO):
                file.seek(0)
            held = ", ".join(str(one[0]) for one in whosmat(file)) or "nothing"
    except MemoryError:
        raise
    except Exception as error:  # damage surfaces as almost any error, also as OSError
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot read {what}: {error.strerror}") from None
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what} is damaged or not a MATLAB file: {why}") from None
    raise InputError(f"{what} must hold {', '.join(missing)}, got {held}")


def mat_members(path: Path) -> dict[str, Member]:
    """Return the arrays of a .mat file of version 5, read when asked."""
    from scipy.io import whosmat

    check_plain(path)
    read_mat(path, ())  # says what is wrong
    found = {}
    for name, shape, kind in whosmat(path):
        if kind in KINDS:
            if len(shape) == 2 and 1 in shape:  # MATLAB has no vectors
                shape = (math.prod(shape),)
            read = partial(_array, path, name, math.prod(shape) * np.dtype(KINDS[kind]).itemsize)
            found[name] = Member.of(read, shape, np.dtype(KINDS[kind]), f"{path}: array '{name}'")
    return found


def _array(path: Path, name: str, nbytes: int) -> NDArray[Any]:
    check_bytes(nbytes, f"{path}: array '{name}'")
    values = read_mat(path, (name,))[name]
    return values.ravel() if values.ndim == 2 and 1 in values.shape else values
