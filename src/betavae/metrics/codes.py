"""Codes and what is known about them, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Codes:
    """Plain arrays for `evaluate`: codes, and what is known about them.

    Attributes:
        mean: (N, M) codes.
        factors: (N, K) factors, or None.
        log_var: (N, M) log variances of the codes' posteriors, or None.
        factor_names: one name a factor, or empty.
        value_names: by factor, the names of its classes, for factors of words.
        files: what the rows are called, or empty.
    """

    mean: Any
    factors: Any = None
    log_var: Any = None
    factor_names: Sequence[str] = ()
    value_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Sequence[str] = ()
