"""Attacks that are done in pieces.

    python benchmarks/torture.py kills --count 20 --seed 3
    python benchmarks/torture.py writers --count 10 --seed 3

A piece keeps its counts in runs/torture.json after every kill, so that a long attack is done in
pieces: the same line goes on where it was stopped, another seed adds to the totals, which are
printed at the end. Each kill is drawn from the seed, its kind and its number alone. What is
counted stands in docs/findings/robustness.md.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.kills import Stage, Trainings, Writers
from betavae._system.files import read_json, write_json

COUNTS = Path("runs/torture.json")
GOOD = ("kills", "trainings", "finished first", "pairs", "refused", "writers killed")


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
