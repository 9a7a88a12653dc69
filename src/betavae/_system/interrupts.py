"""Ctrl-C and SIGTERM as a question that work answers where nothing is torn."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(
    on_ask: Callable[[], None] | None = None, *, second_kills: bool = True
) -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a flag, so that no step is torn; a second one kills.

    Args:
        on_ask: called when the signal comes, in the signal's handler.
        second_kills: no for processes that torchrun minds: a terminal's Ctrl-C may reach them
            twice, directly and through it, and it kills what does not end by itself.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: object) -> None:
        asked.set()
        if on_ask is not None:
            on_ask()
        if second_kills:
            signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
