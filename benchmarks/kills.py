"""Kill commands at random moments and run them again; let two of them meet in one folder.

    python benchmarks/torture.py kills --count 20 --seed 3
    python benchmarks/torture.py writers --count 10 --seed 3

A piece keeps its counts in runs/torture.json after every kill, so that a long attack is done in
pieces: the same line goes on where it was stopped, another seed adds to the totals, which are
printed at the end. Each kill is drawn from the seed, its kind and its number alone. What is
counted stands in docs/findings/robustness.md.

Commands run in processes that a server forks after it has imported everything, so that a kill
falls into the work and not into two seconds of imports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae._system.files import read_json, write_json
from betavae.runs.made import STAMPED, made_of
from betavae.runs.scores import kept_scores, read_scores
from betavae.studies import demo
from betavae.training import checkpoint
from betavae.training.records import read_records
from betavae.training.run_folder import MADE

COUNTS = Path("runs/torture.json")
GOOD = ("kills", "trainings", "finished first", "pairs", "refused", "writers killed")
OPTIONS = ("--latents", "3", "--batch", "16", "--threads", "1", "--network", "patch")
LEARNERS = (
    ("--objective", "beta"),
    ("--objective", "factor"),
    ("--objective", "beta", "--optimiser", "muon"),
)
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


@dataclass(frozen=True)
class Job:
    """A command that is killed and run again, in a folder of its own.

    Attributes:
        name: what it is called.
        words: the command, FOLDER standing for the folder, DATA for the data set.
        share: how often it is drawn.
        cache: whether it has a cache of its own.
    """

    name: str
    words: tuple[str, ...]
    share: int = 4
    cache: bool = False

    def line(self, folder: Path, data: Path) -> list[str]:
        """Return the command in a folder."""
        return [w.replace("FOLDER", str(folder)).replace("DATA", str(data)) for w in self.words]


TRAIN = ("train", "DATA", *LEARNERS[0], *OPTIONS, "--out", "FOLDER/a")
JOBS = (
    Job("score", ("score", "FOLDER/a", "--metrics", "mig,irs,dci:fast")),
    Job("report", ("report", "FOLDER/a")),
    Job("report of two", ("report", "FOLDER/a", "FOLDER/b"), 2),
    Job("traverse", ("traverse", "FOLDER/a")),
    Job("encode", ("encode", "FOLDER/a")),
    Job("encode a table", ("encode", "FOLDER/a", "--out", "FOLDER/a/codes.csv"), 2),
    Job("figure", ("figure", "rates", "FOLDER/a", "-o", "FOLDER/a/rates.png"), 2),
    Job("export", ("export", "FOLDER/a"), 3),
    Job("export a page", ("explore", "FOLDER/a", "--export", "FOLDER/a/page.html"), 2),
    Job("choose", ("choose", "FOLDER/a", "FOLDER/b", "--out", "FOLDER/choose")),
    Job("data", ("data", "prepare", "FOLDER/pictures", "--size", "32"), 4, cache=True),
    Job("go on", (*TRAIN, "--images", "640", "--resume")),
    Job("overwrite", (*TRAIN, "--images", "320", "--seed", "9", "--overwrite")),
    Job("train and report", (*TRAIN[:-1], "FOLDER/c", "--images", "320", "--report"), 2),
    Job("restarts", (
        *TRAIN[:-1], "FOLDER/best", "--images", "320", "--restarts", "2", "--jobs", "1"
    )),
    Job("study", (
        "study", "rate-distortion", "--data", "DATA", "--betas", "1", "--betas", "4", "--images",
        "160", "--out", "FOLDER/rd",
    )),
    Job("dual", (
        "study", "dual", "--data", "DATA", "--epsilons", "3", "2", "1", "--images", "64", "--out",
        "FOLDER/dual",
    ), 2),
    Job("benchmark", (
        "benchmark", "--data", "DATA", "--methods", "beta", "--quick", "--held-out", "24",
        "--metrics", "mig,psnr", "--jobs", "1", "--out", "FOLDER/benchmark",
    )),
    Job("demo", ("demo", "--quick", "--out", "FOLDER/demo"), 1),
)  # fmt: skip


class Stage:
    """What kills in other commands need: a folder to copy, and how each command ends in peace.

    Args:
        folder: where everything happens.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, squares(folder)
        self.commands = Commands(folder)
        self.base = folder / "base"
        self._peace: dict[str, tuple[float, dict[str, str]]] = {}
        for name, seed in (("a", 0), ("b", 1)):
            line = ("train", self.data, *LEARNERS[0], *OPTIONS, "--images", 320, "--seed", seed)
            self.must(*line, "--out", self.base / name)
        run = self.base / "a"
        for words in (("score", run, "--metrics", "mig"), ("report", run), ("traverse", run)):
            self.must(*words)
        self.must("encode", run)
        _pictures(self.base / "pictures")

    def must(self, *words: object, cache: str = "") -> None:
        """Run a command that is expected to end well."""
        code = self.commands.run(words, cache=cache)
        if code != 0:
            line = " ".join(map(str, words))
            raise RuntimeError(f"{line}: exit {code}, undisturbed: {self.commands.said[-300:]}")

    def fresh(self, name: str) -> Path:
        """Return a copy of the folder to copy, at the same path every time: it is in figures."""
        there = self.folder / name
        shutil.rmtree(there, ignore_errors=True)
        return Path(shutil.copytree(self.base, there))

    def peace(self, job: Job) -> tuple[float, dict[str, str]]:
        """Return how long a command takes, and the weights that it ends with."""
        if job.name not in self._peace:
            there = self.fresh("at-work")
            began = time.monotonic()
            self.must(*job.line(there, self.data), cache=self.cache_of(job, there))
            self._peace[job.name] = time.monotonic() - began, digests(there)
        return self._peace[job.name]

    def cache_of(self, job: Job, there: Path) -> str:
        """Return the cache of a command, empty for the user's own."""
        return str(there / "cache") if job.cache else ""

    def kill(self, rng: random.Random, counts: Counter[str]) -> None:
        """Kill one command at a random moment, look, run it again, and look again."""
        job = rng.choices(JOBS, [job.share for job in JOBS])[0]
        seconds, wanted = self.peace(job)
        there = self.fresh("at-work")
        line, cache = job.line(there, self.data), self.cache_of(job, there)
        moment = rng.random() * seconds
        killed = self.commands.run(line, moment, cache) is None
        counts["kills" if killed else "finished first"] += 1
        told = f"{job.name} killed after {moment:.3f} of {seconds:.3f} s"
        if killed:
            found = stale(there) + orphans(there / "a")
            _count(counts, "stale results", found, f"{told}, then")
            if line[0] == "train" and not (there / "a" / checkpoint.NAME).exists():
                line = [word for word in line if word != "--resume"]
        if killed:
            code = self.commands.run(_again(line, there), cache=cache)
            _count(counts, "failed", [] if code == 0 else [f"exit {code}"], told)
        _count(counts, "stale results", stale(there), told)
        _count(counts, "leftovers", leftovers(there), told)
        found = digests(there)
        differing = [k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k)]
        _count(counts, "differing weights", differing, told)


