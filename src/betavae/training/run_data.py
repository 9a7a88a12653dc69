"""The images of a run, found again: where they were, or where the user says they are now."""

from __future__ import annotations

from pathlib import Path

import betavae.data as datasets
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.sets import SETS
from betavae.training.checkpoint import Header


class DataMissing(InputError):
    """The images of a run are nowhere to be found."""


def find_data(folder: Path, header: Header, data: str | None = None) -> Dataset:
    """Load the images of a run, and see that they are its own.

    They are looked for where they were: under the name that was asked for, at their absolute path,
    and at their path as seen from the run folder.

    Args:
        folder: the run folder.
        header: what the run says of itself.
        data: another place or data set; its images need the run's shape, and may be others.

    Raises:
        DataMissing: when the images are at none of these places.
        InputError: when they cannot be read, are of another shape, or are other images under
            the same name.
    """
    place = data or _place(folder, header)
    try:
        dataset = datasets.load(place, **header.config.load_options())
    except InputError as error:
        if data is not None or Path(place).exists():
            raise
        raise DataMissing(_missing(folder, header, error)) from None
    if dataset.images.image_shape != header.image_shape:
        raise InputError(
            f"{folder} was trained on images of shape {header.image_shape}, "
            f"{dataset.name} has {dataset.images.image_shape}"
        )
    if data is None and header.source is not None:
        expected, got = header.source.fingerprint, dataset.fingerprint()
        if got != expected:
            counts = f"{expected.count:,} then, {got.count:,} now"
            raise InputError(
                f"{place} holds other images than {folder} was trained on ({counts}); say where "
                f"those are with --data, or use these on purpose with --data {place}"
            )
    return dataset


def _place(folder: Path, header: Header) -> str:
    """Return the first place where something is, else how the data set was named."""
    asked = header.config.data
    if asked == "shapes2d" or asked in SETS or header.source is None:
        return asked
    first, *others = header.source.places(asked, folder)
    found = next((place for place in others if place.exists()), None)
    return asked if first.exists() or found is None else str(found)


def _missing(folder: Path, header: Header, error: InputError) -> str:
    asked = header.config.data
    if asked in SETS:
        return f"the images that {folder} was trained on are not here: {error}"
    places = [Path(asked)] if header.source is None else header.source.places(asked, folder)
    return (
        f"the images that {folder} was trained on are not here: looked for "
        f"{', '.join(map(str, places))}; say where they are with --data"
    )
