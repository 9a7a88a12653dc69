"""Work done one piece after another beside the server, and refused where the queue is long."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync

Result = TypeVar("Result")
SHARE = 0.2  # of the newest piece in the mean of how long pieces take
FIRST = 0.02  # seconds that a piece is taken to take before any was done


class Busy(Exception):
    """Too much is waiting: the page may ask again in a moment."""


class Turns:
    """Does pieces of work one at a time, in the order in which they come.

    Pictures are drawn by all cores at once, so that two at a time would gain nothing; the server
    itself stays free to answer.

    Args:
        patience: seconds that a piece may be expected to wait.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting = 0
        self._took = FIRST
        self._one: anyio.CapacityLimiter | None = None

    async def run(self, work: Callable[..., Result], *given: Any, **options: Any) -> Result:
        """Return what a function returns, once it is its turn.

        Raises:
            Busy: when what waits already will take longer than the patience.
        """
        if self._waiting * self._took > self._patience:
            raise Busy
        if self._one is None:  # belongs to the loop that it is first used in
            self._one = anyio.CapacityLimiter(1)
        self._waiting += 1
        try:
            return await run_sync(partial(self._timed, work, *given, **options), limiter=self._one)
        finally:
            self._waiting -= 1

    def _timed(self, work: Callable[..., Result], *given: Any, **options: Any) -> Result:
        began = time.perf_counter()
        try:
            return work(*given, **options)
        finally:
            self._took += SHARE * (time.perf_counter() - began - self._took)
