"""Commands that are killed, and what is looked at afterwards: benchmarks/kills.py uses both.

Commands run in processes that a server forks after it has imported everything, so that a kill
falls into the work and not into two seconds of imports.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.runs.made import STAMPED, made_of
from betavae.runs.scores import kept_scores, read_scores
from betavae.studies import demo
from betavae.training import checkpoint
from betavae.training.run_folder import MADE

LEFT = (".part", ".tmp", "running", "stop", ".betavae.owner")
IMPORTS = (
    "betavae.cli.train", "betavae.report.write", "betavae.runs.scoring", "betavae.runs.traversals",
    "betavae.sharing.runs", "betavae.studies.benchmark", "betavae.studies.demo",
    "betavae.studies.dual", "betavae.studies.ranking", "betavae.studies.rate_distortion",
    "betavae.studies.restarts", "joblib", "matplotlib.backends.backend_agg", "sklearn.linear_model",
)  # fmt: skip


def forks() -> Any:
    """Return the context whose server has imported what the commands need."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTS))
    return context


def act(words: Sequence[str], said: str, cache: str) -> None:
    """Run a command line in this process, what it prints going to a file."""
    from betavae.__main__ import main

    with open(said, "wb") as file:  # noqa: PTH123
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    if cache:
        os.environ["BETAVAE_CACHE"] = cache
    demo.QUICK_IMAGES = 640  # the moments of its commands, not their length, are what is tried
    sys.argv = ["betavae", *words]
    code: object = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    # A Python of its own ends joblib's idle workers; multiprocessing's would wait for them.
    workers = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    if workers is not None:
        workers.shutdown(wait=True, kill_workers=True)
    os._exit(code if isinstance(code, int) else 1)


class Commands:
    """Starts commands, ends them, and says what they printed.

    Args:
        place: a folder for what they print.
    """

    def __init__(self, place: Path) -> None:
        self.context = forks()
        self.place = place
        self.number, self.said = 0, ""

    def start(self, words: Sequence[object], cache: str = "") -> tuple[Any, Path]:
        """Start a command; return its process and the file with what it says."""
        self.number += 1
        said = self.place / f"said-{self.number}"
        process = self.context.Process(target=act, args=([*map(str, words)], str(said), cache))
        process.start()
        return process, said

    def run(
        self, words: Sequence[object], wait: float | None = None, cache: str = ""
    ) -> int | None:
        """Run a command to its end, or kill it after `wait` seconds; return its code, if any."""
        process, said = self.start(words, cache)
        process.join(wait)
        if process.exitcode is None:
            process.kill()
            process.join()
            return None
        self.said = self.look(words, process.exitcode, said)
        return int(process.exitcode)

    def look(self, words: Sequence[object], code: int, said: Path) -> str:
        """Return what a command said; show it where it did not end as it should."""
        text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
        if code not in (0, 2) or "Traceback" in text:
            print(f"{' '.join(map(str, words))}: exit {code}: {text[-1500:]}", flush=True)
        said.unlink(missing_ok=True)
        return text


def squares(folder: Path) -> Path:
    """Write a small set: squares at 8 x 8 places."""
    images = np.zeros((64, 32, 32), np.uint8)
    for row in range(64):
        y, x = divmod(row, 8)
        images[row, 3 * y : 3 * y + 8, 3 * x : 3 * x + 8] = 255
    factors = np.stack(np.divmod(np.arange(64), 8), axis=1)
    np.savez(folder / "squares.npz", images=images, factors=factors)
    return folder / "squares.npz"


def leftovers(folder: Path) -> list[str]:
    """Return the files that only a process at work has."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.endswith(LEFT) or path.name.startswith(".tmp")
    ]


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every run's weights in and below a folder, by place."""
    return {
        str(path.parent.relative_to(folder)): checkpoint.digest_of_run(path.parent)
        for path in sorted(folder.rglob(checkpoint.NAME))
    }


def stale(folder: Path) -> list[str]:
    """Return the results below a folder that would be shown, and are of no weights there."""
    known = set(digests(folder).values())
    found = []
    for run in {path.parent for path in folder.rglob(checkpoint.NAME)}:
        weights = checkpoint.digest_of_run(run)
        made = [run / name for name in MADE if (run / name).is_file()]
        found += [path for path in made if made_of(path) and made_of(path) != (weights,)]
        entries = kept_scores(run)
        shown = [f"{score.metric}:{score.protocol}" for score in read_scores(run) or []]
        found += [run / key for key in shown if entries[key].get("weights") != weights]
    for path in folder.rglob("*"):
        if path.suffix in STAMPED and path.is_file() and path not in found:
            with contextlib.suppress(InputError):  # carries none: a data set
                found += [path] if set(made_of(path)) - known else []
    return [str(path.relative_to(folder)) for path in found]


def orphans(folder: Path) -> list[str]:
    """Return what was made of weights and lies in a folder that holds no weights any more."""
    return [
        name
        for name in MADE
        if (folder / name).is_file() and not (folder / checkpoint.NAME).exists()
    ]


def count(counts: Counter[str], what: str, found: Sequence[str], told: str) -> None:
    """Count what was found, and print it with what led to it."""
    counts[what] += len(found)
    if found:
        print(f"{told}: {what}: {', '.join(found)}", flush=True)
