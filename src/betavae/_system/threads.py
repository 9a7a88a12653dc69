"""Work on all cores, in threads: what it calls (zlib, Pillow, numpy) lets go of Python."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from betavae._system.interrupts import stop_signals
from betavae._system.progress import progress

BLOCK = 64  # items a thread takes at a time
BACKLOG = 256  # items that may wait for the threads

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def threads() -> Iterator[tuple[ThreadPoolExecutor, Callable[[], None]]]:
    """Yield a pool of a thread a core, and a function to call after each piece of work.

    In the middle of a pool's locks, Ctrl-C would leave one of them locked and the program waiting
    for ever. So it is held back until that function is called, or the pool is left. After it, as
    after an error, what has not begun never does.
    """
    with stop_signals() as asked:

        def check() -> None:
            if asked():
                raise KeyboardInterrupt

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                yield pool, check
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        check()


def on_all_cores(
    work: Callable[[int], Result], count: int, title: str, unit: int = BLOCK
) -> list[Result]:
    """Return ``[work(0), ..., work(count - 1)]``, computed by a thread a core.

    Shows a progress bar on stderr when it takes a while. The first error, in order, is
    raised; what has not begun by then never does.
    """
    starts = range(0, count, unit)

    def block(start: int) -> list[Result]:
        return [work(item) for item in range(start, min(start + unit, count))]

    results: list[Result] = []
    with threads() as (pool, check), progress(title, count) as advance:
        for job in [pool.submit(block, start) for start in starts]:
            results += job.result()
            check()
            advance(len(results))
    return results


def stream_on_all_cores(
    items: Iterable[Item],
    work: Callable[[Item], int],
    count: int,
    title: str,
    *,
    backlog: int = BACKLOG,
) -> None:
    """Call ``work(item)`` for items that come one by one, by a thread a core.

    The next items are taken, so read and unpacked, while threads work on those before. The first
    error, in order, is raised; what has not begun by then never does.

    Args:
        items: what to work on.
        work: returns how many of `count` it has done.
        count: of everything, for the progress bar.
        title: heads the bar.
        backlog: how many items may wait, so that an archive is never read into memory.
    """
    pending: deque[Future[int]] = deque()
    done = 0
    with threads() as (pool, check), progress(title, count) as advance:

        def wait_for_one() -> None:
            nonlocal done
            done += pending.popleft().result()
            check()
            advance(done)

        for item in items:
            check()
            pending.append(pool.submit(work, item))
            if len(pending) > backlog:
                wait_for_one()
        while pending:
            wait_for_one()
