"""Commands that train: `train`, `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from betavae._system.errors import InputError
from betavae._system.launch import launched
from betavae.cli.apps import app
from betavae.config import Config


@app.command
def train(
    data: str | None = None,
    /,
    *,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    restarts: int = 1,
    jobs: int | None = None,
    report: bool = False,
    toml: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
) -> None:
    """Train a model on DATA: shapes2d, a prepared set, a .npy or .npz file, or a folder of images.

    Writes checkpoints and metrics.jsonl to the run folder. Ctrl-C saves, and
    `--resume` goes on: on the CPU to the very weights of the uninterrupted run.

    Several processes share a training: torchrun --nproc-per-node 2 -m betavae train ...
    (docs/scaling.md).

    `--method` takes infogan, dcign, pca or ica, the paper's baselines, in the VAE's place.

    Example: betavae train shapes2d --beta 4 --images 200000 --seed 0 --out runs/b4
    Example: betavae train my_images/ --size 64 --report
    Example: betavae train shapes2d --restarts 5 --out runs/best-of-5

    Args:
        data: What to learn from. [default: shapes2d]
        out: Run folder. [default: runs/DATA-OBJECTIVE-BETA-SEED]
        resume: Go on from the run folder's last checkpoint, to a greater --images if asked.
        overwrite: Replace the run that the folder already holds.
        restarts: Train so many seeds side by side, from --seed on, and keep the one with the
            lowest loss; all stay in the run folder's restarts/. The same line goes on with them.
        jobs: Seeds at a time. [default: a device or a core each]
        report: Also write the codes, representation.npz, and report.html to the run folder.
        toml: Read options from this file; options on the command line win.
    """
    from betavae import data as datasets
    from betavae.studies.restarts import check_no_seeds, forget_seeds, train_restarts
    from betavae.training import checkpoint, methods
    from betavae.training.records import RECORDS, read_records

    given: dict[str, Any] = {} if config is None else _given(config)
    if data is not None:
        given["data"] = data
    options = _merged({} if toml is None else Config.from_toml(toml), given)
    folder = out or _default_folder(Config.from_mapping(options))
    there = (folder / checkpoint.NAME).is_file()
    if there and not resume and not overwrite:
        raise InputError(
            f"{folder} already holds a run; add --resume to go on with it, --overwrite to "
            "replace it, or choose another --out"
        )
    if resume and there and restarts == 1:
        options = _merged(_given(checkpoint.read_header(folder).config), options)
    settings = Config.from_mapping(options)
    if restarts != 1:
        seeds = train_restarts(settings, folder, restarts, jobs=jobs, overwrite=overwrite)
        _print_seeds(seeds)
    else:
        check_no_seeds(folder)
        if resume and not there and launched().rank == 0:
            print(f"no checkpoint in {folder} yet: starting from the beginning", file=sys.stderr)
        dataset = datasets.load(settings.data, size=settings.size)
        if overwrite and launched().rank == 0:
            forget_seeds(folder)
        methods.fit(settings, dataset, folder, resume=resume and there)
    if launched().rank > 0:
        return
    if settings.method == "vae" and (records := read_records(folder / RECORDS)):
        last = records[-1]
        print(
            f"{last.images:,} images in {last.seconds:,.0f} s: distortion {last.distortion:.1f}, "
            f"rate {last.rate:.2f} nats an image, {last.active_latents} active latents"
        )
    if not report:
        print(f"saved in {folder}; next: betavae score {folder}, betavae report {folder}")
        return
    from betavae.report.write import write_report
    from betavae.runs import representation
    from betavae.runs.scoring import encode_run

    codes = folder / representation.NAME
    encode_run(folder, device=settings.device).save(codes)
    print(f"codes: {codes}\nreport: {write_report([folder])}")


@app.command
def demo(*, out: Path = Path("runs/demo"), seed: int = 0, quick: bool = False) -> None:
    """Train beta = 4 and the beta = 1 control on the 2D shapes, score both, write reports.

    Example: betavae demo --out runs/demo

    Args:
        out: Folder for the two runs.
        seed: Seed of everything.
        quick: A tenth of the length, to see that it works; the scores mean nothing then.
    """
    from betavae.studies.demo import run_demo

    run_demo(out, seed=seed, quick=quick)


def _print_seeds(seeds: list[dict[str, Any]]) -> None:
    """Print what each seed came to, the best first."""
    print("nats an image, on the same images for all seeds:")
    print("seed    loss  distortion    rate  active latents")
    for row in seeds:
        if row["objective"] is None:
            print(f"{row['seed']:4d}   diverged")
            continue
        print(
            f"{row['seed']:4d}{row['objective']:8.2f}{row['distortion']:12.2f}{row['rate']:8.2f}"
            f"{row['active_latents']:16d}" + ("   kept" if row is seeds[0] else "")
        )


def _given(config: Config) -> dict[str, Any]:
    """Return the options that were set, without defaults."""
    return config.model_dump(exclude_unset=True)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay options over others; beta and beta_norm are one choice, so the upper one wins.

    Options of the same objective are laid over each other, those of another one dropped.
    """
    if {"beta", "beta_norm"} & over.keys():
        base = {key: value for key, value in base.items() if key not in ("beta", "beta_norm")}
    merged = {**base, **over}
    below, above = _table(base.get("objective")), _table(over.get("objective"))
    if below and above and below.get("name", "beta") == above.get("name", "beta"):
        merged["objective"] = {**below, **above}
    return merged


def _table(objective: Any) -> dict[str, Any]:
    """Return an objective, given by name or as a table, as a table."""
    return {"name": objective} if isinstance(objective, str) else dict(objective or {})


def _default_folder(config: Config) -> Path:
    name = Path(config.data).stem if config.data != "shapes2d" else config.data
    if config.method != "vae":
        return Path("runs") / f"{name}-{config.method}-seed{config.seed}"
    objective = str(config.objective).replace(",", "").replace(" ", "-")
    if config.objective.name == "beta":
        norm = config.beta_norm is not None
        weight = f"norm{config.beta_norm:g}" if norm else f"{config.resolved_beta(1):g}"
        objective = objective.replace("beta", f"beta-{weight}", 1)
    return Path("runs") / f"{name}-{objective}-seed{config.seed}"
