"""Which images a training sees: some held out, combinations of factors left out, or correlated.

Scores are always of the whole set, or of the images held out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError, did_you_mean
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class SplitOptions:
    """How a set is split; each is also an option of a training.

    Attributes:
        hold_out: images that no training sees: a share below 1, or how many.
        correlate: ``a:b:sigma``, two factors that go together in training.
        without: ``shape=heart,scale>3``: images for which all of this holds are not trained on.
        seed: of what is drawn at random; the same for all runs that are to be compared.
    """

    hold_out: float | None = None
    correlate: str | None = None
    without: str | None = None
    seed: int = 0

    @property
    def any(self) -> bool:
        """Whether anything is kept from training."""
        return (self.hold_out, self.correlate, self.without) != (None, None, None)


@dataclass(frozen=True)
class Split:
    """Rows of a data set, rising.

    Attributes:
        train: what training sees.
        held_out: what it never sees; empty where nothing was held out.
    """

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(dataset: Dataset, options: SplitOptions) -> Split:
    """Decide which rows are trained on and which are held out.

    Held-out images are drawn uniformly from the whole set. Of the rest those are trained on that
    `without` and `correlate` leave. With ``correlate="a:b:sigma"`` a combination of values stays
    with a probability proportional to ``exp(-(a - b)^2 / (2 sigma^2))``, both factors scaled to
    [0, 1] by their largest value.

    Raises:
        InputError: for options out of range, factors or values that are not there, or a split
            that leaves fewer than 2 images to train on.

    Source: Traeuble et al. 2021, Section 3 (correlated factors); Roth et al. 2023.

    >>> from betavae.data.factors import Factors
    >>> grid = Factors(("x", "y"), (4, 5))
    >>> store = ImageStore.from_uint8(np.zeros((20, 1, 8, 8), np.uint8))
    >>> found = split(Dataset("a", store, grid, None, grid.names), SplitOptions(0.2, None, "x>1"))
    >>> len(found.held_out), bool((found.train < 10).all())
    (4, True)
    """
    rows = len(dataset.images)
    rng = np.random.default_rng((options.seed, rows))
    held = np.zeros(rows, bool)
    if options.hold_out is not None:
        held[rng.choice(rows, _count(options.hold_out, rows), replace=False)] = True
    stays = ~held
    if options.without is not None:
        stays &= ~matching(dataset, options.without)
    if options.correlate is not None:
        stays &= rng.random(rows) < together(dataset, options.correlate)
    train = np.flatnonzero(stays)
    if len(train) < 2:
        raise InputError(
            f"the split must leave at least 2 images to train on, got {len(train)} of the "
            f"{rows:,} of {dataset.name}"
        )
    return Split(train, np.flatnonzero(held))


def _count(hold_out: float, rows: int) -> int:
    """Return how many images are held out of `rows`."""
    count = round(hold_out * rows) if hold_out < 1 else int(hold_out)
    if hold_out <= 0 or (hold_out >= 1 and hold_out != count) or not 1 <= count <= rows - 2:
        raise InputError(
            f"hold_out must be a share between 0 and 1 or a number of images in 1..{rows - 2}, "
            f"got {hold_out:g}"
        )
    return count


def matching(dataset: Dataset, words: str) -> NDArray[np.bool_]:
    """Return for which rows (N,) all conditions hold, as in ``shape=heart,scale>3``.

    Values are numbers of classes, or their names where the set has any.

    Raises:
        InputError: for conditions that cannot be read, or factors and values that are not there.
    """
    found = np.ones(len(dataset.images), bool)
    for condition in words.split(","):
        read = re.fullmatch(r"\s*([^<>=!]+?)\s*(>=|<=|!=|=|>|<)\s*([^<>=!]+?)\s*", condition)
        if read is None:
            raise InputError(
                "without must be conditions such as shape=heart,scale>3, got "
                f"'{condition.strip() or words}'"
            )
        name, sign, value = read.groups()
        column = factor_column(dataset, name)
        names = dataset.value_names.get(name, ())
        if value in names:
            number = names.index(value)
        elif re.fullmatch(r"\d{1,9}", value):
            number = int(value)
        else:
            known = f"one of {', '.join(names)} or " if names else ""
            raise InputError(f"values of {name} must be {known}a whole number, got '{value}'")
        if sign == "=" and not (column == number).any():
            raise InputError(
                f"{name} of {dataset.name} goes from {column.min()} to {column.max()}, got {number}"
            )
        found &= SIGNS[sign](column, number)
    return found


def together(dataset: Dataset, words: str) -> NDArray[np.float64]:
    """Return the probability (N,) with which rows stay, 1 where both factors agree.

    Args:
        dataset: with factors.
        words: ``a:b:sigma``.

    Raises:
        InputError: for words that cannot be read, or factors that are not there.
    """
    parts = [part.strip() for part in words.split(":")]
    try:
        first, second = parts[:2]
        sigma = float(parts[2])
    except (ValueError, IndexError):
        sigma = 0.0
    if len(parts) != 3 or not 0 < sigma < np.inf or first == second:
        raise InputError(
            "correlate must be two factors and a number above 0, as in scale:posX:0.2, "
            f"got '{words}'"
        )
    one, other = (factor_column(dataset, name) for name in (first, second))
    apart = one / max(one.max(), 1) - other / max(other.max(), 1)
    probability: NDArray[np.float64] = np.exp(-(apart**2) / (2 * sigma**2))
    return probability


def factor_column(dataset: Dataset, name: str) -> NDArray[np.int64]:
    """Return a factor's values (N,).

    Raises:
        InputError: when the set has no such factor.
    """
    factors = dataset.factors(np.arange(len(dataset.images)))
    if factors is None or name not in dataset.factor_names:
        known = ", ".join(dataset.factor_names) or "none"
        raise InputError(
            f"{dataset.name} has no factor '{name}'{did_you_mean(name, dataset.factor_names)}; "
            f"its factors are {known}"
        )
    return factors[:, dataset.factor_names.index(name)]


class SomeImages(ImageStore):
    """Rows of another store, which are not copied.

    Args:
        store: the whole.
        rows: (n,) rows of it.
    """

    def __init__(self, store: ImageStore, rows: NDArray[np.int64]) -> None:
        super().__init__(store.data, store.image_shape, packed=store.packed)
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    def stored(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return rows (n,) in their stored form."""
        return self._store.stored(self._rows[rows])

    def ever_set(self) -> NDArray[np.bool_]:
        """Return which pixels differ from 0 in any image of the whole."""
        return self._store.ever_set()

    def batch(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return images `rows` as floats in [0, 1], (n, C, H, W), on `device`."""
        import torch

        return self._store.batch(torch.from_numpy(self._rows[rows.cpu().numpy()]), device)

    def __getstate__(self) -> dict[str, object]:
        """Leave the whole's pixels to the whole."""
        return {**super().__getstate__(), "data": self._store.data[:0]}


def subset(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Return rows of a data set as a set of its own, with its factors, but without a grid.

    Its `whole` says where the rows lie in the grid, so that pairs can be drawn among them.
    """
    return replace(
        dataset,
        images=SomeImages(dataset.images, rows),
        grid=None,
        labels=dataset.factors(rows),
        files=tuple(dataset.files[row] for row in rows) if dataset.files else (),
        whole=None if dataset.grid is None else (dataset.grid, rows),
    )
