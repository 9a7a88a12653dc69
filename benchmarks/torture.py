"""Attack the program from all sides, and count what gives way: `make torture`.

Processes are killed at random moments and begun again; files of run folders and options are
mutated at random; functions are called with bad arguments; two trainings meet in one folder.
Everything is drawn from one seed, which is printed, so that a failure can be had again. It ends
with exit code 1 when anything gave way. What it counts stands in docs/findings/robustness.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from betavae import metrics
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.runs.latent_names import read_names
from betavae.runs.scores import kept_scores, read_scores
from betavae.studies.cells import Cell, finished, open_study
from betavae.training import checkpoint
from betavae.training.records import read_records

LONGEST = 300  # characters of a refusal
OPTIONS = (
    "--objective",
    "beta",
    "--latents",
    "3",
    "--batch",
    "16",
    "--threads",
    "1",
    "--network",
    "patch",
)
ODD: tuple[Any, ...] = (
    None, "", "x", "nan", -1, 0, 1.5, 1 << 70, -(1 << 70), 1e400, True, [], [1], {}, {"a": 1},
    float("nan"), "9" * 310, "\x00", "\ud800", [[[]]],
)  # fmt: skip


def attempt(counts: Counter[str], what: str, call: Callable[[], Any]) -> None:
    """Call, and count the outcome: an answer, a refusal in one line, or what it must not be."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            call()
    except InputError as error:
        text = str(error)
        bad = "\n" in text or len(text) > LONGEST
        counts["refused" if not bad else "long refusals"] += 1
        if bad:
            print(f"{what}: {len(text)} characters: {text[:200]!r}")
    except Exception as error:
        counts["tracebacks"] += 1
        print(f"{what}: {type(error).__name__}: {str(error)[:200]}")
    else:
        counts["answered"] += 1


def squares(folder: Path) -> Path:
    """Write a small set: squares at 8 x 8 places."""
    images = np.zeros((64, 32, 32), np.uint8)
    for row in range(64):
        y, x = divmod(row, 8)
        images[row, 3 * y : 3 * y + 8, 3 * x : 3 * x + 8] = 255
    factors = np.stack(np.divmod(np.arange(64), 8), axis=1)
    path = folder / "squares.npz"
    np.savez(path, images=images, factors=factors)
    return path


def command(*words: object) -> list[str]:
    """Return a command line of this Python's betavae."""
    return [sys.executable, "-m", "betavae", *map(str, words)]


