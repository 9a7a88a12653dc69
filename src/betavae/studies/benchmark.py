"""A comparison of methods over data sets and seeds: trained, chosen, scored, put together."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.metrics.evaluation import evaluate
from betavae.metrics.mig import mig_score
from betavae.metrics.udr import udr_scores
from betavae.runs.representation import Representation, represent
from betavae.studies.benchmark_plan import PSNR, Benchmark, cell_name, shipped_methods
from betavae.studies.cells import open_study, weights_of
from betavae.studies.engines import Engine
from betavae.studies.run_cells import run_cells
from betavae.training import checkpoint
from betavae.training.build import Model
from betavae.training.fit import train, training_part
from betavae.training.machine import choose_device

STUDY_NAME = "benchmark"
CODES = "codes.npz"
PSNR_IMAGES = 2_000  # held-out images that are reconstructed


def run_benchmark(
    folder: Path, plan: Benchmark, *, engine: Engine | None = None, progress: bool = True
) -> dict[str, Any]:
    """Train every point of every grid, choose a point a method, and write benchmark.json.

    Finished trainings are not done again: the same call goes on with a benchmark that was stopped.

    Args:
        folder: the study's.
        plan: what is compared.
        engine: where cells run, and how many at a time.
        progress: show the live table on stderr.

    Returns:
        What benchmark.json holds.

    Raises:
        InputError: for data or methods that cannot be used, another study's folder, or cells
            that failed.
        StudyStopped: after Ctrl-C; the same call goes on.
    """
    cells = plan.cells()
    open_study(folder, STUDY_NAME, plan.settings)
    done = run_cells(folder, cells, benchmark_work, title="runs", engine=engine, progress=progress)
    outcome = summary(folder, plan, done)
    write_json(folder / "benchmark.json", outcome)
    return outcome


def benchmark_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train one model and score its codes of the images that it never saw."""
    config = Config.from_mapping({**options["config"], "threads": None})
    dataset = datasets.load(config.data, **config.load_options())
    resume = (folder / checkpoint.NAME).exists()
    device = choose_device(config.device)
    model = train(config, dataset, folder, resume=resume, progress=False).model
    seen, held_out = training_part(config, dataset)
    codes = represent(model, dataset, rows=held_out, device=device)
    codes.save(folder / CODES)
    scores: dict[str, float | None] = {}
    if options["metrics"]:
        found = evaluate(codes, metrics=options["metrics"], rng=0)
        for entry in found.entries.values():
            scores |= numbers_of(entry.name, entry.result)
    scores[PSNR] = psnr_of(model, dataset, held_out[:: max(1, len(held_out) // PSNR_IMAGES)])
    result: dict[str, Any] = {
        "scores": scores,
        "train_seconds": checkpoint.read_header(folder).seconds,
        "peak_megabytes": peak_megabytes(device),
    }
    if options["labels"]:
        count = min(options["labels"], len(seen.images))
        rows = np.sort(np.random.default_rng(0).choice(len(seen.images), count, replace=False))
        some = represent(model, seen, rows=rows, device=device)
        result["chosen_by"] = float(
            mig_score(some.codes, some.factors, protocol="locatello2019", rng=0)
        )
    return result


def numbers_of(name: str, result: Any) -> dict[str, float | None]:
    """Return a result's numbers: one, or the three of DCI and of InfoMEC."""
    parts = {
        "infomec": ("infom", "infoc", "infoe"),
        "dci": ("disentanglement", "completeness", "informativeness"),
    }.get(name)
    if parts is None:
        return {name: float(result)}
    prefix = "dci " if name == "dci" else ""
    return {f"{prefix}{part}": float(getattr(result, part)) for part in parts}


@torch.inference_mode()
def psnr_of(model: Model, dataset: Dataset, rows: NDArray[np.int64], *, batch: int = 512) -> float:
    """Return the peak signal-to-noise ratio of reconstructions, dB, from the mean squared error.

    ``-10 log10(mean (x - decode(code))^2)`` over all pixels of all images, values in [0, 1]; the
    code is the posterior's mean or level. Higher is better.

    Args:
        model: what encodes and decodes.
        dataset: the images.
        rows: (n,) which of them.
        batch: images at a time.
    """
    model = model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for part in torch.split(torch.from_numpy(rows), batch):
        images = dataset.images.batch(part, device)
        back = model.decode(model.code_means(images))
        total += float((images - back).double().square().sum())
        count += images.numel()
    return -10 * float(np.log10(max(total / count, 1e-12)))


def peak_megabytes(device: torch.device) -> float | None:
    """Return the largest memory that this process has held: the GPU's there, else its own.

    None where the system does not tell (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def summary(folder: Path, plan: Benchmark, done: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Choose each method's point on each data set, and put its seeds' scores together."""
    known, rows = shipped_methods(), []
    for data in plan.data:
        for method in plan.methods:
            points = plan.grid(method)
            groups = [
                [cell_name(data, method, place, seed) for seed in range(plan.seeds)]
                for place in range(len(points))
            ]
            chances = [_worth(folder, names, done, plan) for names in groups]
            best = int(np.argmax(chances))
            results = [done[name] for name in groups[best]]
            scores = {
                name: interval([result["scores"].get(name) for result in results])
                for name in results[0]["scores"]
            }
            rows.append(
                {
                    "data": data,
                    "method": method,
                    "title": known[method].title,
                    "needs": known[method].needs,
                    "chosen": points[best],
                    "worth": chances,
                    "scores": scores,
                    "each": [result["scores"] for result in results],
                    "train_seconds": float(np.mean([r["train_seconds"] for r in results])),
                    "peak_megabytes": max((r["peak_megabytes"] or 0.0) for r in results) or None,
                }
            )
    return {
        "study": STUDY_NAME,
        "settings": plan.settings,
        "weights": weights_of(folder, done),
        "rows": rows,
    }


def _worth(
    folder: Path, names: Sequence[str], done: Mapping[str, Mapping[str, Any]], plan: Benchmark
) -> float:
    """Return what a point of a grid is chosen by: MIG on labels, else the seeds' median UDR."""
    if plan.labels:
        return float(np.mean([done[name]["chosen_by"] for name in names]))
    if len(names) < 2:
        return 0.0
    codes = [Representation.load(folder / name / CODES).codes for name in names]
    return float(np.median(udr_scores(codes, rng=0).scores))


def interval(values: Sequence[float | None]) -> dict[str, float | None]:
    """Return the mean over seeds and half its 95 % interval (Student's t); None for one seed.

    Raises:
        InputError: for no values.

    >>> interval([1.0, 3.0])["mean"], interval([2.0])["half"]
    (2.0, None)
    """
    from scipy.stats import t

    known = [value for value in values if value is not None]
    if not known:
        raise InputError("an interval needs at least one value, got none")
    mean, count = float(np.mean(known)), len(known)
    if count < 2:
        return {"mean": mean, "half": None}
    half = t.ppf(0.975, count - 1) * np.std(known, ddof=1) / np.sqrt(count)
    return {"mean": mean, "half": float(half)}
