"""What is made of a run's weights, and whether it still is of the weights that are there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from betavae._system.errors import InputError
from betavae._system.files import read_json
from betavae._system.locks import only_one
from betavae._system.stamps import stamped
from betavae.training.checkpoint import NAME, digest_of_run

WEIGHTS = "weights"  # where JSON files and representations keep the digest, or one by run
STAMPED = (".png", ".gif", ".svg", ".pdf", ".html", ".parquet", ".csv", ".npz", ".json")
BESIDE = ".json"  # ends the name of what lies beside a .csv, which has no room for a digest
OWN = ("score.json", "latent_names.json", "restarts.json")  # whose readers look by themselves


def current_weights(folder: Path) -> str:
    """Return the digest of the weights in a run folder; empty where there is no run."""
    return digest_of_run(folder) if (folder / NAME).is_file() else ""


def made_of(path: Path) -> tuple[str, ...]:
    """Return the digests of the weights that a file was made of; none where it carries none.

    Raises:
        InputError: when it cannot be read.
    """
    if path.suffix == ".npz":
        return _of_archive(path)
    if path.suffix == ".csv":
        beside = path.with_name(path.name + BESIDE)
        return made_of(beside) if beside.is_file() else ()
    if path.suffix == ".json":
        found = read_json(path).get(WEIGHTS, ())
        said = list(found.values()) if isinstance(found, dict) else [found]
        return tuple(one for one in said if isinstance(one, str) and one)
    return stamped(path)


def _of_archive(path: Path) -> tuple[str, ...]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return (str(archive[WEIGHTS]),) if WEIGHTS in archive.files else ()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {error}") from None


def stale_files(folder: Path, weights: str) -> list[Path]:
    """Return the files in a run folder that were made of other weights than these."""
    stale = []
    for path in sorted(folder.iterdir()):
        if path.suffix in STAMPED and path.name not in OWN and path.is_file():
            try:
                found = made_of(path)
            except InputError:  # whatever it is, it is not ours
                continue
            if found and weights not in found:
                stale.append(path)
    return stale


def changed_runs(folder: Path, weights: Mapping[str, str]) -> list[str]:
    """Return the runs below a folder, by place, that have other weights than is said of them.

    Runs that are not there say nothing against what was made of them.
    """
    return [
        place
        for place, digest in weights.items()
        if (folder / place / NAME).is_file() and digest_of_run(folder / place) != digest
    ]


@contextmanager
def writing(path: Path, run_folder: Path) -> Iterator[None]:
    """Hold a run folder while a file of its weights is made in it, so that they stay what they are.

    Nothing is held for a file elsewhere, or a folder that is no run.

    Raises:
        InputError: when a training or another command holds the folder.
    """
    inside = path.resolve().is_relative_to(run_folder.resolve())
    if not (inside and (run_folder / NAME).is_file()):
        yield
        return
    with only_one(run_folder):
        yield


def check_made(codes: Path) -> None:
    """Refuse codes in a run folder that were made of other weights than are there now.

    Raises:
        InputError: says how to renew them.
    """
    if codes.suffix in (".npz", ".csv") and (codes.parent / NAME).is_file():
        for weights in made_of(codes):
            check_current(codes, weights)


def check_current(path: Path, weights: str) -> None:
    """Refuse a file in a run folder that was made of other weights than are there now.

    Args:
        path: the file.
        weights: the digest of the weights that it came from; nothing is checked if empty.

    Raises:
        InputError: says how to renew it.
    """
    folder = path.parent
    if weights and (folder / NAME).is_file() and digest_of_run(folder) != weights:
        raise InputError(
            f"{path} is of earlier weights of this run; renew it with: betavae encode {folder}"
        )
