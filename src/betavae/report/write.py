"""The report of a run, or of several side by side: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import betavae
from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.stamps import stamp
from betavae._system.text import printable, readable
from betavae.figures.pictures import signed
from betavae.report import words
from betavae.report.glossary import GLOSSARY
from betavae.report.parts import draw_part
from betavae.report.score_words import metric_rows
from betavae.report.settings_words import setting_rows
from betavae.report.together import differing_settings, shared_charts
from betavae.runs.made import writing
from betavae.runs.matched_latents import match_runs
from betavae.runs.opened import OpenRun, open_run
from betavae.runs.scores import read_scores
from betavae.runs.traversals import SHOWN
from betavae.training.records import ACTIVE_NATS

NAME = "report.html"
MOST_RUNS = 8  # more columns cannot be read
LARGEST = 10_000_000  # bytes of a report: what mail and browsers take without complaint


def write_report(
    runs: Path | OpenRun | Sequence[Path | OpenRun],
    out: Path | None = None,
    *,
    data: str | None = None,
    seeds: int = 3,
    span: float = 3.0,
    steps: int = 11,
    seed: int = 0,
) -> Path:
    """Write what a run learned, or several side by side, as one self-contained HTML file.

    Args:
        runs: the run's folder, or the run where it is open; or up to 8 of them.
        out: the file, or a folder for it; report.html in the run folder, or in the folder that
            all of several runs are in, if None.
        data: another place of the runs' images; where they are nowhere, the few that were kept
            with a run stand in for them.
        seeds: seed images of the traversals.
        span: latents run over [-span, span].
        steps: values in a traversal.
        seed: seed of the choice of images.

    Returns:
        The file.

    Raises:
        InputError: when a run, its data or an option cannot be used, the page would grow past
            10 MB, or the disk is full.
    """
    given = [runs] if isinstance(runs, (Path, OpenRun)) else list(runs)
    folders = [one if isinstance(one, Path) else one.folder for one in given]
    if not 1 <= len(folders) <= MOST_RUNS:
        raise InputError(f"a report takes 1 to {MOST_RUNS} runs, got {len(folders)}")
    path = _place(folders, out)
    with ExitStack() as held:
        for folder in dict.fromkeys(folder.resolve() for folder in folders):
            held.enter_context(writing(path, folder))
        page = _page(given, folders, data=data, seeds=seeds, span=span, steps=steps, seed=seed)
        content = readable(page).encode("utf-8")
        if len(content) > LARGEST:
            raise InputError(
                f"the report would be {len(content) / 1e6:.0f} MB, more than "
                f"{LARGEST / 1e6:.0f}; give fewer runs"
            )
        with write_beside(path) as beside:
            beside.write_bytes(content)
    return path


def _page(
    given: Sequence[Path | OpenRun],
    folders: Sequence[Path],
    *,
    data: str | None,
    seeds: int,
    span: float,
    steps: int,
    seed: int,
) -> str:
    most = SHOWN if len(folders) <= 2 else max(4, 2 * SHOWN // len(folders))
    opened = [
        open_run(one, data=data, seed=seed, whole=False) if isinstance(one, Path) else one
        for one in given
    ]
    names = _names(folders)
    matches = match_runs(opened, seed=seed)
    parts = [
        draw_part(
            run, name, seeds=seeds, span=span, steps=steps, most=most, seed=seed, matched=matched
        )
        for run, name, matched in zip(opened, names, matches, strict=True)
    ]
    configs = [run.header.config for run in opened]
    sample = max(run.sample for run in opened)
    script = (files("betavae.report") / "templates" / "report.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            runs=parts,
            facts=list(dict.fromkeys(name for part in parts for name in part["facts"])),
            title=parts[0]["title"] if len(parts) == 1 else f"{len(parts)} runs side by side",
            metrics=metric_rows([read_scores(folder) for folder in folders]),
            paper=all(config.data == "shapes2d" for config in configs),
            losses=list(dict.fromkeys(filter(None, map(words.loss, configs)))),
            sample=sample,
            threshold=ACTIVE_NATS,
            span=signed(span).removeprefix("+"),
            seeds=parts[0]["layout"]["seeds"],
            settings=setting_rows(configs),
            differing=differing_settings(opened) if len(parts) > 1 else {},
            shared=shared_charts(opened, names) if len(parts) > 1 else [],
            glossary=GLOSSARY,
            script=Markup(script),
            script_digest=script_source(script),
            weights=stamp(run.weights for run in opened),
            version=betavae.__version__,
            torch=torch.__version__,
            python=platform.python_version(),
            date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        )
    )


def _place(folders: Sequence[Path], out: Path | None) -> Path:
    """Return the file to write."""
    if out is not None:
        return out / NAME if out.is_dir() else out
    if len(folders) == 1:
        return folders[0] / NAME
    parents = {folder.resolve().parent for folder in folders}
    if len(parents) > 1:
        raise InputError("runs of several folders need --out, the file to write")
    return folders[0].parent / NAME


def _names(folders: Sequence[Path]) -> list[str]:
    """Name runs by their folders, in full where the last part is not enough."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def script_source(script: str) -> str:
    """Return the digest by which a page's security policy admits this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()


def environment() -> Environment:
    """Return the package's templates."""
    return Environment(
        loader=PackageLoader("betavae.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