def _again(line: list[str], there: Path) -> list[str]:
    """Return the line that goes on after a kill: a training that has saved something resumes."""
    out = Path(line[line.index("--out") + 1]) if "--out" in line else None
    plain = line[0] == "train" and not {"--overwrite", "--resume"} & set(line)
    saved = out is not None and (out / checkpoint.NAME).exists()
    return [*line, "--resume"] if plain and saved else line


def _count(counts: Counter[str], what: str, found: Sequence[str], told: str) -> None:
    counts[what] += len(found)
    if found:
        print(f"{told}: {what}: {', '.join(found)}", flush=True)


def _pictures(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(200):
        pixels = rng.integers(0, 255, (64, 64), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")


class Trainings:
    """Kills in trainings, which then go on to the weights of one that was left in peace.

    Args:
        folder: where everything happens.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, squares(folder)
        self.commands = Commands(folder)
        self._peace: dict[tuple[str, ...], tuple[float, str, list[int]]] = {}

    def line(self, learner: tuple[str, ...], out: Path) -> list[object]:
        """Return a training's command."""
        length = ("--images", 1600, "--checkpoint-every", 160)
        return ["train", self.data, *learner, *OPTIONS, *length, "--out", out]

    def peace(self, learner: tuple[str, ...]) -> tuple[float, str, list[int]]:
        """Return how long a training takes, its weights, and the images of its records."""
        if learner not in self._peace:
            out = self.folder / "whole"
            shutil.rmtree(out, ignore_errors=True)
            began = time.monotonic()
            if self.commands.run(self.line(learner, out)) != 0:
                raise RuntimeError("the undisturbed training failed")
            seconds = time.monotonic() - began
            self._peace[learner] = seconds, checkpoint.digest_of_run(out), _seen(out)
        return self._peace[learner]

    def kill(self, rng: random.Random, counts: Counter[str]) -> None:
        """Kill a training up to eight times, let it end, and compare."""
        learner = rng.choice(LEARNERS)
        seconds, wanted, seen = self.peace(learner)
        out = self.folder / "killed"
        shutil.rmtree(out, ignore_errors=True)
        times = rng.randint(1, 8)
        for left in range(times, -1, -1):
            resume = ["--resume"] if (out / checkpoint.NAME).exists() else []
            moment = 0.6 * rng.random() * seconds if left else None
            code = self.commands.run([*self.line(learner, out), *resume], moment)
            counts["kills"] += code is None
            if code is not None:
                break
        counts["trainings"] += 1
        told = " ".join(learner)
        _count(counts, "failed", [] if code == 0 else [f"exit {code}"], told)
        differing = [] if checkpoint.digest_of_run(out) == wanted else ["the weights"]
        _count(counts, "differing weights", differing, told)
        _count(counts, "differing records", [] if _seen(out) == seen else ["metrics.jsonl"], told)
        _count(counts, "leftovers", leftovers(out), told)


def _seen(out: Path) -> list[int]:
    return [record.images for record in read_records(out / "metrics.jsonl")]


class Writers:
    """Two commands that write into one folder at once: one is refused in a line, one is whole.

    Args:
        folder: where everything happens.
    """

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder)
        self.pairs: dict[str, tuple[Job, Job]] = {
            "train/train": (_long("c"), _long("c")),
            "train/score": (_long("a", "--resume"), JOBS[0]),
            "train/report": (_long("a", "--resume"), JOBS[1]),
            "score/score": (JOBS[0], JOBS[0]),
            "study/study": (_named("study"), _named("study")),
            "benchmark/benchmark": (_named("benchmark"), _named("benchmark")),
            "restarts/restarts": (_named("restarts"), _named("restarts")),
        }

    def kill(self, rng: random.Random, counts: Counter[str]) -> None:
        """Let one pair meet; every fourth time, kill restarts and run them again at once."""
        if rng.random() < 0.25:
            self._restarts_rerun(rng, counts)
        else:
            self.meet(rng, counts)

    def meet(self, rng: random.Random, counts: Counter[str]) -> None:
        """Start both commands of a pair at once; one is refused."""
        name = rng.choice(list(self.pairs))
        there = self.stage.fresh("at-work")
        lines = [job.line(there, self.stage.data) for job in self.pairs[name]]
        rng.shuffle(lines)
        started = [self.stage.commands.start(line) for line in lines]
        said = []
        for line, (process, place) in zip(lines, started, strict=True):
            process.join()
            said.append((process.exitcode, self.stage.commands.look(line, process.exitcode, place)))
        counts["pairs"] += 1
        codes = sorted(code for code, _ in said)
        _count(counts, "not refused", [] if codes == [0, 2] else [f"exits {codes}"], name)
        if codes == [0, 2]:
            counts["refused"] += 1
            refusal = next(text for code, text in said if code == 2).strip()
            bad = [refusal] if "\n" in refusal or "in use by" not in refusal else []
            _count(counts, "unclear refusals", bad, name)
        _count(counts, "leftovers", leftovers(there), name)
        _count(counts, "stale results", stale(there), name)

    def _restarts_rerun(self, rng: random.Random, counts: Counter[str]) -> None:
        """Kill seeds that train side by side, workers and all left to themselves, and rerun."""
        job = _named("restarts")
        seconds, wanted = self.stage.peace(job)
        there = self.stage.fresh("at-work")
        line = [*job.line(there, self.stage.data)[:-1], "2"]  # jobs
        killed = self.stage.commands.run(line, (0.3 + 2.0 * rng.random()) * seconds) is None
        code = self.stage.commands.run(line) if killed else 0
        counts["writers killed"] += 1
        _count(counts, "failed", [] if code == 0 else [f"exit {code}"], "restarts, killed")
        found = digests(there)
        differing = [k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k)]
        _count(counts, "differing weights", differing, "restarts, killed")
        _count(counts, "leftovers", leftovers(there), "restarts, killed")


