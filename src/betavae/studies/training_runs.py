"""A training in a run folder: its settings, and when the folder is begun, resumed or replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from betavae._system.errors import InputError
from betavae.config import Config, gathered, merged
from betavae.data.dataset import Dataset
from betavae.objectives.beta import BetaOptions
from betavae.studies.restarts import FOLDER, check_no_seeds, forget_seeds
from betavae.training import checkpoint
from betavae.training.build import Own
from betavae.training.fit import Run, train
from betavae.training.records import RECORDS


@dataclass(frozen=True)
class Planned:
    """A training that may begin.

    Attributes:
        config: its settings.
        folder: its run folder.
        resume: whether it goes on from the folder's checkpoint.
        overwrite: whether it replaces what the folder holds of a run.
    """

    config: Config
    folder: Path
    resume: bool
    overwrite: bool


def plan_training(
    options: Mapping[str, Any],
    out: Path | None = None,
    *,
    toml: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Planned:
    """Settle the settings and the folder of a training, before anything is read or written.

    Args:
        options: given by the user; they win over the file's, and when resuming over the run's.
        out: run folder; `default_folder` if None.
        toml: a file with options.
        resume: go on with the folder's run.
        overwrite: replace what the folder holds.

    Raises:
        InputError: for bad options, a folder that holds a run, or none to go on with.
    """
    if resume and overwrite:
        raise InputError("give --resume or --overwrite, not both")
    options = gathered(options)
    if toml is not None:
        options = merged(gathered(Config.from_toml(toml)), options)
    folder = out or default_folder(Config.from_mapping(options))
    there = (folder / checkpoint.NAME).is_file()
    if there and not resume and not overwrite:
        raise InputError(
            f"{folder} already holds a run; add --resume to go on with it, --overwrite to "
            "replace it, or choose another --out"
        )
    if resume and there:
        options = merged(checkpoint.read_header(folder).config.given(), options)
    config = Config.from_mapping(options)
    if resume and not there and not begun(folder):
        raise InputError(f"cannot resume: there is no run in {folder}; leave --resume out to begin")
    return Planned(config, folder, resume and there, overwrite)


def begun(folder: Path) -> bool:
    """Say whether a training was begun in a folder, even if it saved nothing yet."""
    return any((folder / name).exists() for name in (RECORDS, checkpoint.NAME, FOLDER))


def train_folder(
    planned: Planned,
    dataset: Dataset | None = None,
    *,
    own: Own | None = None,
    progress: bool = True,
) -> Run:
    """Train one run in its folder, which begins empty where it is overwritten.

    Args:
        planned: from `plan_training`.
        dataset: the images; loaded as configured, or found again where the run goes on, if None.
        own: parts given from Python.
        progress: show the bar on stderr.

    Raises:
        InputError: for a folder whose seeds are under way, and as `train` does.
    """
    check_no_seeds(planned.folder)
    return train(
        planned.config,
        dataset,
        planned.folder,
        resume=planned.resume,
        progress=progress,
        begin=partial(_begin, planned),  # at the last moment: what cannot start takes nothing away
        **vars(own or Own()),
    )


def _begin(planned: Planned) -> None:
    """Forget the seeds of a run that is replaced, before the run itself goes.

    Raises:
        InputError: when another training has put a run there since this one was planned.
    """
    folder = planned.folder
    if planned.overwrite:
        forget_seeds(folder)
    elif not planned.resume and (folder / checkpoint.NAME).exists():
        raise InputError(f"{folder} has just got a run of another training; choose another --out")


def default_folder(config: Config) -> Path:
    """Return ``runs/DATA-OBJECTIVE-BETA-SEED``.

    >>> str(default_folder(Config(beta=4, seed=1)))
    'runs/shapes2d-beta-4-seed1'
    """
    name = Path(config.data).stem if config.data != "shapes2d" else config.data
    if config.method.name != "vae":
        return Path("runs") / f"{name}-{config.method.name}-seed{config.seed}"
    objective = config.objective
    words = "preset" if config.follows_images and config.data != "shapes2d" else str(objective)
    if isinstance(objective, BetaOptions):
        words = f"beta-{objective.label}"
    words = words.replace(",", "").replace(" ", "-")
    return Path("runs") / f"{name}-{words}-seed{config.seed}"
