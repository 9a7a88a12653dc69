"""Names that people give to a run's latents, kept beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.figures.style import latent_name, plain
from betavae.runs.made import current_weights
from betavae.training.records import warn
from betavae.training.run_folder import NAMES as NAME

WEIGHTS = "weights"  # beside the names: the digest of the weights whose latents they name
LONGEST = 40  # characters: what still fits beside a slider


def read_names(run_folder: Path, weights: str | None = None) -> dict[int, str]:
    """Return the names given so far, by latent; empty when nobody named any.

    Names of the latents of other weights are left out, and that is said.

    Args:
        run_folder: the run.
        weights: the digest of the weights that are looked at; the folder's if None.

    Raises:
        InputError: when the file is not what `write_names` writes.
    """
    path = run_folder / NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        named = found.pop(WEIGHTS, "")
        names = {int(latent): _checked(name) for latent, name in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}; remove it to start again") from None
    there = current_weights(run_folder)
    if named != (there if weights is None or not there else weights):
        warn(f"{path} names the latents of other weights; its names are not used")
        return {}
    return names


def named_latents(run_folder: Path, latents: int) -> list[str]:
    """Return what figures call each latent: its symbol, and below it the name somebody gave it."""
    names = read_names(run_folder)
    return [labelled(latent, names.get(latent, "")) for latent in range(latents)]


def labelled(latent: int, name: str) -> str:
    r"""Return a latent's symbol, and the name in a second line, safe from mathematical text.

    >>> labelled(3, "size"), labelled(4, "")
    ('$z_{3}$\nsize', '$z_{4}$')
    """
    return f"{latent_name(latent)}\n{plain(name)}" if name else latent_name(latent)


def write_names(
    run_folder: Path, names: Mapping[int, str], latents: int, weights: str | None = None
) -> dict[int, str]:
    """Keep names of latents with the run, beside and renamed; an empty name takes one away.

    Args:
        run_folder: the run.
        names: new names by latent; other latents keep theirs.
        latents: how many latents the run has.
        weights: the digest of the weights whose latents were looked at; the folder's if None.

    Returns:
        All names, as they now stand.

    Raises:
        InputError: for a latent that is not there, a name that is too long, a run that has got
            other weights meanwhile, or a full disk.
    """
    there = current_weights(run_folder)
    if weights is not None and there and there != weights:
        raise InputError(
            f"{run_folder} has got other weights since it was opened, whose latents mean something "
            "else: open it again"
        )
    for latent in names:
        if not 0 <= latent < latents:
            raise InputError(f"latents must be in 0..{latents - 1}, got {latent}")
    merged = {**read_names(run_folder), **{k: _checked(name) for k, name in names.items()}}
    kept = {latent: merged[latent] for latent in sorted(merged) if merged[latent]}
    named = {str(latent): name for latent, name in kept.items()}
    write_json(run_folder / NAME, {WEIGHTS: there, **named} if there else named)
    return kept


def _checked(name: object) -> str:
    """Return a name on one line, without blanks around it.

    Raises:
        InputError: when it is not text, or too long.
    """
    if not isinstance(name, str):
        raise InputError(f"a latent's name must be text, got {name!r}")
    line = " ".join(name.split())
    if len(line) > LONGEST:
        raise InputError(f"a latent's name must have {LONGEST} characters at most, got {len(line)}")
    return line