def _long(name: str, *more: str) -> Job:
    return Job("train", (*TRAIN[:-1], f"FOLDER/{name}", "--images", "3200", *more))


def _named(name: str) -> Job:
    return next(job for job in JOBS if job.name == name)


def attack(
    kind: str,
    make: Callable[[Path], Stage | Trainings | Writers],
    goal: str,
    *,
    count: int,
    seed: int,
    until: float,
    place: Path = COUNTS,
) -> Counter[str]:
    """Attack until so many of `goal` are counted, keeping the counts; return this seed's.

    Args:
        kind: what the counts are kept under.
        make: returns what attacks.
        goal: the count that must reach `count`.
        count: how many.
        seed: of everything.
        until: the moment, by the clock of `time.monotonic`, after which no attack is begun.
        place: where counts are kept.
    """
    kept = read_json(place) if place.exists() else {}
    counts = Counter(kept.get(kind, {}).get(str(seed), {}))
    with tempfile.TemporaryDirectory(prefix="betavae-torture-") as name:
        if counts[goal] < count:
            attacker = make(Path(name).resolve())
        while counts[goal] < count and time.monotonic() < until:
            attacker.kill(random.Random(f"{kind} {seed} {sum(counts.values())}"), counts)
            kept = read_json(place) if place.exists() else {}
            kept.setdefault(kind, {})[str(seed)] = dict(counts)
            write_json(place, kept)
    return counts


