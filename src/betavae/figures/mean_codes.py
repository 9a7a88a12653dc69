"""What each latent answers to: position, the other factors, and how sure it is (Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.figures.arrays import Floats, by_rate, numbers

POSITION = ("posX", "posY")
GROUP = "shape"
CURVES = ("scale", "orientation")  # the paper's; other sets show up to three of their own
MOST_CURVES = 3


@dataclass(frozen=True)
class Responses:
    """Mean codes over factor values; a cell that no row falls into is NaN.

    Attributes:
        order: (M,) latents, the one that says the most first: by rate, as everywhere, or, for
            methods without a posterior, by share, or by the variance of the codes.
        code_variance: (M,) variance of the codes over the rows.
        learnt_variance: (M,) mean posterior variance, or None.
        position: (M, H, W) mean code at each place, row 0 at the top, or None.
        curves: factor -> (M, G, V) mean code at each of its values, one line a group.
        groups: G names; one, "", where there are no groups.
        shares: (M,) percent of all that the latents do to the picture, or None.
        ends: factor -> what its first and its last value are called.
    """

    order: NDArray[np.int64]
    code_variance: Floats
    learnt_variance: Floats | None
    position: Floats | None
    curves: Mapping[str, Floats]
    groups: tuple[str, ...]
    shares: Floats | None = None
    ends: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain lists, NaN as None, ready for JSON."""
        learnt = None if self.learnt_variance is None else self.learnt_variance.tolist()
        shares = {} if self.shares is None else {"shares": self.shares.tolist()}
        return {
            "order": self.order.tolist(),
            "code_variance": self.code_variance.tolist(),
            "learnt_variance": learnt,
            "position": None if self.position is None else _without_nan(self.position),
            "curves": {name: _without_nan(curve) for name, curve in self.curves.items()},
            "groups": list(self.groups),
            **shares,
        }


def responses(
    codes: Any,
    factors: Any,
    names: Sequence[str],
    *,
    log_var: Any = None,
    shares: Any = None,
    group_names: Sequence[str] = (),
    ends: Mapping[str, tuple[str, str]] | None = None,
) -> Responses:
    """Average codes over factor values, everything else being averaged away.

    A factor ``shape`` splits the curves into groups; ``posX`` with ``posY`` become the map;
    ``scale`` and ``orientation``, or up to three other factors, become curves.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers.
        names: K names.
        log_var: (N, M) log variances of the posterior, or None.
        shares: (M,) without a posterior, what each latent does to the picture in percent of what
            all do, or None.
        group_names: what to call the values of ``shape``; their numbers if empty.
        ends: what to call a factor's first and last value, by factor; their numbers if not there.

    Raises:
        InputError: when shapes do not fit, or there are no factors.

    Source: Higgins et al. 2017, Fig. 6.

    >>> grid = np.stack(np.meshgrid(range(4), range(3), indexing="ij"), -1).reshape(-1, 2)
    >>> found = responses(np.c_[grid[:, 1], -grid[:, 0]], grid, ("scale", "posX"))
    >>> found.curves["scale"][:, 0].tolist()
    [[1.0, 1.0, 1.0, 1.0], [0.0, -1.0, -2.0, -3.0]]
    """
    values, table = numbers("codes", codes, 2), numbers("factors", factors, 2)
    if len(values) != len(table) or table.shape[1] != len(names):
        raise InputError(
            f"factors must be ({len(values)}, {len(names)}), a row a code and a column a name, "
            f"got {table.shape}"
        )
    spread = values.var(axis=0)
    learnt = rates = None
    if log_var is not None:
        logs = numbers("log_var", log_var, 2)
        if logs.shape != values.shape:
            raise InputError(f"log_var must have the codes' shape {values.shape}, got {logs.shape}")
        learnt = np.exp(logs).mean(axis=0)
        rates = 0.5 * (values**2 + np.exp(logs) - logs - 1).mean(axis=0)
    moved = None if shares is None else numbers("shares", shares, 1)
    if moved is not None and len(moved) != values.shape[1]:
        raise InputError(f"shares must be ({values.shape[1]},), one a latent, got {moved.shape}")
    ranks = next(amounts for amounts in (rates, moved, spread) if amounts is not None)
    column = {name: np.unique(table[:, k], return_inverse=True)[1] for k, name in enumerate(names)}
    there = set(POSITION) <= column.keys()
    group = column.get(GROUP, np.zeros(len(values), np.int64))
    count = int(group.max()) + 1
    labels = [*group_names] if len(group_names) == count else [str(k) for k in range(count)]
    free = [name for name in names if name != GROUP and not (there and name in POSITION)]
    shown = [name for name in CURVES if name in free] or free[:MOST_CURVES]
    return Responses(
        order=by_rate(ranks),
        code_variance=spread,
        learnt_variance=learnt,
        position=_cell_means(values, column[POSITION[1]], column[POSITION[0]]) if there else None,
        curves={name: _cell_means(values, group, column[name]) for name in shown},
        groups=tuple(labels) if GROUP in column else ("",),
        shares=moved,
        ends={
            name: (ends or {}).get(name, (f"{low:g}", f"{high:g}"))
            for name in shown
            for low, high in [_range(table[:, list(names).index(name)])]
        },
    )


def _range(column: Floats) -> tuple[float, float]:
    return float(column.min()), float(column.max())


def _cell_means(codes: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """Average codes (N, M) in each cell of a table: (M, rows, columns), NaN where empty."""
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    cells = np.ravel_multi_index((rows, columns), shape)
    size = shape[0] * shape[1]
    hits = np.bincount(cells, minlength=size)
    sums = np.stack([np.bincount(cells, weights=code, minlength=size) for code in codes.T])
    means = np.full(sums.shape, np.nan)
    np.divide(sums, hits, out=means, where=hits > 0)
    return means.reshape(-1, *shape)


def _without_nan(array: Floats) -> Any:
    whole: NDArray[np.object_] = array.round(5).astype(object)
    whole[np.isnan(array)] = None
    return whole.tolist()
