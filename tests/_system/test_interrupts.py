"""Signals become a question; afterwards everything is as it was."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pytest

from betavae._system.interrupts import ASKING, stop_signals


def test_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in ASKING]
    with suppress(ZeroDivisionError), stop_signals() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked()
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in ASKING] == before


def test_a_second_ctrl_c_is_not_held_back() -> None:
    with stop_signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as asked:
            signal.raise_signal(signal.SIGHUP)
            assert not asked()
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_may_ask_and_is_told_no() -> None:
    found = []

    def work() -> None:
        with stop_signals() as asked:
            found.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
