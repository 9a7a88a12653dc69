"""Runs the code of the documents and the examples (docs/testing.md).

Run: python scripts/run_documents.py [PAGE or EXAMPLE ...]
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from documents import BadDocument, Block, blocks, example

ROOT = Path(__file__).resolve().parent.parent
SMALL = (3, 2, 4, 8, 8)  # sizes of the 2D shapes that the documents see: 1,536 images

# What every line of a command is given, in place of its own value, by the command's words.
QUICK = {
    "train": {"--images": "64"},
    "explore": {"--no-browser": None, "--port": "0"},
    "reproduce table": {
        "--images": "64",
        "--replicas": "1",
        "--rows": "120",
        "--jobs": "1",
        "--quick": None,
    },
    "reproduce latent-size": {"--images": "64", "--jobs": "1", "--quick": None},
    "study dual": {"--images": "64"},
    "study rate-distortion": {"--images": "64"},
}
WITHOUT_LENGTH = {"pca", "ica"}  # methods of `train` that are not shortened
UNTIL = {"explore": "http://"}  # commands that serve: stopped once they print this


def main() -> int:
    """Run all pages, or those named; print what ran, what did not and why; 1 on failure."""
    named = [Path(name).resolve() for name in sys.argv[1:]]
    pages = named or every_page()
    began = time.perf_counter()
    import_what_pages_need()
    run = left = failed = 0
    for page in pages:
        name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else str(page)
        try:
            text = page.read_text(encoding="utf-8")
            found = [example(text, name)] if page.suffix == ".py" else blocks(text, name)
        except BadDocument as error:
            print(f"FAILED {error}", flush=True)
            failed += 1
            continue
        if not found:
            continue
        started = time.perf_counter()
        outcome = in_a_process(lambda page=page, found=found: run_page(page, found))
        seconds = time.perf_counter() - started
        counts = f"{outcome['run']} run, {len(outcome['left'])} not run"
        print(f"{name}: {counts}, {seconds:.0f} s", flush=True)
        for line in outcome["left"]:
            print(f"  {line}")
        if outcome["error"]:
            print(f"  FAILED {outcome['error']}", flush=True)
        run, left = run + outcome["run"], left + len(outcome["left"])
        failed += bool(outcome["error"])
    seconds = time.perf_counter() - began
    print(f"total: {run} run, {left} not run, {failed} pages failed, {seconds:.0f} s")
    return 1 if failed else 0


def every_page() -> list[Path]:
    """Return the pages at the root and in docs/, and the examples."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").glob("*.py")),
    ]


def import_what_pages_need() -> None:
    """Import the package once; the pages' processes are copies of this one."""
    import matplotlib.figure  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch

    import betavae.cli
    import betavae.report.write
    import betavae.runs.scoring  # noqa: F401
    from betavae import data

    torch.set_num_threads(1)
    data.load = small(data.load)


