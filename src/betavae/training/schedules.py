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


def exponential(start: float, end: float, images: int) -> Schedule:
    """Move from `start` to `end` by a constant factor an image over `images`, then stay.

    >>> decay = exponential(16.0, 4.0, images=100)
    >>> decay(0), decay(50), decay(1000)
    (16.0, 8.0, 4.0)
    """
    ratio = end / start
    return lambda images_seen: start * ratio ** min(1.0, images_seen / images)


def cosine(start: float, images: int) -> Schedule:
    """Fall from `start` to 0 along half a cosine over `images`."""
    return lambda images_seen: (
        0.5 * start * (1 + math.cos(math.pi * min(1.0, images_seen / images)))
    )