def run(*words: object, wait: float | None = None) -> int | None:
    """Run a command to its end, or kill it after `wait` seconds; return its exit code, if any."""
    process = subprocess.Popen(
        command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, said = process.communicate(timeout=wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode not in (0, 2, 130) or "Traceback" in said:
        print(f"{' '.join(map(str, words))}: exit {process.returncode}: {said[-400:]}")
    return process.returncode


def leftovers(folder: Path) -> list[str]:
    """Return the names of half-written files."""
    return [path.name for path in folder.rglob("*") if path.name.endswith(".part")] + [
        path.name for path in folder.rglob(".tmp*")
    ]


def kill_trainings(folder: Path, kills: int, rng: random.Random) -> Counter[str]:
    """Kill trainings at random moments, go on with them, and compare with one left in peace."""
    data, counts = squares(folder), Counter[str]()
    line = ("train", data, *OPTIONS, "--images", 3200, "--checkpoint-every", 160)
    began = time.monotonic()
    run(*line, "--out", folder / "whole")
    longest = time.monotonic() - began
    wanted = checkpoint.digest_of_run(folder / "whole")
    while counts["kills"] < kills:
        out = folder / f"killed{counts['trainings']}"
        while True:
            resume = ["--resume"] if (out / checkpoint.NAME).exists() else []
            patience = rng.uniform(0.3, 1.1) * longest if counts["kills"] < kills else None
            code = run(*line, "--out", out, *resume, wait=patience)
            if code is not None:
                break
            counts["kills"] += 1
        counts["trainings"] += 1
        counts["failed"] += code != 0
        counts["differing weights"] += checkpoint.digest_of_run(out) != wanted
        counts["leftovers"] += len(leftovers(out))
        images = [record.images for record in read_records(out / "metrics.jsonl")]
        counts["differing records"] += images != sorted(set(images))
        shutil.rmtree(out)
    return counts


def kill_commands(folder: Path, kills: int, rng: random.Random) -> Counter[str]:
    """Kill score, encode, report, and trainings that overwrite or go on, and run them again."""
    data, counts = squares(folder), Counter[str]()
    out = folder / "run"
    line = ("train", data, *OPTIONS, "--out", out)
    images = 160
    run(*line, "--images", images)
    while counts["kills"] < kills:
        images += 160
        words = rng.choice(
            [
                ("score", out, "--metrics", "mig,irs"),
                ("encode", out),
                ("report", out),
                (*line, "--images", images, "--resume"),
                (*line, "--images", images, "--seed", rng.randrange(100), "--overwrite"),
            ]
        )
        code = run(*words, wait=rng.uniform(0.5, 8.0))
        counts["kills"] += code is None
        counts["finished first"] += code is not None
        if not (out / checkpoint.NAME).exists():  # killed while it was replaced: begun anew
            run(*line, "--images", images)
        weights = checkpoint.digest_of_run(out)
        shown, entries = read_scores(out) or [], kept_scores(out)
        counts["stale results"] += sum(
            entries[f"{score.metric}:{score.protocol}"].get("weights") != weights for score in shown
        )
        counts["failed"] += run("encode", out) != 0
        counts["leftovers"] += len(leftovers(out))
    return counts


def meet(folder: Path, times: int) -> Counter[str]:
    """Start two trainings in one folder at once: one is refused, the other is whole."""
    data, counts = squares(folder), Counter[str]()
    for number in range(times):
        out = folder / f"both{number}"
        line = command("train", data, *OPTIONS, "--images", 3200, "--out", out)
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        pair = [subprocess.Popen(line, **quiet) for _ in range(2)]
        codes = sorted(process.wait() for process in pair)
        counts["pairs"] += 1
        counts["not refused"] += codes != [0, 2]
    return counts


def mutate_files(folder: Path, count: int, rng: random.Random) -> Counter[str]:
    """Read the files of a run and a study after random changes."""
    import safetensors.torch

    counts, good, bad = Counter[str](), folder / "good", folder / "bad"
    data = squares(folder)
    from betavae.cli import run as in_process

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        line = ("train", data, *OPTIONS, "--images", 960, "--out", good)
        in_process([str(word) for word in line])
        in_process(["score", str(good), "--metrics", "irs"])
    (good / "latent_names.json").write_text('{"0": "width"}')
    open_study(folder / "study", "table", {"seeds": 3})
    (folder / "study").rename(good / "study")
    cell = Cell("a/0", {"x": 1})
    kept = {"version": 1, "options": {"x": 1}, "seconds": 1.0, "result": {"score": 1.0}}
    (good / "study" / "a" / "0").mkdir(parents=True)
    (good / "study" / "a" / "0" / "cell.json").write_text(json.dumps(kept))
    readers: dict[str, Callable[[], Any]] = {
        checkpoint.NAME: lambda: checkpoint.load_model(bad),
        "metrics.jsonl": lambda: read_records(bad / "metrics.jsonl"),
        "score.json": lambda: read_scores(bad),
        "latent_names.json": lambda: read_names(bad),
        "study/study.json": lambda: open_study(bad / "study", "table", {"seeds": 3}),
        "study/a/0/cell.json": lambda: finished(bad / "study", cell),
    }
    shutil.copytree(good, bad)
    for number in range(count):
        name = rng.choice(list(readers))
        content = (good / name).read_bytes()
        if name == checkpoint.NAME and rng.random() < 0.5:
            with safetensors.safe_open(good / name, "pt") as file:
                said = json.loads(file.metadata()["betavae"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            changed = _odd_json(said, rng)
            content = safetensors.torch.save(tensors, {"betavae": json.dumps(changed)})
        elif name.endswith("json") and rng.random() < 0.7:
            content = json.dumps(_odd_json(json.loads(content), rng)).encode()
        else:
            content = _odd_bytes(content, rng)
        (bad / name).write_bytes(content)
        attempt(counts, f"file {number}, {name}", readers[name])
        shutil.copyfile(good / name, bad / name)
    return counts


def _odd_json(value: Any, rng: random.Random) -> Any:
    """Change one thing somewhere in a JSON value."""
    inner = list(value) if isinstance(value, dict) else []
    if not inner or rng.random() < 0.2:
        return rng.choice([odd for odd in ODD if odd != "\ud800"])
    key = rng.choice(inner)
    if rng.random() < 0.2:
        return {name: part for name, part in value.items() if name != key}
    return {**value, key: _odd_json(value[key], rng)}


def _odd_bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut a file, or change some of its bytes, more often those of its header."""
    if rng.random() < 0.3:
        return content[: rng.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 3, 20])):
        end = rng.choice([min(200, len(changed)), len(changed)])
        changed[rng.randrange(end)] = rng.randrange(256)
    return bytes(changed)


def mutate_options(count: int, rng: random.Random) -> Counter[str]:
    """Build configurations of options with odd values."""
    counts, names = Counter[str](), [*Config.model_fields, "beta", "learning_rate", "no_such"]
    for number in range(count):
        options = {rng.choice(names): rng.choice(ODD) for _ in range(rng.choice([1, 2]))}
        attempt(counts, f"options {number}, {options}", lambda o=options: Config.from_mapping(o))
    return counts


def bad_arguments(count: int, rng: random.Random) -> Counter[str]:
    """Call every metric with arrays and options that are wrong."""
    counts = Counter[str]()
    arrays: list[Any] = [
        *ODD, np.zeros((0, 0)), np.zeros((5, 0)), np.full((8, 2), np.nan), np.zeros(3),
        np.full((8, 2), np.inf), np.zeros((8, 2), complex), np.array([["a"]]), np.zeros((2, 2, 2)),
        np.ma.masked_array(np.ones((8, 2)), mask=True), np.ones((8, 2)) * 1e308,
    ]  # fmt: skip
    good = np.random.default_rng(0).integers(0, 3, (40, 2))
    for number in range(count):
        name = rng.choice(metrics.__all__)
        call = getattr(metrics, name)
        if not callable(call) or isinstance(call, type):
            continue
        given = [rng.choice([*arrays, good]), rng.choice(arrays)]
        rng.shuffle(given)
        attempt(counts, f"arguments {number}, {name}", lambda c=call, g=given: c(*g))
    return counts


def main() -> None:
    """Run everything; print a line of counts for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--options", type=int, default=1000)
    parser.add_argument("--arguments", type=int, default=1800)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    given = parser.parse_args()
    rng = random.Random(given.seed)
    print(f"seed {given.seed}", flush=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    wrong = 0
    allowed = {"kills", "trainings", "finished first", "pairs", "refused", "answered"}
    with tempfile.TemporaryDirectory() as name:
        places = [Path(name) / part for part in ("a", "b", "c", "d")]
        for place in places:
            place.mkdir()
        kinds: dict[str, Callable[[], Counter[str]]] = {
            "options": lambda: mutate_options(given.options, rng),
            "files": lambda: mutate_files(places[0], given.files, rng),
            "arguments": lambda: bad_arguments(given.arguments, rng),
            "two writers": lambda: meet(places[1], given.pairs),
            "kills in training": lambda: kill_trainings(places[2], given.kills, rng),
            "kills in other commands": lambda: kill_commands(places[3], given.kills, rng),
        }
        for kind, attack in kinds.items():
            counts = attack()
            wrong += sum(number for what, number in counts.items() if what not in allowed)
            print(
                f"{kind}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()), flush=True
            )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
