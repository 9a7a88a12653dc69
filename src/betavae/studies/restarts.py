"""Several seeds of one training, of which the one with the best loss is kept; no labels needed."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae._system.files import part_of, write_beside, write_json
from betavae._system.launch import launched
from betavae._system.locks import only_one
from betavae._system.notes import note_once
from betavae.config import Config
from betavae.config.suited import suited
from betavae.data import kept_images
from betavae.data.dataset import Dataset
from betavae.runs.made import current_weights
from betavae.runs.opened import last_beta, open_run, sample_rows
from betavae.studies.cells import STUDY, Cell, open_study, weights_of
from betavae.studies.engines import Engine
from betavae.studies.run_cells import run_cells
from betavae.studies.trained import trained
from betavae.training import checkpoint, config_file
from betavae.training.build import Own
from betavae.training.fit import Run, train
from betavae.training.measuring import measure
from betavae.training.records import RECORDS, warn
from betavae.training.run_folder import clear_run
from betavae.training.session import Diverged

STUDY_NAME = "restarts"
FOLDER = "restarts"  # of the seeds' runs, in the run folder
RESULT = "restarts.json"
SAMPLE = 10_000  # images of the comparison, the same for all seeds, as is the noise


def seeds_of(config: Config, count: int) -> list[Config]:
    """Return the configuration with its seed and the following ones.

    Raises:
        InputError: for fewer than one, or a training whose losses do not compare.

    >>> [config.seed for config in seeds_of(Config(beta=4, seed=3), 2)]
    [3, 4]
    """
    if count < 1:
        raise InputError(f"restarts must be >= 1, got {count}")
    name = config.objective.name if config.method.name == "vae" else config.method.name
    if count > 1 and name != "beta":
        raise InputError(
            f"seeds are compared by their loss, which only objective beta lets compare; got {name}"
            f"{'; give a beta' if name == 'settle' else ''}"
        )
    return [config.replaced(seed=config.seed + place) for place in range(count)]


def train_restarts(
    config: Config,
    out: Path,
    count: int,
    *,
    jobs: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train seeds side by side, and make the one with the lowest loss the run of the folder.

    The loss, distortion + beta x rate with the last beta, is measured on the same images and
    noise for all. The seeds' own runs stay in ``restarts/``; the same call goes on with what is
    missing there.

    Args:
        config: what is trained; its seed is the first.
        out: run folder; gets ``restarts.json`` too.
        count: how many seeds.
        jobs: seeds at a time; a device or a core each if None.
        overwrite: where the folder holds a finished run, begin anew; seeds that are under way
            go on all the same.
        progress: show the live table on stderr.

    Returns:
        A dictionary a seed, the best first: seed, objective, distortion, rate (nats per image),
        active_latents; of a seed that diverged, seed and an objective of None, last.

    Raises:
        InputError: for options that do not fit, another training's folder, or seeds that failed.
        Diverged: when all seeds did.
        StudyStopped: after Ctrl-C; the same call goes on.
    """
    if launched().count > 1:
        raise InputError(
            f"restarts train side by side by themselves, torchrun started {launched().count} "
            "processes: start them without torchrun"
        )
    if count < 1 or not config.follows_images:
        seeds_of(config, count)  # says what is wrong before anything is read
    engine = Engine(jobs=jobs)
    dataset = datasets.load(config.data, **config.load_options())  # the seeds then find it prepared
    config, said = suited(config, dataset)
    note_once(said)
    configs = seeds_of(config, count)
    with only_one(out):
        if overwrite and (out / checkpoint.NAME).exists() and not under_way(out):
            forget_seeds(out)  # the run itself stays until a better one is there
        folder = out / FOLDER
        settings = config.model_dump(mode="json", exclude={"seed"})
        open_study(folder, STUDY_NAME, settings)
        cells = [Cell(f"seed/{c.seed}", {"config": c.model_dump(mode="json")}) for c in configs]
        done = run_cells(folder, cells, seed_work, title="seeds", engine=engine, progress=progress)
        ranked = sorted(
            ({k: v for k, v in done[cell.name].items() if k != "cell_seconds"} for cell in cells),
            key=lambda row: math.inf if row["objective"] is None else row["objective"],
        )
        if ranked[0]["objective"] is None:
            raise Diverged(
                f"all {count} seeds diverged; try a smaller learning rate in another folder"
            )
        compared = min(SAMPLE, len(dataset.images))
        weights = weights_of(folder, [cell.name for cell in cells])
        outcome = {"images_compared": compared, "weights": weights, "seeds": ranked}
        _keep(_home(out, config.replaced(seed=ranked[0]["seed"])), out, outcome)
    return ranked


