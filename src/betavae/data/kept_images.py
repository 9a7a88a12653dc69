"""A few images that stay with a run, so that it can be looked at where its data set is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore

NAME = "images.safetensors"  # in a run folder
MOST = 64  # images
LARGEST = 4 << 20  # bytes of them


def keep_images(folder: Path, dataset: Dataset) -> None:
    """Write up to 64 images of a data set, evenly spread over it, with their factors.

    Raises:
        InputError: when the folder cannot be written.
    """
    store = dataset.images
    each = store.stored(np.zeros(1, np.int64)).nbytes
    count = max(1, min(len(store), MOST, LARGEST // each))
    rows = np.unique(np.linspace(0, len(store) - 1, count).astype(np.int64))
    tensors = {"images": store.stored(rows), "rows": rows}
    factors = dataset.factors(rows)
    if factors is not None:
        tensors["factors"] = np.ascontiguousarray(factors)
    said = {
        "name": dataset.name,
        "image_shape": store.image_shape,
        "packed": store.packed,
        "factor_names": dataset.factor_names,
        "value_names": dict(dataset.value_names),
        "files": [dataset.files[row] for row in rows] if dataset.files else [],
    }
    with write_beside(folder / NAME) as beside:
        save_file(tensors, beside, metadata={"betavae": json.dumps(said)})


def kept_images(folder: Path) -> Dataset | None:
    """Return the images that were kept with a run as a data set; None without any.

    Raises:
        InputError: when the file is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with path.open("rb"), safe_open(path, "np") as file:
            said = json.loads(file.metadata()["betavae"])
            images = file.get_tensor("images")
            labels = file.get_tensor("factors") if "factors" in file.keys() else None  # noqa: SIM118
        channels, height, width = said["image_shape"]
        names = tuple(map(str, said["factor_names"]))
        if labels is not None and labels.shape != (len(images), len(names)):
            raise ValueError("as many factors as images")
        return Dataset(
            said["name"],
            ImageStore(images, (channels, height, width), packed=bool(said["packed"])),
            labels=labels,
            factor_names=names,
            value_names={name: tuple(words) for name, words in said["value_names"].items()},
            files=tuple(said["files"]),
        )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error})") from None
