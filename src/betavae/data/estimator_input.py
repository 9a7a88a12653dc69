"""What the estimator is given: images, flat images or a table, checked and read as a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils.validation import validate_data

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.data.label_arrays import labels_from_array
from betavae.data.labelled import labelled
from betavae.data.loading import load
from betavae.data.other_libraries import from_dataset
from betavae.data.readers.arrays import Source, survey, to_store


@dataclass(frozen=True)
class Form:
    """The form in which `fit` was given X; later X must hold images of the same shape.

    Attributes:
        image_shape: (C, H, W); (1, 1, d) of a table.
        flat: whether it came as rows.
        white: the whole number that is white in images of whole numbers; None where nothing is
            known.
    """

    image_shape: tuple[int, int, int]
    flat: bool = False
    white: int | None = None

    @property
    def table(self) -> bool:
        """Whether rows are numbers of any range rather than images."""
        return self.image_shape[:2] == (1, 1)


def take(
    estimator: Any,
    X: Any,
    form: Form | None,
    image_shape: tuple[int, ...] | None = None,
    *,
    least: int = 1,
) -> tuple[Dataset, Form]:
    """Check X and read it.

    Args:
        estimator: whose `n_features_in_` and `feature_names_in_` are set by the first X that has
            rows, and checked by later ones.
        X: see `BetaVAE`; also a path, or a data set of torch or Hugging Face.
        form: the first X's; None when this is the first.
        image_shape: of the images in the first X's rows; None for a table.
        least: rows that a table must have.

    Returns:
        The data set, named "array" where X is none, and the form.

    Raises:
        InputError: for images that cannot be used, or others than the first.
        ValueError: scikit-learn's own, for a table that cannot be used.
    """
    flat, white = False, None
    if isinstance(X, (str, Path)):
        X = load(X)
    elif _is_data_set(X):
        X = from_dataset(X)
    if isinstance(X, Dataset):
        store = X.images
    elif isinstance(X, ImageStore):
        store = X
    elif _dimensions(X) in (3, 4):
        store, white = _images(np.asarray(X), form)
    else:
        flat = True
        if form is not None:
            image_shape = None if form.table else form.image_shape
        kind = np.float32 if image_shape is None else "numeric"
        rows = validate_data(estimator, X, reset=form is None, dtype=kind, ensure_min_samples=least)
        if image_shape is None:
            store = ImageStore.from_rows(rows)
        elif len(image_shape) in (2, 3) and math.prod(image_shape) == rows.shape[1]:
            store, white = _images(rows.reshape(-1, *image_shape), form)
        else:
            raise InputError(
                "image_shape must be (H, W), (H, W, C) or (C, H, W) of the "
                f"{rows.shape[1]} values in a row, got {image_shape}"
            )
    if form is not None and store.image_shape != form.image_shape:
        raise InputError(
            f"X must hold images of shape {form.image_shape} (C, H, W) as in fit, got "
            f"{store.image_shape}"
        )
    dataset = X if isinstance(X, Dataset) else Dataset("array", store)
    return dataset, form or Form(store.image_shape, flat, white)


def with_labels(dataset: Dataset, y: object) -> Dataset:
    """Return the same images with the factors (N,) or (N, K) that `fit` was given, by column.

    Raises:
        InputError: for labels of another length, or that are not classes.
    """
    values = np.asarray(y)
    columns = getattr(y, "columns", None)
    if columns is None:
        columns = [f"y{k + 1}" for k in range(math.prod(values.shape[1:]))]
    labels = labels_from_array(values, tuple(str(name) for name in columns), "y")
    return labelled(dataset.name, dataset.images, labels, what="y")


def _images(values: NDArray[Any], form: Form | None) -> tuple[ImageStore, int | None]:
    """Read images, and say which whole number is white in them."""
    source = Source.from_array(values, "X")
    source.check()
    whole = values.dtype.kind in "biu"
    if form is None or form.white is None:
        return to_store(values, "X"), survey(source).white if whole else 255
    # Later images keep the scale of the first: a dark one is not a binary one.
    if form.white == 1 and whole and values.max(initial=0) > 1:
        raise InputError(f"X must be binary as in fit, 0 and 1, got {values.max()}")
    data = np.concatenate([images for _, images in source.images(form.white)])
    return ImageStore.from_uint8(data), form.white


def _is_data_set(X: Any) -> bool:
    """Say whether X comes from torch or Hugging Face, or is a list of pictures."""
    homes = {base.__module__.split(".")[0] for base in type(X).__mro__}
    if "datasets" in homes or any(
        base.__module__.startswith("torch.utils.data") for base in type(X).__mro__
    ):
        return True
    return isinstance(X, (list, tuple)) and len(X) > 0 and isinstance(X[0], Image.Image)


def _dimensions(X: Any) -> int:
    """Return the dimensions of an array, a tensor or nested lists, 0 where they are ragged."""
    if not isinstance(X, (list, tuple)):
        return int(getattr(X, "ndim", 0))
    try:
        return np.ndim(X)
    except ValueError:
        return 0
