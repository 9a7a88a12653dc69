"""The work of the table's cells: sums of pixel products, fits with their codes, scores."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from betavae import data as datasets
from betavae._system.files import write_beside
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.metrics._shared.factors import SHAPES_2D
from betavae.metrics.higgins import higgins_score
from betavae.models import linear
from betavae.runs.representation import Representation, represent
from betavae.studies.presets import ICA_ROWS
from betavae.training import checkpoint
from betavae.training.machine import choose_device
from betavae.training.methods import fit
from betavae.training.records import RECORDS, read_records
from betavae.training.replicas import train_replicas

SHAPES = ("square", "ellipse", "heart")
CODES = "codes.npz"
MOMENTS = "moments.npz"
WIDE_ROWS = 50_000  # images scored at most where codes are wide: 205 MB of raw pixels
CHOICE = 7  # seed of the choice of rows, one for every cell, so that codes compare


@lru_cache(maxsize=1)
def shapes2d() -> Dataset:
    """Return the 2D shapes, read once a process."""
    return datasets.load("shapes2d")


def chosen_rows(dataset: Dataset, rows: int | None) -> NDArray[np.int64] | None:
    """Return the rows that every cell of a study encodes; None for all."""
    if rows is None or rows >= len(dataset.images):
        return None
    rng = np.random.default_rng(CHOICE)
    return np.sort(rng.choice(len(dataset.images), rows, replace=False))


def moments_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Sum pixels and their products over all images of one shape."""
    dataset = shapes2d()
    third = len(dataset.images) // len(SHAPES)
    rows = np.arange(third) + options["shape"] * third
    if options["rows"] is not None:
        rows = np.sort(np.random.default_rng(CHOICE).choice(rows, options["rows"], replace=False))
    found = linear.moments(dataset.images, rows)
    with write_beside(folder / MOMENTS) as beside, beside.open("wb") as file:
        np.savez(file, rows=found.rows, live=found.live, total=found.total, products=found.products)
    return {"images": found.rows, "live_pixels": int(found.live.sum())}


def read_moments(study: Path, shapes: tuple[int, ...]) -> linear.Moments:
    """Return the sums over the images of `shapes` together."""
    parts = []
    for shape in shapes:
        with np.load(study / "moments" / SHAPES[shape] / MOMENTS, allow_pickle=False) as file:
            parts.append(
                linear.Moments(int(file["rows"]), file["live"], file["total"], file["products"])
            )
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def together_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train replicas of one method as a batch of models, each into its own cell's folder."""
    study = folder.parents[2]
    configs = [Config.from_mapping(config) for config in options["configs"]]
    outs = [study / name for name in options["folders"]]
    resume = all((out / checkpoint.NAME).exists() for out in outs)
    train_replicas(configs, shapes2d(), outs, resume=resume)
    return {"replicas": len(outs), "images": configs[0].images}


def fit_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Fit one model and keep the codes of the study's rows."""
    config = Config.from_mapping({**options["config"], "threads": None})
    dataset, study = shapes2d(), folder.parents[2]
    rows = chosen_rows(dataset, options["rows"])
    if config.method == "ica":
        return _ica_work(folder, study, config, dataset)
    if config.method == "pca":
        found = read_moments(study, (0, 1, 2))
        model: Any = linear.pca(found, dataset.images.image_shape, config.latents)
        header = checkpoint.Header(config, dataset.images.image_shape, found.rows, 0, 0.0)
        checkpoint.save(folder, header, model)
        result: dict[str, Any] = {"images": found.rows}
    else:
        resume = (folder / checkpoint.NAME).exists()
        model = fit(config, dataset, folder, resume=resume, progress=False)
        result = {"images": config.images}
        result["train_seconds"] = checkpoint.read_header(folder).seconds
        if config.method == "vae" and (records := read_records(folder / RECORDS)):
            last = records[-1]
            result |= {"distortion": last.distortion, "rate": last.rate}
            result["active_latents"] = last.active_latents
    codes = represent(model, dataset, rows=rows, device=choose_device(config.device))
    codes.save(folder / CODES)
    return {**result, "rows": len(codes.mean)}


