"""The bar of a training, which fits a terminal of 80 columns."""

from __future__ import annotations

import math
import sys

from typing_extensions import Self

from betavae._system.notebook import NotebookBar, in_notebook
from betavae._system.progress import live
from betavae.training.records import Record

ROOM, LONGEST_TITLE = 3, 24  # columns of a bar: kept free behind it, and of its title
LEAST_BAR = 10 + 4 + 7 + 4  # of the bar itself, the percentage, the time left, and blanks between


class ProgressBar:
    """A bar on stderr, or below a notebook's cell: terms, active latents, images/s, time left."""

    def __init__(self, total: int, start: int, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self._notebook = NotebookBar() if in_notebook() else None
        self._plain = not live()
        self._total = total
        self._next_plain = 0.0
        console = Console(stderr=True)
        # The terminal writes ^C where the cursor stands, behind the bar: room for it on the line,
        # or it runs over, and the last bar is drawn below the one before.
        console.width = max(20, console.width - ROOM)
        title = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"
        self._room = console.width - len(title) - LEAST_BAR
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[terms]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            console=console,
            disable=self._plain or self._notebook is not None,
        )
        self._task = self._progress.add_task(title, total=total, completed=start, terms="")
        self._title = title

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, record: Record) -> None:
        """Show the newest record; where there is no terminal, a plain line every 10 %."""
        shown = [name for name in record.terms if name not in ("beta", "gamma")][:3]
        parts = [f"{name.replace('_', ' ')} {record.terms[name]:.4g}" for name in shown]
        if record.rate_per_latent:
            parts.append(f"active {record.active_latents}")
        parts.append(f"{record.images_per_second:,.0f} images/s")
        self.move(record.images, record.images_per_second, "  ".join(parts))

    def move(self, images: int, speed: float, terms: str) -> None:
        """Show where training stands, its terms written out by the caller."""
        done = images / self._total
        left = (self._total - images) / max(speed, 1e-9)
        if self._notebook is not None:
            self._notebook.show(self._title, done, f"{terms}  {left:,.0f} s left")
        elif not self._plain:
            self._progress.update(self._task, completed=images, terms=shortened(terms, self._room))
        elif done >= self._next_plain:
            print(f"{self._title}  {done:4.0%}  {terms}  {left:,.0f} s left", file=sys.stderr)
            self._next_plain = math.floor(done * 10 + 1) / 10


def shortened(terms: str, room: int) -> str:
    """Leave the last terms out, which are two blanks apart, until the line fits.

    >>> shortened("distortion 107.4  rate 15.73  active 6", 30)
    'distortion 107.4  rate 15.73'
    """
    while len(terms) > room and terms:
        terms = terms.rpartition("  ")[0]
    return terms
