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
    dataset = datasets.load(place, **header.config.load_options())
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
    asked = header.config.data
    if asked == "shapes2d" or asked in SETS:
        return asked
    if header.source is None:
        places = [Path(asked).expanduser()]
    else:
        places = header.source.places(asked, folder)
    for place in places:
        if place.exists():
            return asked if place == places[0] else str(place)
    looked = ", ".join(map(str, places))
    raise DataMissing(
        f"the images that {folder} was trained on are not here: looked for {looked}; "
        "say where they are with --data"
    )