def seed_work(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train one seed and measure its loss."""
    config = Config.from_mapping(options["config"])
    try:
        trained(config, datasets.load(config.data, **config.load_options()), folder, progress=False)
    except Diverged as error:
        warn(f"seed {config.seed} is left out: {error}")
        return {"seed": config.seed, "objective": None}
    run = open_run(folder, sample=SAMPLE)
    return {
        "seed": config.seed,
        "objective": run.objective,
        "distortion": run.distortion,
        "rate": float(run.rates.sum()),
        "active_latents": int(run.scale.active.sum()),
    }


def best_run(
    config: Config,
    dataset: Dataset,
    count: int,
    out: Path | None = None,
    *,
    own: Own | None = None,
    progress: bool = True,
) -> Run:
    """Train seeds one after another in this process; return the run with the lowest loss.

    Args:
        config: what is trained; its seed is the first.
        dataset: the images.
        count: how many seeds.
        out: run folder, laid out as by `train_restarts`.
        own: parts given from Python.
        progress: show a bar for each.

    Raises:
        InputError: for options that do not fit.
        Diverged: when all seeds did.
    """
    own = own or Own()
    if count == 1:
        return train(config, dataset, out, progress=progress, **vars(own))
    if not own.any:
        config, said = suited(config, dataset)
        note_once(said)
    chosen = sample_rows(dataset, SAMPLE)
    best, lowest = None, math.inf
    for seed in seeds_of(own.named_in(config), count):
        try:
            home = None if out is None else _home(out, seed)
            run = train(seed, dataset, home, progress=progress, **vars(own))
        except Diverged as error:
            warn(f"seed {seed.seed} is left out: {error}")
            continue
        distortion, rates = measure(run.model, dataset, chosen)
        beta = last_beta(run.records, seed, dataset.images.image_shape)
        loss = distortion + (beta or 0.0) * float(rates.sum())
        if best is None or loss < lowest:
            best, lowest = run, loss
    if best is None:
        raise Diverged(f"all {count} seeds diverged; try a smaller learning rate")
    if out is not None:
        _keep(_home(out, best.config), out)
    return best


def under_way(out: Path) -> bool:
    """Say whether seeds were begun in a run folder, and none of them is kept yet."""
    seeds = out / FOLDER
    unfinished = (seeds / STUDY).exists() and not (out / RESULT).exists()
    return unfinished or (seeds.exists() and not (out / checkpoint.NAME).exists())


def check_no_seeds(out: Path) -> None:
    """Refuse a folder whose seeds are under way, for a training of one seed.

    Raises:
        InputError: says how to go on with them.
    """
    if under_way(out):
        raise InputError(
            f"{out} holds seeds that are under way; go on with the line that started them "
            "(--restarts N), or choose another --out"
        )


def forget_seeds(out: Path) -> None:
    """Take what an earlier `train_restarts` left beside its best run out of a run folder.

    They are first moved aside, so that half of them are never taken for seeds under way.
    """
    aside = part_of(out / FOLDER)
    if (out / FOLDER).exists():
        (out / FOLDER).rename(aside)
    (out / RESULT).unlink(missing_ok=True)
    shutil.rmtree(aside, ignore_errors=True)


def _home(out: Path, config: Config) -> Path:
    return out / FOLDER / f"seed/{config.seed}"


def _keep(best: Path, out: Path, outcome: Mapping[str, Any] | None = None) -> None:
    """Make one seed's run the folder's own; the checkpoint, which makes it a run, comes last.

    What an earlier run left goes first: killed in between, the same call does the rest.

    Args:
        best: the seed's run.
        out: the folder.
        outcome: of all seeds, to be kept beside it.
    """
    header = checkpoint.read_header(best)
    if header.steps < math.ceil(
        header.config.images / min(header.config.batch, header.dataset_rows)
    ):
        raise InputError(f"{best} is not trained to its end: something else writes to the folder")
    same = current_weights(out) == checkpoint.digest_of_run(best)
    same = same and checkpoint.read_header(out) == header
    if not same:  # else it keeps its scores
        clear_run(out)
    if outcome is not None:
        write_json(out / RESULT, outcome)
    if same:
        return
    for name in (RECORDS, config_file.NAME, kept_images.NAME, checkpoint.NAME):
        if (best / name).exists():  # an untrained model has no records
            with write_beside(out / name) as beside:
                shutil.copyfile(best / name, beside)
