"""Values that move during training, as functions of the images seen."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(value: float) -> Schedule:
    """Return `value` always."""
    return lambda images_seen: value


def linear(start: float, end: float, images: int) -> Schedule:
    """Move from `start` to `end` in a straight line over `images`, then stay.

    >>> warm_up = linear(0.0, 4.0, images=100)
    >>> warm_up(0), warm_up(50), warm_up(1000)
    (0.0, 2.0, 4.0)
    """
    return lambda images_seen: start + (end - start) * min(1.0, images_seen / images)


def later(schedule: Schedule, images: int) -> Schedule:
    """Stay at the schedule's first value over `images`, then begin.

    >>> fall = later(linear(1.0, 0.0, images=100), 50)
    >>> fall(0), fall(50), fall(100), fall(150)
    (1.0, 1.0, 0.5, 0.0)
    """
    return lambda images_seen: schedule(max(0, images_seen - images))


def exponential(start: float, end: float, images: int) -> Schedule:
    """Move from `start` to `end` by a constant factor an image over `images`, then stay.

    >>> decay = exponential(16.0, 4.0, images=100)
    >>> decay(0), decay(50), decay(1000)
    (16.0, 8.0, 4.0)
    """
    ratio = end / start
    return lambda images_seen: start * ratio ** min(1.0, images_seen / images)


def cyclical(start: float, end: float, images: int, cycles: int = 4) -> Schedule:
    """Rise from `start` to `end` several times over `images`, then stay at `end`.

    Each cycle rises in a straight line over its first half and stays at `end` over its second.

    Source: Fu et al. 2019, with M = `cycles` and R = 0.5.

    >>> rises = cyclical(0.0, 4.0, images=200, cycles=2)
    >>> rises(0), rises(25), rises(50), rises(99), rises(100), rises(200)
    (0.0, 2.0, 4.0, 4.0, 0.0, 4.0)
    """

    def value(images_seen: int) -> float:
        if images_seen >= images:
            return end
        within = images_seen * cycles / images % 1
        return start + (end - start) * min(1.0, 2 * within)

    return value


def cosine(start: float, images: int) -> Schedule:
    """Fall from `start` to 0 along half a cosine over `images`."""
    return lambda images_seen: (
        0.5 * start * (1 + math.cos(math.pi * min(1.0, images_seen / images)))
    )
