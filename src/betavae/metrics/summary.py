"""What `evaluate` returns: a table for the terminal, and JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from betavae._system.errors import did_you_mean, not_installed
from betavae.metrics._shared.results import plain

if TYPE_CHECKING:
    from rich.table import Table


COLLAPSED = (
    "no latent is active (rates below 0.1 nat, or means that hardly move): "
    "the scores say nothing about the data"
)


@dataclass(frozen=True)
class Entry:
    """One metric's result in `Results`.

    Attributes:
        name: the metric.
        protocol: which published variant.
        result: what the metric's function returned.
        seconds: wall time it took.
        better: "higher", "lower" or "".
    """

    name: str
    protocol: str
    result: Any
    seconds: float
    better: str

    @property
    def score(self) -> float:
        """The metric's score."""
        return float(self.result)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the score, where the metric has one."""
        interval: tuple[float, float] | None = self.result.interval
        return interval


@dataclass(frozen=True, repr=False)
class Results:
    """What `evaluate` found. ``results["mig:chen2018"].score``; ``str(results)`` is a table.

    Notebooks show it as a table; `to_frame` gives it to pandas.

    Attributes:
        entries: result by ``"metric:protocol"``.
        skipped: reason by ``"metric:protocol"`` for what could not be computed.
        n_rows: N.
        n_latents: M.
        n_factors: K; 0 without factors.
        factor_names: names of the factors.
        binned_factors: names of the continuous factors that were cut into bins.
        factor_bins: bins they were cut into.
        seed: the seed every metric was given.
        active_latents: latents that carry information, where rates are known; else None.
        collapsed: True when no latent does; None when it cannot be told.
        said: what whoever keeps the results has to add.
        weights: the digest of the weights that made the codes; empty where it is not known.
    """

    entries: dict[str, Entry]
    skipped: dict[str, str]
    n_rows: int
    n_latents: int
    n_factors: int
    factor_names: tuple[str, ...]
    binned_factors: tuple[str, ...]
    factor_bins: int
    seed: int
    active_latents: int | None = None
    collapsed: bool | None = None
    said: tuple[str, ...] = ()
    weights: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know: no active latents, factors left out, few rows."""
        abouts = {key: entry.result.about for key, entry in self.entries.items()}
        found = [COLLAPSED] if self.collapsed else []
        for key, about in abouts.items():
            found += [f"{key} leaves out {', '.join(about.left_out)}"] if about.left_out else []
        found += [note for about in abouts.values() for note in about.notes]
        found += [f"codes: {about.reduction}" for about in abouts.values() if about.reduction]
        units = {
            key: entry.result.unit
            for key, entry in self.entries.items()
            if hasattr(entry.result, "unit")
        }
        found += [f"{key} counts codes in {unit}" for key, unit in units.items()]
        return tuple(dict.fromkeys([*found, *self.said]))

    def __getitem__(self, key: str) -> Entry:
        if key not in self.entries:
            raise KeyError(f"no result {key!r}{did_you_mean(key, self.entries)}")
        return self.entries[key]

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        from io import BytesIO, TextIOWrapper

        from rich.console import Console

        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        text = TextIOWrapper(
            BytesIO(), encoding, errors="replace", newline="\n"
        )  # as it is printed
        Console(file=text, width=80, color_system=None, emoji=False).print(self.table())
        text.seek(0)
        return text.read().rstrip("\n")

    def __repr__(self) -> str:
        scores = ", ".join(f"{key} {entry.score:.3f}" for key, entry in self.entries.items())
        sizes = f"{self.n_rows:,} rows, {self.n_latents} latents, {self.n_factors} factors"
        return f"<Results of {sizes}: {scores or 'none'}>"

    def to_frame(self) -> Any:
        """Return a pandas data frame, a row a metric, with the columns of the table.

        Raises:
            InputError: when pandas is not installed.
        """
        try:
            from pandas import DataFrame  # type: ignore[import-untyped]
        except ImportError:
            raise not_installed("to_frame", "pandas", "pandas") from None
        ends = [entry.interval or (None, None) for entry in self.entries.values()]
        return DataFrame(
            {
                "protocol": [entry.protocol for entry in self.entries.values()],
                "better": [entry.better for entry in self.entries.values()],
                "score": [entry.score for entry in self.entries.values()],
                "low": np.array([low for low, _ in ends], float),
                "high": np.array([high for _, high in ends], float),
                "rows": [entry.result.about.rows for entry in self.entries.values()],
                "seconds": [entry.seconds for entry in self.entries.values()],
            },
            index=[entry.name for entry in self.entries.values()],
        ).rename_axis("metric")

    def _repr_html_(self) -> str:
        """Return the table as HTML: what notebooks show."""
        from html import escape

        head = ("metric", "protocol", "better", "score", "95 % interval")
        body = [
            (
                entry.name,
                entry.protocol,
                entry.better,
                f"{entry.score:.4f}",
                "" if (ends := entry.interval) is None else f"{ends[0]:.4f} to {ends[1]:.4f}",
            )
            for entry in self.entries.values()
        ]
        lines = [*self.notes]
        lines += [f"not computed: {key} ({reason})" for key, reason in self.skipped.items()]
        rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in body]
        return (
            f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead>"
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"
            + "".join(f"<p>{escape(line)}</p>" for line in lines)
        )

    def table(self) -> Table:
        """Return a rich table, a row a metric: protocol, score, interval, seconds; notes below."""
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table

        active = "" if self.active_latents is None else f" ({self.active_latents} active)"
        sizes = f"{self.n_rows:,} rows, {self.n_latents} latents{active}, {self.n_factors} factors"
        table = Table(
            title=f"{sizes}, seed {self.seed}", title_justify="left", box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
        )  # fmt: skip
        for column in ("metric", "protocol", "better"):
            table.add_column(column, no_wrap=True)
        for column in ("score", "95 % interval", "s"):
            table.add_column(column, justify="right", no_wrap=True)
        for entry in self.entries.values():
            interval = entry.interval
            table.add_row(
                entry.name,
                entry.protocol,
                entry.better,
                f"{entry.score:.4f}",
                "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}",
                f"{entry.seconds:.1f}",
            )
        lines = list(self.notes)
        lines += [f"not computed: {key} ({reason})" for key, reason in self.skipped.items()]
        if lines:
            table.caption = escape("\n".join(lines))
            table.caption_justify = "left"
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, lists and strings, ready for JSON."""
        import betavae

        # Each metric's record stands alone: score.json gathers those of several evaluations.
        sizes = {
            "seed": self.seed,
            "n_rows": self.n_rows,
            "n_latents": self.n_latents,
            "n_factors": self.n_factors,
            "active_latents": self.active_latents,
            "collapsed": self.collapsed,
        }
        metrics = {
            key: {
                "metric": entry.name,
                "protocol": entry.protocol,
                "score": plain(entry.score),
                "interval": plain(entry.interval),
                "better": entry.better or None,
                **sizes,
                "factors": list(entry.result.about.factors),
                "left_out": list(entry.result.about.left_out),
                "notes": list(entry.result.about.notes),
                "reduction": entry.result.about.reduction or None,
                "betavae": entry.result.about.betavae,
                "seconds": round(entry.seconds, 3),
                "details": {k: v for k, v in entry.result.to_dict().items() if k != "about"},
            }
            for key, entry in self.entries.items()
        }
        return {
            "betavae": betavae.__version__,
            **sizes,
            "factor_names": list(self.factor_names),
            "binned_factors": list(self.binned_factors),
            "factor_bins": self.factor_bins,
            "metrics": metrics,
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
            "weights": self.weights or None,
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
