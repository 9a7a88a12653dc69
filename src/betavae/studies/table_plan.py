"""What the paper's table holds: its rows, and how much of the protocol a study folder runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from betavae._system.errors import InputError, did_you_mean
from betavae._system.files import read_json, write_json
from betavae.studies import presets
from betavae.studies.cells import STUDY, open_study

STUDY_NAME = "table"
LOCK = ".lock"


@dataclass(frozen=True)
class Row:
    """A method of the table.

    Attributes:
        key: its name in folders and on the command line.
        name: its name in the table.
        paper: the paper's score and deviation in percent.
        options: what is fitted; None for codes that need no model.
        repeated: whether fits with other seeds differ.
    """

    key: str
    name: str
    paper: tuple[float, float]
    options: Mapping[str, Any] | None
    repeated: bool = True


# In the order of Fig. 5 (left), each schedule of beta with both end weights; then the paper's last
# three with its network and optimiser.
ROWS = (
    Row("truth", "Ground truth", (100.0, 0.0), None, repeated=False),
    Row("pixels", "Raw pixels", (45.75, 0.8), None, repeated=False),
    Row("pca", "PCA", (84.9, 0.4), presets.PCA, repeated=False),
    Row("ica", "ICA, 10 sources", (42.03, 10.6), presets.ICA),
    Row("ica-150", "ICA, 150 sources", (42.03, 10.6), presets.ICA_150),
    Row("dcign", "DC-IGN, clamped to the mean", (99.3, 0.1), presets.DCIGN),
    Row("dcign-first", "DC-IGN, authors' VAE", (99.3, 0.1), presets.DCIGN_FIRST),
    Row("infogan", "InfoGAN", (73.5, 0.9), presets.INFOGAN),
    Row("untrained", "VAE untrained", (44.14, 2.5), presets.UNTRAINED),
    Row("vae", "VAE, beta 1", (61.58, 0.5), presets.VAE),
    Row("vae-falling", "VAE, beta 24 to 1", (61.58, 0.5), presets.VAE_FALLING),
    Row("beta-vae-constant", "beta-VAE, beta 4", (99.23, 0.1), presets.BETA_VAE_CONSTANT),
    Row("beta-vae", "beta-VAE, beta 24 to 4", (99.23, 0.1), presets.BETA_VAE),
    Row("untrained-fc", "VAE untrained, FC", (44.14, 2.5), presets.PAPER_UNTRAINED),
    Row("vae-fc", "VAE, FC", (61.58, 0.5), presets.PAPER_VAE),
    Row("beta-vae-fc", "beta-VAE, FC", (99.23, 0.1), presets.PAPER_BETA_VAE),
)
KEYS = tuple(row.key for row in ROWS)


@dataclass(frozen=True)
class TableOptions:
    """What a command asks of the table; what is None, the folder knows, or else the default.

    Attributes:
        data: the data set, ``shapes2d`` by default.
        methods: keys of the rows to run, all by default.
        replicas: fits a method, 10 by default.
        images: training length, each preset's by default.
        rows: random images to encode and score, all by default.
        quick: a small version to see that it works.

    Raises:
        InputError: for a method that is not there, or numbers out of range.
    """

    data: str | None = None
    methods: Sequence[str] | None = None
    replicas: int | None = None
    images: int | None = None
    rows: int | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for name in ("replicas", "images", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be >= 1, got {value}")
        for method in self.methods or ():
            if method not in KEYS:
                raise InputError(
                    f"methods must be of {', '.join(KEYS)}, got '{method}'"
                    f"{did_you_mean(method, KEYS)}"
                )


@dataclass(frozen=True)
class Plan:
    """What a study folder is to hold: kept in study.json, so that the folder knows it.

    Attributes:
        data: the data set.
        rows: images whose codes are kept and scored; None: all.
        quick: a small version whose scores mean nothing.
        replicas: fits of each method, by key; methods that are not there are left out.
        images: training length of each method, by key; None: the preset's.
    """

    data: str
    rows: int | None
    quick: bool
    replicas: Mapping[str, int]
    images: Mapping[str, int | None]

    @property
    def settings(self) -> dict[str, Any]:
        """What every cell shares."""
        return {"rows": self.rows, "quick": self.quick}

    def only(self, methods: Sequence[str]) -> Plan:
        """Return the plan with these methods alone, as far as it has them."""
        kept = {key: count for key, count in self.replicas.items() if key in methods}
        return replace(self, replicas=kept)

    def chosen(self) -> list[Row]:
        """Return the rows in the table's order."""
        return [row for row in ROWS if row.key in self.replicas]


def make_plan(folder: Path, asked: TableOptions | None = None) -> Plan:
    """Lay options over what the folder's study.json remembers, and keep the result there.

    Raises:
        InputError: for another study's folder, or one of other settings.
    """
    asked = asked or TableOptions()
    rows, quick = asked.rows, asked.quick
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):  # two commands may lay out methods of one folder at once
        there = (folder / STUDY).exists()
        kept = read_json(folder / STUDY).get("settings", {}) if there else {}
        fits, lengths = dict(kept.get("replicas", {})), dict(kept.get("images", {}))
        before = kept.get("data", "shapes2d")  # as folders of earlier versions have it
        data = asked.data or before
        if there:
            if data != before:
                raise InputError(f"{folder} was made with other settings: data {before} -> {data}")
            rows = kept.get("rows") if rows is None else rows
            quick = quick or kept.get("quick", False)
        elif quick:
            rows = rows or 2_000
        for key in asked.methods or fits or KEYS:
            fits[key] = asked.replicas or fits.get(key) or (2 if quick else 10)
            lengths[key] = asked.images or lengths.get(key) or (640 if quick else None)
        plan = Plan(data, rows, quick, fits, lengths)
        open_study(folder, STUDY_NAME, plan.settings)
        content = read_json(folder / STUDY)
        content["settings"] = {**plan.settings, "data": data, "replicas": fits, "images": lengths}
        write_json(folder / STUDY, content)
    return plan


def scaled_down(plan: Plan) -> list[str]:
    """Say in which ways a plan is smaller than the protocol; nothing when it is the whole."""
    lines = []
    if plan.quick:
        lines.append("quick: a few steps and small classifiers, the scores mean nothing")
    few = {row.name: plan.replicas[row.key] for row in plan.chosen() if row.repeated}
    few = {name: count for name, count in few.items() if count < 10}
    if few:
        listed = "; ".join(f"{name} ({count})" for name, count in few.items())
        lines.append(f"fewer than ten replicas: {listed}")
    if plan.rows is not None:
        lines.append(f"{plan.rows:,} random images encoded and scored, not all")
    short = [
        f"{row.name} {plan.images[row.key]:,}"
        for row in plan.chosen()
        if row.options is not None
        and (plan.images[row.key] or 1 << 60) < int(row.options.get("images", 0))
    ]
    if short:
        lines.append(f"shorter training than the preset's, in images: {', '.join(short)}")
    return lines
