"""Signals that ask to stop, as a question that work answers where nothing is torn."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ASKING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C, what ends a process politely, and a terminal that is closed."""
KILLING = (signal.SIGINT, signal.SIGTERM)  # the second time; a closed terminal may say so twice


@contextmanager
def stop_signals(*, second_kills: bool = True) -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into a flag; a second Ctrl-C or SIGTERM kills.

    The handler only assigns: one that took a lock, such as an Event's, would wait for ever when
    a second signal came while it held it. A signal that the process ignores stays ignored, as
    SIGHUP under nohup.

    Args:
        second_kills: no for processes that torchrun minds: a terminal's Ctrl-C may reach them
            twice, directly and through it, and it kills what does not end by itself.
    """
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return
    before = {
        number: handler
        for number in ASKING
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        if second_kills and number in KILLING:
            signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
