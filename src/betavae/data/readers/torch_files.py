"""Tensors from .pt and .pth files: nothing but tensors and plain containers is ever loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.files import check_bytes, check_plain, reading
from betavae.data.readers.members import Member

DEEPEST = 4  # mappings in mappings


def torch_members(path: Path) -> dict[str, Member]:
    """Return the tensors of a file: one, a mapping of them, or a tuple (named arr_0, arr_1, ...).

    Raises:
        InputError: when the file is damaged, too large, or holds anything but tensors, numbers and
            strings in lists, tuples and mappings.
    """
    import torch

    check_plain(path)
    with reading(path):
        check_bytes(path.stat().st_size, str(path))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_bytes(sum(member.file_size for member in archive.infolist()), str(path))
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise
    except Exception:  # damage, and everything that is no tensor, surfaces as many errors
        raise InputError(
            f"{path} is damaged, or holds more than tensors, which is refused"
        ) from None
    held = held if isinstance(held, (Mapping, tuple, list)) else [held]
    return {
        name: _member(value, f"{path}: tensor '{name}'")
        for name, value in _named(held)
        if isinstance(value, torch.Tensor)
    }


def _named(held: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a file holds by name: mappings in mappings as ``train/images``."""
    pairs = held.items() if isinstance(held, Mapping) else enumerate(held)
    for key, value in pairs:
        name = f"{above}{key if isinstance(held, Mapping) else f'arr_{key}'}"
        if isinstance(value, (Mapping, tuple, list)) and name.count("/") < DEEPEST:
            yield from _named(value, f"{name}/")
        else:
            yield name, value


def _member(tensor: Any, what: str) -> Member:
    import torch

    # A view of one number can claim any shape.
    check_bytes(tensor.numel() * tensor.element_size(), what)
    if tensor.dtype == torch.bfloat16:  # which numpy lacks
        tensor = tensor.float()
    plain = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    values: NDArray[Any] = np.asarray(plain.numpy())
    return Member.of(lambda: values, values.shape, values.dtype, what)