KINDS: dict[str, tuple[tuple[str, Callable[[Path], Stage | Trainings | Writers], str], ...]] = {
    "kills": (
        ("kills in training", Trainings, "kills"),
        ("kills in other commands", Stage, "kills"),
    ),
    "writers": (("two writers", Writers, "pairs"),),
}


def main(words: Sequence[str]) -> int:
    """Do a piece of an attack; print its counts and the totals; return 1 where anything broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*KINDS])
    parser.add_argument("--count", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="the kinds whose names hold this word")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no attack after these")
    parser.add_argument("--counts", type=Path, default=COUNTS, help="where counts are kept")
    given = parser.parse_args(words)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    until = time.monotonic() + given.seconds
    wrong = 0
    for kind, make, goal in KINDS[given.what]:
        if given.only not in kind:
            continue
        counts = attack(
            kind, make, goal, count=given.count, seed=given.seed, until=until, place=given.counts
        )
        print(f"{kind}, seed {given.seed}: {words_of(counts)}", flush=True)
        wrong += bad_in(counts)
        total: Counter[str] = Counter()
        for one in _kept(given.counts, kind).values():
            total.update(one)
        print(f"{kind}, all {len(_kept(given.counts, kind))} seeds: {words_of(total)}", flush=True)
    return 1 if wrong else 0


def _kept(place: Path, kind: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(place.read_text(encoding="utf-8"))[kind]
    return found


def bad_in(counts: Counter[str]) -> int:
    """Return how much gave way."""
    return sum(number for what, number in counts.items() if what not in GOOD)


def words_of(counts: Counter[str]) -> str:
    """Return counts in words."""
    return ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "nothing"
