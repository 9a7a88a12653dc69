"""The live table of a study: a line a group of cells, with the time left."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from betavae._system.files import read_json
from betavae._system.text import printable
from betavae.studies.cells import CELL, RUNNING, Cell
from betavae.training.records import RECORDS

if TYPE_CHECKING:
    from rich.table import Table

TAIL_BYTES = 1 << 14  # more than a line of metrics.jsonl


class Board:
    """Shows cells done, running and failed, and the time left; plain lines without a terminal.

    Args:
        folder: the study's; a running cell has a file `running` in its folder.
        cells: all cells.
        done: results so far, by name, with ``cell_seconds``.
        title: what stands above.
        jobs: cells at a time.
        shown: False shows nothing.
    """

    def __init__(
        self,
        folder: Path,
        cells: Sequence[Cell],
        done: Mapping[str, Mapping[str, Any]],
        *,
        title: str,
        jobs: int,
        shown: bool = True,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._folder, self._cells, self._title, self._jobs = folder, cells, title, jobs
        self._seconds = {name: float(r.get("cell_seconds", 0.0)) for name, r in done.items()}
        self._failed: set[str] = set()
        self._plain = shown and not sys.stderr.isatty()
        live = shown and not self._plain
        self._live = (
            Live(
                console=Console(stderr=True, markup=False, emoji=False),
                get_renderable=self.table,
                refresh_per_second=1,
            )
            if live
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def told(self, name: str, result: Mapping[str, Any] | None, error: str | None) -> None:
        """Take in that a cell ended: with a result, with an error, or, with neither, stopped."""
        if result is not None:
            self._seconds[name] = float(result["cell_seconds"])
        elif error is not None:
            self._failed.add(name)
        if not self._plain:
            return
        count = f"{len(self._seconds)} of {len(self._cells)}"
        if result is not None:
            took = f"done in {self._seconds[name]:,.0f} s"
            left = f", about {clock(self.seconds_left())} left"
            print(f"{self._title}  {name}  {took}  ({count}{left})", file=sys.stderr)
        elif error is not None:
            print(f"{self._title}  {name}  FAILED: {error}", file=sys.stderr)

    def seconds_left(self) -> float:
        """Estimate the time left: a training's from its records, others' from the cells done.

        Cells done speak for those of their group, then trainings under way for theirs, then
        both for all. It is never less than what the longest cell needs.
        """
        took: dict[str, list[float]] = defaultdict(list)
        foreseen: dict[str, list[float]] = defaultdict(list)
        to_come: dict[str, float] = {}
        for cell in self._cells:
            if cell.name in self._seconds:
                took[cell.group].append(self._seconds[cell.name])
                continue
            record = self._last_record(cell)
            if record is not None and record["images"] and self._running_for(cell):
                whole = cell.options["config"]["images"] * record["seconds"] / record["images"]
                foreseen[cell.group].append(whole)
                to_come[cell.name] = max(0.0, whole - record["seconds"])
        anywhere = [
            value for known in (took, foreseen) for some in known.values() for value in some
        ]
        for cell in self._cells:
            if cell.name in {*self._seconds, *self._failed, *to_come}:
                continue
            like = took.get(cell.group) or foreseen.get(cell.group) or anywhere
            expected = sum(like) / len(like) if like else 0.0
            to_come[cell.name] = max(0.0, expected - self._running_for(cell))
        return max(sum(to_come.values()) / self._jobs, *to_come.values(), 0.0)

    def _look(self) -> None:
        """Take in cells that are done though nobody has told yet."""
        for cell in self._cells:
            if cell.name not in self._seconds:
                with suppress(ValueError, KeyError):
                    kept = read_json(self._folder / cell.name / CELL)
                    self._seconds[cell.name] = float(kept["seconds"])

    def _last_record(self, cell: Cell) -> dict[str, Any] | None:
        """Return where a training stands, or None for a cell that is none or has no record yet."""
        if not cell.options.get("config", {}).get("images"):
            return None
        try:
            with (self._folder / cell.name / RECORDS).open("rb") as file:
                file.seek(-min(TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
                last = file.read().decode("utf-8").splitlines()[-1]
            return dict(json.loads(last))
        except (OSError, ValueError, IndexError):
            return None

    def _state(self, cell: Cell) -> str:
        """Say for how long a running cell has been running, and how far its training is."""
        ran = clock(self._running_for(cell))
        if (record := self._last_record(cell)) is None:
            return ran
        return f"{ran} ({record['images'] / cell.options['config']['images']:.0%})"

    def _running_for(self, cell: Cell) -> float:
        """Return the seconds that a cell has been running, 0 when it is not."""
        try:
            started = (self._folder / cell.name / RUNNING).read_text(encoding="utf-8")
            return max(0.0, time.time() - float(started))
        except (OSError, ValueError):
            return 0.0

    def table(self) -> Table:
        """Return the table as it stands now."""
        from rich.table import Table

        self._look()
        seconds = self.seconds_left()
        left = f"about {clock(seconds)} left" if self._seconds or seconds else "no estimate yet"
        table = Table(
            title=f"{self._title}: {len(self._seconds)} of {len(self._cells)} cells, {left}",
            title_justify="left",
            caption="Ctrl-C loses nothing: the same command goes on",
            caption_justify="left",
        )
        for name in ("cells", "done", "running", "failed", "s each"):
            table.add_column(name, justify="left" if name == "cells" else "right")
        groups: dict[str, list[Cell]] = defaultdict(list)
        for cell in self._cells:
            groups[cell.group].append(cell)
        for group, members in groups.items():
            took = [self._seconds[c.name] for c in members if c.name in self._seconds]
            unfinished = [c for c in members if c.name not in self._seconds]
            running = [self._state(c) for c in unfinished if self._running_for(c)]
            failed = sum(c.name in self._failed for c in members)
            table.add_row(
                printable(group),
                f"{len(took)} of {len(members)}",
                ", ".join(running),
                f"{failed}" if failed else "",
                f"{sum(took) / len(took):,.1f}" if took else "",
            )
        return table


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
