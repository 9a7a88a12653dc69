"""Running the cells of a study through joblib; running it again does what is missing."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae._system.interrupts import stop_signals
from betavae._system.locks import end_with_parent, only_one
from betavae.studies.board import Board
from betavae.studies.cells import (
    CELL,
    RUNNING,
    VERSION,
    Cell,
    Work,
    finished,
    sources_of,
    weights_of,
)
from betavae.studies.engines import Engine, claimed_device, one_thread

ERROR, STOP = "error.txt", "stop"
LOOKS = 0.1  # seconds between looks at whether the user asked to stop


class CellsFailed(InputError):
    """Some cells of a study raised; the others are finished and kept."""


class StudyStopped(KeyboardInterrupt):
    """A study was stopped by Ctrl-C; says how to go on."""


def run_cells(
    folder: Path,
    cells: Sequence[Cell],
    work: Work,
    *,
    title: str = "cells",
    engine: Engine | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Run the cells that are not done yet; return every cell's result by name.

    Args:
        folder: the study's.
        cells: what to run.
        work: does one cell; a function of a module, so that other processes find it.
        title: heads the live table.
        engine: where they run, and how many at a time; on this machine if None.
        progress: show the live table on stderr.

    Raises:
        CellsFailed: when cells raised, after all others are done.
        StudyStopped: after Ctrl-C; what was finished is kept.
        InputError: when a cell is there with other options, the engine cannot be had, or another
            process runs cells of the folder.
    """
    with only_one(folder):
        return _run_cells(folder, cells, work, title, engine or Engine(), progress)


def _run_cells(
    folder: Path, cells: Sequence[Cell], work: Work, title: str, engine: Engine, progress: bool
) -> dict[str, dict[str, Any]]:
    from joblib import Parallel, delayed

    done = {cell.name: found for cell in cells if (found := finished(folder, cell)) is not None}
    missing = [cell for cell in cells if cell.name not in done]
    if not missing:
        return done
    for left in (folder / STOP, *(folder / cell.name / RUNNING for cell in missing)):
        left.unlink(missing_ok=True)  # of a killed study
    failed: dict[str, str] = {}
    with (
        engine.started() as count,
        Board(folder, cells, done, title=title, jobs=count, shown=progress) as board,
        stop_signals() as stopped,
        _told_to_cells(folder, stopped),
    ):
        # Ray's backend hands results over at the end only; the live table reads the folders.
        mode = "generator_unordered" if engine.name == "local" else "list"
        parallel = Parallel(n_jobs=count, return_as=mode, pre_dispatch="n_jobs")
        parent = os.getpid() if engine.name == "local" else 0  # Ray minds its workers itself
        calls = (delayed(_one)(folder, cell, work, count > 1, parent) for cell in missing)
        try:
            for name, result, error in parallel(calls):
                if result is not None:
                    done[name] = result
                elif error is not None:
                    failed[name] = error
                board.told(name, done.get(name), failed.get(name))
        except InputError:
            raise
        except Exception as error:  # a worker died: its cell is run again next time
            reason = f"a worker process died ({type(error).__name__})"
            failed |= {
                cell.name: reason for cell in missing if (folder / cell.name / RUNNING).exists()
            }
            failed = failed or {"the engine": f"{type(error).__name__}: {error}"}
    if stopped() or (folder / STOP).exists():
        (folder / STOP).unlink(missing_ok=True)
        raise StudyStopped(
            f"stopped with {len(done)} of {len(cells)} cells done in {folder}; the same command "
            "goes on"
        )
    if failed:
        name, reason = next(iter(failed.items()))
        trace = folder / name / ERROR
        where = f" (traceback in {trace})" if trace.exists() else ""  # a dead worker wrote none
        raise CellsFailed(
            f"{len(failed)} of {len(cells)} cells failed, first {name}: {reason}{where}; the same "
            "command tries them again"
        )
    return done


def _one(
    folder: Path, cell: Cell, work: Work, share: bool, parent: int
) -> tuple[str, dict[str, Any] | None, str | None]:
    """Do one cell, in whatever process the engine chose: (name, result, error)."""
    if parent not in (0, os.getpid()):
        end_with_parent(parent)
        if os.getppid() != parent:  # killed before this worker began: the folder is another's now
            return cell.name, None, None
    place = folder / cell.name
    if (folder / STOP).exists():
        return cell.name, None, None
    place.mkdir(parents=True, exist_ok=True)
    (place / ERROR).unlink(missing_ok=True)
    (place / RUNNING).write_text(f"{time.time()}", encoding="utf-8")
    began = time.perf_counter()
    try:
        with claimed_device(share), one_thread():
            result = work(place, dict(cell.options))
        seconds = round(time.perf_counter() - began, 2)
        kept = {"version": VERSION, "options": dict(cell.options), "seconds": seconds}
        result = {**result, "cell_seconds": seconds}
        kept["weights"] = weights_of(folder, sources_of(cell))
        write_json(place / CELL, {**kept, "result": result})
        return cell.name, result, None
    except KeyboardInterrupt:
        (folder / STOP).touch()
        return cell.name, None, None
    except Exception as error:
        with suppress(OSError):
            (place / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
        return cell.name, None, f"{type(error).__name__}: {error}"
    finally:
        (place / RUNNING).unlink(missing_ok=True)


@contextmanager
def _told_to_cells(folder: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Start no further cell once the user asks to stop; those that run save and stop themselves.

    The terminal sends Ctrl-C to every process, so workers hear of it as well; the file `stop`
    tells those on other machines. A thread looks, as a signal's handler must do nothing.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOKS):
            if stopped():
                with suppress(OSError):
                    (folder / STOP).touch()
                print("stopping: running cells are saved", file=sys.stderr)
                return

    thread = threading.Thread(target=watch, name="stop watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
