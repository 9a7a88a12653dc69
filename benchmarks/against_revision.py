"""The working tree against an earlier revision: training, objectives, metrics, data, as ratios.

A change in a hot path comes with its before and after. The revision is checked out beside this
tree; the two take turns, each part in a process of its own, through calls that both have: `train`,
`evaluate`, `ImageStore.batch`, `load`. A figure is the median over rounds of the seconds of this
tree over those of the revision in the same round: 1 is equal, below 1 is faster.

A part that the revision's version cannot run is left out of the table; a metric whose score
differs between the two is marked, since it may compute something else now.

Run: python benchmarks/against_revision.py REVISION [--rounds N] [--parts train,metrics]
    [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from betavae._system.files import write_json

ROOT = Path(__file__).resolve().parent.parent
WORSE = 1.03  # bar: nothing more than three per cent slower

TRAIN = """
def run(options, images=2048):
    config = Config.from_mapping({"device": "cpu", "images": images, **options})
    last = train(config, dataset, progress=False).records[-1]
    return last.seconds / last.images * images

import json, warnings
from benchmarks.peers import shapes
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
try:
    from betavae.training.fit import train
except ImportError:
    from betavae.training.loop import train
from betavae.training.machine import keep_heap

warnings.simplefilter("ignore")
keep_heap()
dataset = Dataset("shapes2d sample", ImageStore.from_binary(shapes(2048)))
jobs = {}
for network in ("burgess", "fc", "patch"):
    for batch in (64, 256):
        jobs[f"{network}, batch {batch}"] = {"network": network, "batch": batch, "beta": 4.0}
for name in ("tcvae", "factor", "capacity", "constrained", "dip", "infovae"):
    jobs[f"{name}, patch, batch 64"] = {"network": "patch", "batch": 64, "objective": name}
found = {}
for name, options in jobs.items():
    times = 3 if "patch" in name else 1  # its steps are short
    run(options, 256)
    found[name] = [min(run(options) for _ in range(times)), None]
print(json.dumps(found))
"""

METRICS = """
import json, warnings
from benchmarks.metrics import made_up_codes
from betavae.metrics import Codes, evaluate

warnings.simplefilter("ignore")
mean, log_var, factors = (array[::8] for array in made_up_codes())
left_out = ("dci:locatello2019", "dci_es:eastwood2023", "downstream")
found = {}
for name in NAMES:
    if name.startswith(left_out):
        continue
    results = evaluate(Codes(mean, factors, log_var), metrics=[name])
    for key, entry in results.entries.items():
        found[key] = [entry.seconds, float(entry.score)]
print(json.dumps(found))
"""

DATA = """
import json, os, tempfile, time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

folder = Path(tempfile.mkdtemp(dir=os.environ["SCRATCH"]))
os.environ["BETAVAE_CACHE"] = str(folder / "cache")
from betavae.data import load
from betavae.data.images import ImageStore
from betavae.training.machine import keep_heap

keep_heap()  # as training does; without it the same call takes one or five times as long


def seconds(call, times):
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


rng = np.random.default_rng(0)
torch.set_num_threads(1)  # work this small is at the mercy of a second thread
draws = [torch.from_numpy(rng.integers(0, 12_000, 64)) for _ in range(200)]
grey = ImageStore.from_uint8(rng.integers(0, 255, (12_000, 1, 64, 64), dtype=np.uint8))
colour = ImageStore.from_uint8(rng.integers(0, 255, (12_000, 3, 64, 64), dtype=np.uint8))
binary = ImageStore.from_binary(rng.integers(0, 2, (12_000, 1, 64, 64), dtype=np.uint8))
found = {}
for name, store in (("binary", binary), ("grey", grey), ("colour", colour)):
    found[f"200 batches of 64, {name}"] = [
        seconds(lambda store=store: [store.batch(rows) for rows in draws], 20), None
    ]
found["shapes2d rendered and kept"] = [seconds(lambda: load("shapes2d"), 1), None]
found["shapes2d from the cache"] = [seconds(lambda: load("shapes2d"), 3), None]
(folder / "pictures").mkdir()
for k in range(1000):
    noise = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((128, 128)).save(folder / "pictures" / f"{k}.png")
found["a folder of 1,000 PNG files at 64 px"] = [
    seconds(lambda: load(str(folder / "pictures"), size=64), 1), None
]
print(json.dumps(found))
"""

PARTS = {"train": TRAIN, "metrics": METRICS, "data": DATA}


def measured(tree: Path, code: str, scratch: Path) -> dict[str, list[Any]]:
    """Run a part in a tree; return its seconds and scores by name."""
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}:{ROOT}", "SCRATCH": str(scratch)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, cwd=scratch, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{tree}: {done.stderr[-2000:]}")
    found: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def metric_names(tree: Path) -> list[str]:
    """List the metrics with their protocols that a tree has."""
    code = "from betavae.metrics.catalogue import METRICS; print(*[f'{n}:{p}' "
    code += "for n, m in METRICS.items() for p in m.protocols])"
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


def main(
    revision: str, *, rounds: int = 3, parts: tuple[str, ...] = tuple(PARTS)
) -> dict[str, Any]:
    """Alternate the two trees; print a table of ratios and one line with the worst."""
    figures: dict[str, Any] = {"revision": revision, "rounds": rounds, "ratios": {}}
    with tempfile.TemporaryDirectory() as name:
        scratch, before = Path(name), Path(name) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(before), revision], check=True)
        try:
            both = [name for name in metric_names(before) if name in metric_names(ROOT)]
            for part in parts:
                code = PARTS[part].replace("NAMES", repr(both))
                measured(ROOT, code, scratch)  # warm up: page cache, compiled bytecode
                taken = [
                    (measured(before, code, scratch), measured(ROOT, code, scratch))
                    for _ in range(rounds)
                ]
                old, new = taken[-1]
                for job in (job for job in new if job in old):
                    ratios = [after[job][0] / earlier[job][0] for earlier, after in taken]
                    ratio = statistics.median(ratios)
                    differs = new[job][1] is not None and abs(new[job][1] - old[job][1]) > 1e-3
                    figures["ratios"][f"{part}: {job}"] = {
                        "ratio": round(ratio, 3),
                        "rounds": [round(each, 3) for each in ratios],
                        "before_seconds": round(old[job][0], 4),
                        "measures_something_else": differs,
                    }
                    mark = "  (another score than before)" if differs else ""
                    print(f"{ratio:6.2f}  {part}: {job}{mark}", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)
    same = {k: v for k, v in figures["ratios"].items() if not v["measures_something_else"]}
    worst = max(same, key=lambda key: same[key]["ratio"])
    slower = sum(row["ratio"] > WORSE for row in same.values())
    print(
        f"against {revision}: {slower} of {len(same)} above {WORSE}x, "
        f"the slowest {same[worst]['ratio']:.2f}x ({worst})"
    )
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="This tree against an earlier revision.")
    parser.add_argument("revision")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", type=lambda text: tuple(text.split(",")), default=tuple(PARTS))
    parser.add_argument("--out", type=Path, default=None)
    given = vars(parser.parse_args())
    out = given.pop("out")
    found = main(**given)
    if out is not None:
        write_json(out, found)
