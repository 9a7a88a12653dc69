"""What a benchmark runs: data sets, methods with their grids, seeds, metrics."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from betavae import data as datasets
from betavae._system.errors import InputError, did_you_mean
from betavae.config import Config, gathered, merged
from betavae.data.splits import SplitOptions, split
from betavae.metrics.catalogue import choose
from betavae.studies.cells import Cell

PSNR = "psnr"
METRICS = "infomec,dci:fast,mig,factor_vae,higgins,psnr"
PRESETS: dict[str, dict[str, Any]] = {
    # Hsu et al. 2023: latents twice the factors, 10,000 held-out images.
    "hsu2023": {"latents_per_factor": 2, "held_out": 10_000, "seeds": 3, "metrics": "infomec,psnr"}
}


@dataclass(frozen=True)
class Method:
    """A method of the benchmark, as benchmark_methods.toml has it.

    Attributes:
        name: on the command line.
        title: in tables.
        needs: what it is given besides images; empty where nothing.
        discrete: whether its codes take few values.
        grid: the options of each point.
        share: of the length, where a step sees several images for each that is counted.
    """

    name: str
    title: str
    needs: str
    discrete: bool
    grid: tuple[dict[str, Any], ...]
    share: float = 1.0


@dataclass(frozen=True)
class Benchmark:
    """What is compared; plain values, which the study's folder remembers.

    Attributes:
        data: names of data sets with known factors.
        methods: names of methods.
        seeds: runs of every point of a grid.
        images: length of every training.
        metrics: as `evaluate` takes them, and ``psnr``.
        held_out: images that no training sees, on which everything is scored.
        labels: of a method's grid the point is chosen by MIG on so many labelled images that are
            trained on; 0: without labels, by UDR.
        latents: of every model; 0: as many as `latents_per_factor` says.
        latents_per_factor: latents a factor of the data set, where `latents` is 0.
        points: of each grid, those in its middle; 0: all.
        quick: one point of each grid, to see that it works.

    Raises:
        InputError: for what cannot be compared.
    """

    data: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int = 3
    images: int = 200_000
    metrics: str = METRICS
    held_out: int = 10_000
    labels: int = 0
    latents: int = 10
    latents_per_factor: int = 2
    points: int = 0
    quick: bool = False

    def __post_init__(self) -> None:
        known = shipped_methods()
        for what, names in (("data", self.data), ("methods", self.methods)):
            if not all(names) or not names or len(set(names)) < len(names):
                raise InputError(f"{what} must be different names, got '{','.join(names)}'")
        for name in self.methods:
            if name not in known:
                raise InputError(
                    f"methods must be among {', '.join(known)}, got '{name}'"
                    f"{did_you_mean(name, known)}"
                )
        for what, least in (
            ("seeds", 1),
            ("images", 1),
            ("held_out", 20),
            ("labels", 0),
            ("points", 0),
        ):
            if getattr(self, what) < least:
                raise InputError(f"{what} must be >= {least}, got {getattr(self, what)}")
        if self.seeds < 2 and not self.labels and not self.quick and self.points != 1:
            raise InputError(
                "choosing without labels compares seeds: seeds must be >= 2, got 1 (or give labels)"
            )
        if 0 < self.labels < 100:
            raise InputError(f"labels must be >= 100, or 0 for none, got {self.labels}")
        if self.scored:
            choose(self.scored)
        for method in self.methods:
            for point in known[method].grid:
                self._checked(method, point)

    def _checked(self, method: str, point: Mapping[str, Any]) -> None:
        try:
            Config.from_mapping(point)
        except InputError as error:
            raise InputError(f"method {method} cannot be had here: {error}") from None

    @property
    def scored(self) -> list[str]:
        """The metrics of codes."""
        names = [name.strip() for name in self.metrics.split(",")]
        return [name for name in names if name != PSNR]

    @property
    def settings(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {**asdict(self), "data": list(self.data), "methods": list(self.methods)}

    def grid(self, method: str) -> tuple[dict[str, Any], ...]:
        """Return the grid of a method, as far as it is run: the points in its middle."""
        whole = shipped_methods()[method].grid
        count = min(1 if self.quick else self.points or len(whole), len(whole))
        first = (len(whole) - count) // 2
        return whole[first : first + count]

    def cells(self) -> list[Cell]:
        """Return a cell a training.

        Raises:
            InputError: for a data set that is not there, has no factors, or is too small.
        """
        found = []
        for data in self.data:
            dataset = datasets.load(data)
            if not dataset.factor_names:
                raise InputError(f"a benchmark needs data with factors; {data} has none")
            split(dataset, SplitOptions(self.held_out))  # what it refuses is said now
            latents = self.latents or self.latents_per_factor * len(dataset.factor_names)
            for method in self.methods:
                images = max(1, round(self.images * shipped_methods()[method].share))
                shared = {
                    "data": data, "latents": latents, "images": images, "hold_out": self.held_out
                }  # fmt: skip
                for place, point in enumerate(self.grid(method)):
                    for seed in range(self.seeds):
                        given = merged(gathered(point), gathered({**shared, "seed": seed}))
                        config = Config.from_mapping(given).model_dump(mode="json")
                        options = {
                            "config": config, "metrics": self.scored_as(method),
                            "labels": self.labels,
                        }  # fmt: skip
                        found.append(Cell(cell_name(data, method, place, seed), options))
        return found

    def scored_as(self, method: str) -> list[str]:
        """Return the metrics of codes with the protocols that suit a method's."""
        discrete = shipped_methods()[method].discrete
        return [
            "infomec:hsu2023-discrete" if name == "infomec" and discrete else name
            for name in self.scored
        ]


def cell_name(data: str, method: str, place: int, seed: int) -> str:
    """Return the folder of a training.

    >>> cell_name("shapes2d-textured:a/b.jpg", "beta", 0, 1)
    'shapes2d-textured_a_b.jpg/beta/0/1'
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in data)
    return f"{plain}/{method}/{place}/{seed}"


@cache
def shipped_methods() -> Mapping[str, Method]:
    """Return the methods of the file that ships with the package, by name."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = files("betavae.studies") / "benchmark_methods.toml"
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name, entry in read["methods"].items():
        fixed = merged(gathered(read["shared"]), gathered(entry.get("fixed", {})))
        grid = tuple(merged(fixed, gathered(point)) for point in entry["grid"])
        found[name] = Method(
            name,
            entry["title"],
            entry.get("needs", ""),
            entry.get("discrete", False),
            grid,
            entry.get("share", 1.0),
        )
    return MappingProxyType(found)


def planned(
    data: Sequence[str],
    methods: Sequence[str],
    *,
    protocol: str | None = None,
    quick: bool = False,
    **given: Any,
) -> Benchmark:
    """Lay what was given over a protocol's settings, and over those of a quick run.

    Args:
        data: names of data sets.
        methods: names of methods.
        protocol: one of `PRESETS`.
        quick: a few steps, to see that it works.
        given: other fields of `Benchmark`.

    Raises:
        InputError: for what cannot be compared.

    >>> planned(["scenes3d"], ["beta"], protocol="hsu2023").latents
    0
    """
    if protocol is not None and protocol not in PRESETS:
        raise InputError(f"protocol must be one of {', '.join(PRESETS)}, got '{protocol}'")
    options: dict[str, Any] = {} if protocol is None else {**PRESETS[protocol], "latents": 0}
    options |= given
    if quick:
        few = {"seeds": 2, "held_out": 500, **given}
        options |= {**few, "quick": True, "images": 640}
    return Benchmark(tuple(data), tuple(methods), **options)
