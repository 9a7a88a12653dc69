"""Trained models that come with the package: they need no network, and no training."""

from __future__ import annotations

import shutil
from pathlib import Path

from betavae._system.errors import InputError, did_you_mean
from betavae._system.files import read_json, write_json
from betavae.data.cache import cache_folder
from betavae.runs.pretrained_folder import WEIGHTS, read_pretrained
from betavae.runs.scores import SCORES
from betavae.training import checkpoint
from betavae.training.records import RECORDS, read_records

CARD_JSON = "card.json"
FOLDER = Path(__file__).parent / "models"
ROWS = {"shapes2d": 737_280}  # images of the sets that they were trained on


def shipped_names() -> list[str]:
    """Return the names of the models that come with the package.

    >>> "shapes2d-settle" in shipped_names()
    True
    """
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{WEIGHTS}"))


def shipped_folder(name: str) -> Path:
    """Return the folder of a model that comes with the package, as `write_pretrained` writes it.

    Beside the model lie card.json (the command that trained it, and its scores), metrics.jsonl
    (what training recorded) and score.json.

    Raises:
        InputError: for a name that is not there.
    """
    names = shipped_names()
    if name not in names:
        raise InputError(
            f"pretrained must be one of {', '.join(names)}, got '{name}'{did_you_mean(name, names)}"
        )
    return FOLDER / name


def shipped_run(name: str) -> Path:
    """Return a run folder of a model that comes with the package, made in the cache.

    Every command that takes a run folder takes it, and writes there what it makes; training does
    not go on from it, since the optimiser's state is not kept.

    Raises:
        InputError: for a name that is not there, or a cache that cannot be written.
    """
    source = shipped_folder(name)
    run = cache_folder() / "pretrained" / name
    found = read_pretrained(source)
    last = read_records(source / RECORDS)[-1]
    header = checkpoint.Header(
        config=found.config,
        image_shape=found.image_shape,
        dataset_rows=ROWS[found.config.data],
        steps=-(-last.images // found.config.batch),
        seconds=last.seconds,
    )
    try:
        run.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / RECORDS, run / RECORDS)
    except OSError as error:
        raise InputError(f"cannot write {run}: {error.strerror}") from None
    checkpoint.save(run, header, found.model)
    weights = checkpoint.digest_of_run(run)
    scores = read_json(source / SCORES)
    write_json(run / SCORES, {key: {**one, "weights": weights} for key, one in scores.items()})
    return run
