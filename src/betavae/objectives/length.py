"""What a run's schedules run over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Length:
    """What an objective is told of the run that it is made for.

    Attributes:
        images: shown in the whole run.
        pixels: values of an image, N = C*H*W.
        latents: M.
    """

    images: int
    pixels: int
    latents: int

    @property
    def ramp(self) -> int:
        """Images over which schedules move where nothing else is said: 40 % of the run."""
        return max(1, round(0.4 * self.images))