def small(load: Callable[..., Any]) -> Callable[..., Any]:
    """Return `betavae.data.load` with a few of the 2D shapes in the place of all of them."""
    from betavae.data import shapes2d
    from betavae.data.dataset import Dataset
    from betavae.data.factors import Factors
    from betavae.data.readers.arrays import to_store

    grid = Factors(shapes2d.FACTORS.names, SMALL)
    steps = [whole // few for whole, few in zip(shapes2d.FACTORS.sizes, SMALL, strict=True)]

    def small_load(name: Any, **options: Any) -> Any:
        if name != "shapes2d":
            return load(name, **options)
        store = to_store(shapes2d.render(grid.table() * steps))
        return Dataset(name, store, grid, None, grid.names)

    return small_load


def in_a_process(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call `work` in a copy of this process; return what it returns."""
    with tempfile.TemporaryFile("w+") as file:
        child = os.fork()
        if child == 0:
            code = 1
            sys.stdout, sys.stderr = (
                open(k, "w", closefd=False)  # noqa: SIM115 - as long as the process lives
                for k in (1, 2)
            )
            try:
                json.dump(work(), file)
                file.flush()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        file.seek(0)
        if status:
            return {"run": 0, "left": [], "error": f"the page's process ended with {status}"}
        return dict(json.load(file))


def run_page(page: Path, found: list[Block]) -> dict[str, Any]:
    """Run a page's blocks in order, in one process and one new folder, up to the first failure."""
    run, left = 0, []
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(page)}
    with tempfile.TemporaryDirectory(prefix="docs-test-") as folder:
        os.chdir(folder)
        for block in found:
            if block.why_not:
                left += [f"line {line}: {block.why_not}" for line, _ in block.commands]
                continue
            if block.file:
                Path(block.file).write_text(block.code + "\n", encoding="utf-8")
                continue
            for line, code in block.commands:
                error = failure(page, block, line, code, namespace)
                if error:
                    where = f"line {line}: {code.splitlines()[0]}"
                    return {"run": run, "left": left, "error": f"{where}\n{error}"}
                run += not block.hidden
        os.chdir("/")
    return {"run": run, "left": left, "error": ""}


def failure(page: Path, block: Block, line: int, code: str, namespace: dict[str, Any]) -> str:
    """Run a command or a block of Python; return what it printed and raised, if it failed."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            with printing_to(log):
                if block.is_python:
                    run_python(page, line, code, namespace)
                else:
                    run_line(code)
            return ""
        except (Exception, SystemExit):
            log.seek(0)
            return "".join(log.readlines()[-20:]) + traceback.format_exc()


@contextlib.contextmanager
def printing_to(log: IO[str]) -> Iterator[None]:
    """Send what this process and its children print into a file within the block."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in enumerate(before, start=1):
            os.dup2(kept, number)
            os.close(kept)


def run_python(page: Path, line: int, code: str, namespace: dict[str, Any]) -> None:
    """Run a block so that a traceback names the page and the line in it."""
    exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)


def run_line(line: str) -> None:
    """Run a shell line: betavae's commands in this process, anything else by bash.

    Raises:
        RuntimeError: when it ends with anything but 0.
    """
    words = shlex.split(line, comments=True)
    words = [path for word in words for path in (matching(word) or [word])]
    if words[0] == "betavae":
        command, words = quick(words[1:])
        if command in UNTIL:
            served(words, UNTIL[command])
        else:
            betavae(words)
        return
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", line], env={**os.environ, "PATH": path})
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}")


def matching(word: str) -> list[str]:
    """Return the files that a word with a star names, as a shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else []


def betavae(words: list[str]) -> None:
    """Run the command line in this process.

    Raises:
        RuntimeError: when it ends with anything but 0.
    """
    from betavae.cli import run

    try:
        run(words)
    except SystemExit as stop:
        if stop.code:
            raise RuntimeError(f"exit code {stop.code}") from None


def quick(words: list[str]) -> tuple[str, list[str]]:
    """Return a line's command and its words, with what `QUICK` says put in or replaced.

    >>> quick(["train", "shapes2d", "--images=90000", "--beta", "4"])
    ('train', ['train', 'shapes2d', '--beta', '4', '--images', '64'])
    """
    command = next((name for name in (" ".join(words[:2]), words[0]) if name in QUICK), words[0])
    if "--help" in words or WITHOUT_LENGTH & set(words):
        return command, words
    for option, value in QUICK.get(command, {}).items():
        kept: list[str] = []
        position = 0
        while position < len(words):
            word = words[position]
            own = word.partition("=")[0] == option
            if not own:
                kept.append(word)
            position += 1 + (own and value is not None and "=" not in word)
        words = [*kept, option, *([] if value is None else [value])]
    return command, words


def served(words: list[str], until: str) -> None:
    """Start a command that serves, wait for what it prints, and stop it as Ctrl-C does.

    Raises:
        RuntimeError: when it ends without printing it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            betavae(words)
        finally:
            os._exit(0)
    os.close(writing)
    seen = ""
    with os.fdopen(reading) as lines:
        for line in lines:
            seen += line
            if until in line:
                os.kill(child, signal.SIGINT)
                break
    os.waitpid(child, 0)
    if until not in seen:
        raise RuntimeError(f"it ended before it printed {until}")


if __name__ == "__main__":
    sys.exit(main())
