"""Attack the program from all sides, and count what gives way: `make torture`.

Files of run folders and options are mutated at random; functions are called with bad arguments;
processes are killed at random moments and begun again, and two meet in one folder
(benchmarks/kills.py, which is run in pieces by `python benchmarks/torture.py kills --help`).
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
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # also as `python benchmarks/torture.py`
from benchmarks import attacked, explorer_load, kills, pieces
from betavae import metrics
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.runs.latent_names import read_names
from betavae.runs.scores import read_scores
from betavae.studies.cells import Cell, finished, open_study
from betavae.training import checkpoint
from betavae.training.records import read_records

LONGEST = 300  # characters of a refusal
OPTIONS = (*kills.LEARNERS[0], *kills.OPTIONS)
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


def mutate_files(folder: Path, count: int, rng: random.Random) -> Counter[str]:
    """Read the files of a run and a study after random changes."""
    import safetensors.torch

    counts, good, bad = Counter[str](), folder / "good", folder / "bad"
    data = attacked.squares(folder)
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
    """Run everything, or the attack that is named; print a line of counts for each kind."""
    if sys.argv[1:2] in (["kills"], ["writers"]):
        sys.exit(pieces.main(sys.argv[1:]))
    if sys.argv[1:2] == ["explorer"]:
        sys.exit(explorer_load.main(sys.argv[1:]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--options", type=int, default=1000)
    parser.add_argument("--arguments", type=int, default=1800)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    given = parser.parse_args()
    rng = random.Random(given.seed)
    print(f"seed {given.seed}", flush=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    wrong = 0
    allowed = {"refused", "answered"}
    with tempfile.TemporaryDirectory() as name:
        places = [Path(name) / part for part in ("a", "b", "c", "d")]
        for place in places:
            place.mkdir()
        kinds: dict[str, Callable[[], Counter[str]]] = {
            "options": lambda: mutate_options(given.options, rng),
            "files": lambda: mutate_files(places[0], given.files, rng),
            "arguments": lambda: bad_arguments(given.arguments, rng),
        }
        for kind, attack in kinds.items():
            counts = attack()
            wrong += sum(number for what, number in counts.items() if what not in allowed)
            print(
                f"{kind}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()), flush=True
            )
    for what, count in (("kills", given.kills), ("writers", given.kills // 5)):
        wrong += pieces.main([what, "--count", str(count), "--seed", str(given.seed)])
    wrong += explorer_load.main(["explorer"])
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
