"""An array in a file of several, known by its shape and dtype before it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.data.readers.arrays import Source


@dataclass(frozen=True)
class Member:
    """An array that is read when asked.

    Attributes:
        shape: as the file says.
        dtype: as the file says; any text counts as U.
        read: returns all of it.
        source: returns it as images that come piece by piece, where they come first.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    source: Callable[[], Source]

    @classmethod
    def of(
        cls,
        read: Callable[[], NDArray[Any]],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        what: str,
    ) -> Member:
        """Make one that can only be read whole."""
        return cls(tuple(shape), dtype, read, lambda: Source.from_array(read(), what))