def _ica_work(folder: Path, study: Path, config: Config, dataset: Dataset) -> dict[str, Any]:
    """Fit ICA to each pair of shapes (A.3); its many codes are made anew where they are scored."""
    shapes = shape_of(dataset, np.arange(len(dataset.images)))
    rng, converged = np.random.default_rng((CHOICE, config.seed)), []
    for pair in combinations(range(len(SHAPES)), 2):
        found = read_moments(study, pair)
        whitened = linear.pca(found, dataset.images.image_shape, config.latents)
        of_pair = np.flatnonzero(np.isin(shapes, pair))
        some = np.sort(rng.choice(of_pair, min(ICA_ROWS, found.rows), replace=False))
        model, done = linear.ica(dataset.images, whitened, rows=some, seed=config.seed)
        header = checkpoint.Header(config, dataset.images.image_shape, found.rows, 0, 0.0)
        checkpoint.save(folder / pair_name(pair), header, model)
        converged.append(done)
    return {"images": found.rows, "fastica_converged": converged}


def shape_of(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the shape (n,) that rows of the 2D shapes show: the slowest factor."""
    return rows // (len(dataset.images) // len(SHAPES))


def pair_name(pair: tuple[int, int]) -> str:
    """Return the folder of a pair of shapes.

    >>> pair_name((0, 2))
    'square-heart'
    """
    return "-".join(SHAPES[shape] for shape in pair)


def kept_codes(
    study: Path, codes: str, rows: int | None
) -> list[tuple[NDArray[Any], NDArray[np.int64], str]]:
    """Return what is scored: codes (N, M), factors (N, 5) and the unit; three of them for ICA.

    Codes under a prior are judged in its unit, others in their largest standard deviation.

    Args:
        study: its folder.
        codes: the folder of a fit below it, or ``truth`` or ``pixels``.
        rows: how many rows the study encodes; None: all.
    """
    dataset = shapes2d()
    if codes in ("truth", "pixels"):
        most = rows if codes == "truth" else min(rows or WIDE_ROWS, WIDE_ROWS)
        chosen = chosen_rows(dataset, most)
        chosen = np.arange(len(dataset.images)) if chosen is None else chosen
        factors = dataset.factors(chosen)
        assert factors is not None
        if codes == "truth":
            return [(factors.astype(np.float32), factors, "std")]
        return [(pixel_bytes(dataset, chosen), factors, "std")]
    if (study / codes / CODES).exists():
        kept = Representation.load(study / codes / CODES)
        factors = kept.factors if kept.factors is not None else dataset.factors(kept.rows)
        assert factors is not None
        return [(kept.mean, factors, "std" if kept.log_var is None else "prior")]
    found = []
    chosen = chosen_rows(dataset, min(rows or WIDE_ROWS, WIDE_ROWS))
    chosen = np.arange(len(dataset.images)) if chosen is None else chosen
    for pair in combinations(range(len(SHAPES)), 2):
        model, _ = checkpoint.load_model(study / codes / pair_name(pair))
        mine = represent(model, dataset, rows=chosen[np.isin(shape_of(dataset, chosen), pair)])
        assert mine.factors is not None
        found.append((mine.mean, mine.factors, "std"))
    return found


def pixel_bytes(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return images as codes, (n, pixels) uint8."""
    parts = [
        dataset.images.batch(torch.from_numpy(part)).flatten(1).mul(255).round().byte().numpy()
        for part in np.array_split(rows, len(rows) // 4096 + 1)
    ]
    return np.concatenate(parts)


def score_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train the classifiers of one fit; scores are averaged over ICA's pairs of shapes."""
    study = folder.parents[2]
    kept = kept_codes(study, options["codes"], options["rows"])
    n_train, n_test = options["points"]
    scores, steps = [], []
    for classifier in range(options["seeds"]):
        found = [
            higgins_score(
                codes, factors, factor_names=SHAPES_2D, unit=unit,
                n_pairs=options["n_pairs"], n_train=n_train, n_test=n_test,
                seeds=1, rng=np.random.default_rng((options["replica"], classifier)),
            )
            for codes, factors, unit in kept
        ]  # fmt: skip
        scores.append(float(np.mean([result.score for result in found])))
        steps.append([result.steps[0] for result in found])
    return {
        "scores": scores,
        "steps": steps,
        "rows": int(np.mean([len(codes) for codes, _, _ in kept])),
    }
