"""Work on all cores: in order, the first error, and Ctrl-C between two pieces."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from betavae._system.threads import on_all_cores, stream_on_all_cores


def test_results_are_in_order() -> None:
    assert on_all_cores(lambda k: k * k, 1000, "squares", unit=7) == [k * k for k in range(1000)]
    assert on_all_cores(lambda k: k, 0, "nothing") == []


def test_the_first_error_in_order_is_raised_and_the_rest_never_begins() -> None:
    begun: set[int] = set()
    threads = 2 * (os.cpu_count() or 1)

    def work(item: int) -> int:
        begun.add(item)
        if item in (3, 5):
            raise ValueError(f"item {item}")
        time.sleep(0.002)  # the others are still at work when the error is seen
        return item

    with pytest.raises(ValueError, match="item 3"):
        on_all_cores(work, 2000 * threads, "work", unit=1)
    assert len(begun) < 2000 * threads


def test_a_stream_is_never_far_ahead_of_the_work() -> None:
    taken: list[int] = []
    done: list[int] = []
    furthest = 0

    def items() -> Iterator[int]:
        for item in range(200):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        nonlocal furthest
        furthest = max(furthest, len(taken) - len(done))
        done.append(item)
        return 1

    stream_on_all_cores(items(), work, 200, "stream", backlog=4)
    assert sorted(done) == list(range(200))
    assert furthest <= 4 + 2 + threading.active_count()


def test_ctrl_c_stops_between_two_pieces() -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100_000):
            if item == 20:
                signal.raise_signal(signal.SIGINT)
            yield item

    def work(item: int) -> int:
        done.append(item)
        return 1

    with pytest.raises(KeyboardInterrupt):
        stream_on_all_cores(items(), work, 100_000, "stream")
    assert len(done) <= 21
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
