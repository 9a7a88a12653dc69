"""The work of the table's cells: sums of pixel products, fits with their codes, scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.files import write_beside
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.metrics import Draws
from betavae.metrics.higgins import higgins_score
from betavae.models import linear
from betavae.runs.representation import Representation, represent
from betavae.studies.presets import ICA_ROWS
from betavae.studies.table_set import CHOICE, Protocol, chosen_rows, protocol_on, table_set
from betavae.training import checkpoint
from betavae.training.fit import train
from betavae.training.machine import choose_device
from betavae.training.records import RECORDS, read_records

CODES = "codes.npz"
MOMENTS = "moments.npz"
WIDE_ROWS = 50_000  # images scored at most where codes are wide: 205 MB of raw pixels


def moments_work(data: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Sum pixels and their products over all images of one shape."""
    dataset = table_set(data)
    protocol = Protocol.of(data, dataset.grid)
    shapes = protocol.shape_of(np.arange(len(dataset.images)))
    rows = np.flatnonzero(shapes == options["shape"])
    if options["rows"] is not None:
        rng = np.random.default_rng(CHOICE)
        rows = np.sort(rng.choice(rows, min(options["rows"], len(rows)), replace=False))
    found = linear.moments(dataset.images, rows)
    with write_beside(folder / MOMENTS) as beside, beside.open("wb") as file:
        np.savez(file, rows=found.rows, live=found.live, total=found.total, products=found.products)
    return {"images": found.rows, "live_pixels": int(found.live.sum())}


def read_moments(study: Path, protocol: Protocol, shapes: Sequence[int]) -> linear.Moments:
    """Return the sums over the images of `shapes` together."""
    parts = []
    for shape in shapes:
        path = study / "moments" / protocol.shapes[shape] / MOMENTS
        with np.load(path, allow_pickle=False) as file:
            parts.append(
                linear.Moments(int(file["rows"]), file["live"], file["total"], file["products"])
            )
    return reduce(add, parts)


def fit_work(study: Path, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Fit one model and keep the codes of the study's rows."""
    config = Config.from_mapping({**options["config"], "threads": None})
    dataset = table_set(config.data)
    rows = chosen_rows(dataset, options["rows"])
    if config.method.name == "ica":
        return _ica_work(study, folder, config, dataset)
    if config.method.name == "pca":
        protocol = Protocol.of(config.data, dataset.grid)
        found = read_moments(study, protocol, range(len(protocol.shapes)))
        model: Any = linear.pca(found, dataset.images.image_shape, config.latents)
        header = checkpoint.Header(config, dataset.images.image_shape, found.rows, 0, 0.0)
        checkpoint.save(folder, header, model)
        result: dict[str, Any] = {"images": found.rows}
    else:
        resume = (folder / checkpoint.NAME).exists()
        model = train(config, dataset, folder, resume=resume, progress=False).model
        result = {"images": config.images}
        result["train_seconds"] = checkpoint.read_header(folder).seconds
        if config.method.name == "vae" and (records := read_records(folder / RECORDS)):
            last = records[-1]
            result |= {"distortion": last.distortion, "rate": last.rate}
            result["active_latents"] = last.active_latents
    codes = represent(model, dataset, rows=rows, device=choose_device(config.device))
    codes.save(folder / CODES)
    return {**result, "rows": len(codes.mean)}


def _ica_work(study: Path, folder: Path, config: Config, dataset: Dataset) -> dict[str, Any]:
    """Fit ICA to each pair of shapes (A.3); its many codes are made anew where they are scored."""
    protocol = Protocol.of(config.data, dataset.grid)
    shapes = protocol.shape_of(np.arange(len(dataset.images)))
    rng, converged = np.random.default_rng((CHOICE, config.seed)), []
    for pair in protocol.pairs:
        found = read_moments(study, protocol, pair)
        whitened = linear.pca(found, dataset.images.image_shape, config.latents)
        of_pair = np.flatnonzero(np.isin(shapes, pair))
        some = np.sort(rng.choice(of_pair, min(ICA_ROWS, found.rows), replace=False))
        model, done = linear.ica(dataset.images, whitened, rows=some, seed=config.seed)
        header = checkpoint.Header(config, dataset.images.image_shape, found.rows, 0, 0.0)
        checkpoint.save(folder / protocol.part_name(pair), header, model)
        converged.append(done)
    return {"images": found.rows, "fastica_converged": converged}


Coded = tuple[NDArray[Any], NDArray[np.int64], str]
"""Codes (N, M), their factors (N, K), and the unit that they are judged in."""


def kept_codes(study: Path, data: str, codes: str, rows: int | None) -> list[Coded]:
    """Return what is scored; one for each pair of shapes where ICA made the codes.

    Codes under a prior are judged in its unit, others in their largest standard deviation.

    Args:
        study: its folder.
        data: its data set.
        codes: the folder of a fit below it, or ``truth`` or ``pixels``.
        rows: how many rows the study encodes; None: all.
    """
    dataset = table_set(data)
    protocol = Protocol.of(data, dataset.grid)
    if (study / codes / CODES).exists():
        kept = Representation.load(study / codes / CODES)
        return [(kept.codes, protocol.grid.classes(kept.rows), kept.unit)]
    chosen = chosen_rows(dataset, rows if codes == "truth" else min(rows or WIDE_ROWS, WIDE_ROWS))
    chosen = np.arange(len(dataset.images)) if chosen is None else chosen
    factors = protocol.grid.classes(chosen)
    if codes == "truth":
        return [(factors.astype(np.float32), factors, "std")]
    if codes == "pixels":
        return [(pixel_bytes(dataset, chosen), factors, "std")]
    found, shapes = [], protocol.shape_of(chosen)
    for pair in protocol.pairs:
        model, _ = checkpoint.load_model(study / codes / protocol.part_name(pair))
        mine = np.isin(shapes, pair)
        found.append((represent(model, dataset, rows=chosen[mine]).codes, factors[mine], "std"))
    return found


def pixel_bytes(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return images as codes, (n, pixels) uint8."""
    parts = [
        dataset.images.batch(torch.from_numpy(part)).flatten(1).mul(255).round().byte().numpy()
        for part in np.array_split(rows, len(rows) // 4096 + 1)
    ]
    return np.concatenate(parts)


def score_work(study: Path, data: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train the classifiers of one fit; scores are averaged over ICA's pairs of shapes."""
    kept = kept_codes(study, data, options["codes"], options["rows"])
    scored = protocol_on(data).scored
    n_train, n_test = options["points"]
    scores, steps = [], []
    for classifier in range(options["seeds"]):
        found = [
            higgins_score(
                codes, factors, protocol=options["protocol"], factor_columns=scored, unit=unit,
                draws=Draws(n_train, n_test, options["n_pairs"], repeats=1),
                rng=np.random.default_rng((options["replica"], classifier)),
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
