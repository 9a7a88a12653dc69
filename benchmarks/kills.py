"""Kills of trainings and of other commands at random moments, and writers that meet."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.attacked import Commands, count, digests, leftovers, orphans, squares, stale
from betavae.training import checkpoint
from betavae.training.records import read_records

OPTIONS = ("--latents", "3", "--batch", "16", "--threads", "1", "--network", "patch")
LEARNERS = (
    ("--objective", "beta"),
    ("--objective", "factor"),
    ("--objective", "beta", "--optimiser", "muon"),
)


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
            count(counts, "stale results", found, f"{told}, then")
            if line[0] == "train" and not (there / "a" / checkpoint.NAME).exists():
                line = [word for word in line if word != "--resume"]
        if killed:
            code = self.commands.run(_again(line, there), cache=cache)
            count(counts, "failed", [] if code == 0 else [f"exit {code}"], told)
        count(counts, "stale results", stale(there), told)
        count(counts, "leftovers", leftovers(there), told)
        ended = digests(there)
        differing = [k for k in wanted.keys() | ended.keys() if wanted.get(k) != ended.get(k)]
        count(counts, "differing weights", differing, told)


def _again(line: list[str], there: Path) -> list[str]:
    """Return the line that goes on after a kill: a training that has saved something resumes."""
    out = Path(line[line.index("--out") + 1]) if "--out" in line else None
    plain = line[0] == "train" and not {"--overwrite", "--resume"} & set(line)
    saved = out is not None and (out / checkpoint.NAME).exists()
    return [*line, "--resume"] if plain and saved else line


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
        count(counts, "failed", [] if code == 0 else [f"exit {code}"], told)
        differing = [] if checkpoint.digest_of_run(out) == wanted else ["the weights"]
        count(counts, "differing weights", differing, told)
        count(counts, "differing records", [] if _seen(out) == seen else ["metrics.jsonl"], told)
        count(counts, "leftovers", leftovers(out), told)


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
        count(counts, "not refused", [] if codes == [0, 2] else [f"exits {codes}"], name)
        if codes == [0, 2]:
            counts["refused"] += 1
            refusal = next(text for code, text in said if code == 2).strip()
            bad = [refusal] if "\n" in refusal or "in use by" not in refusal else []
            count(counts, "unclear refusals", bad, name)
        count(counts, "leftovers", leftovers(there), name)
        count(counts, "stale results", stale(there), name)

    def _restarts_rerun(self, rng: random.Random, counts: Counter[str]) -> None:
        """Kill seeds that train side by side, workers and all left to themselves, and rerun."""
        job = _named("restarts")
        seconds, wanted = self.stage.peace(job)
        there = self.stage.fresh("at-work")
        line = [*job.line(there, self.stage.data)[:-1], "2"]  # jobs
        killed = self.stage.commands.run(line, (0.3 + 2.0 * rng.random()) * seconds) is None
        code = self.stage.commands.run(line) if killed else 0
        counts["writers killed"] += 1
        count(counts, "failed", [] if code == 0 else [f"exit {code}"], "restarts, killed")
        found = digests(there)
        differing = [k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k)]
        count(counts, "differing weights", differing, "restarts, killed")
        count(counts, "leftovers", leftovers(there), "restarts, killed")


def _long(name: str, *more: str) -> Job:
    return Job("train", (*TRAIN[:-1], f"FOLDER/{name}", "--images", "3200", *more))


def _named(name: str) -> Job:
    return next(job for job in JOBS if job.name == name)
