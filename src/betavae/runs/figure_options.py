"""What every figure is told, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from betavae._system.errors import InputError


@dataclass(frozen=True)
class FigureOptions:
    """What the figures can be told; each uses what concerns it.

    Attributes:
        rows: images encoded, about.
        seeds: images that traversals start from.
        span: latents run over [-span, span] standard deviations of the prior.
        steps: values in a traversal.
        latents: latents shown a method.
        seed: seed of every random choice.
        data: another place of a run's images.
    """

    rows: int = 50_000
    seeds: int = 2
    span: float = 3.0
    steps: int = 11
    latents: int = 16
    seed: int = 0
    data: str | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "steps"):
            if getattr(self, name) < 2:
                raise InputError(f"{name} must be >= 2, got {getattr(self, name)}")
        for name in ("seeds", "latents"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not (self.span > 0 and math.isfinite(self.span)):
            raise InputError(f"span must be a number > 0, got {self.span:g}")


@dataclass(frozen=True)
class Drawn:
    """What draws a figure, and the numbers it shows, ready for JSON."""

    draw: Callable[[], Figure]
    numbers: dict[str, Any]

    @property
    def figure(self) -> Figure:
        """The figure, drawn anew each time."""
        return self.draw()
