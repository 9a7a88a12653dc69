"""The command that trains: `train`. It needs the configuration, so it is imported when asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from betavae._system.errors import InputError
from betavae._system.launch import launched
from betavae.cli.options import COMMON, RUN, Arguments, given

if TYPE_CHECKING:
    from betavae.training.records import Record


def train(
    data: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(group=COMMON)] = None,
    resume: Annotated[bool, Parameter(group=COMMON)] = False,
    overwrite: Annotated[bool, Parameter(group=RUN)] = False,
    restarts: Annotated[int, Parameter(group=RUN)] = 1,
    jobs: Annotated[int | None, Parameter(group=RUN)] = None,
    report: Annotated[bool, Parameter(group=COMMON)] = False,
    toml: Annotated[Path | None, Parameter(group=RUN)] = None,
    options: Annotated[Arguments | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> None:
    """Train a model on DATA: shapes2d, a prepared set, a .npy or .npz file, or a folder of images.

    Writes checkpoints and metrics.jsonl to the run folder. Ctrl-C saves, and
    `--resume` goes on: on the CPU to the very weights of the uninterrupted run.

    Several processes share a training: torchrun --nproc-per-node 2 -m betavae train ...
    (docs/scaling.md).

    `--method` takes infogan, dcign, pca or ica, the paper's baselines, in the VAE's place.
    `--network my_module:my_function` takes a network of your own (docs/networks.md).

    Without --objective or --beta the images say what is trained: black and white ones with the
    recipe of all five factors (objective settle), grey and colour ones with what suits pictures;
    a note says what was taken, and options that you give win (docs/howto/own-images.md).

    Example: betavae train shapes2d --out runs/five
    Example: betavae train shapes2d --beta 4 --images 200000 --seed 0 --out runs/b4
    Example: betavae train my_images/ --size 64 --report
    Example: betavae train shapes2d --beta 4 --restarts 5 --out runs/best-of-5

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
    from betavae.studies.restarts import train_restarts
    from betavae.studies.training_runs import plan_training, train_folder
    from betavae.training.build import Own, imported_network
    from betavae.training.records import RECORDS, read_records

    chosen = {} if options is None else given(options)
    if data is not None:
        chosen["data"] = data
    planned = plan_training(chosen, out, toml=toml, resume=resume, overwrite=overwrite)
    settings, folder = planned.config, planned.folder
    network = chosen.get("network", "")
    own = Own(network=imported_network(network)) if ":" in network else None
    if restarts != 1:
        _print_seeds(train_restarts(settings, folder, restarts, jobs=jobs, overwrite=overwrite))
    else:
        train_folder(planned, own=own)
    if launched().rank > 0:
        return
    if settings.method.name == "vae" and (records := read_records(folder / RECORDS)):
        _print_end(folder, records[-1])
    if not report:
        print(f"saved in {folder}; next: betavae score {folder}, betavae report {folder}")
        return
    from betavae.report.write import write_report
    from betavae.runs import representation
    from betavae.runs.scoring import encode_run

    codes = folder / representation.NAME
    encode_run(folder, device=settings.device).save(codes)
    print(f"codes: {codes}\nreport: {write_report([folder])}")


def _print_end(folder: Path, last: Record) -> None:
    """Print what a training came to, measured as the report and the demo measure it."""
    from betavae.models.likelihoods import NO_LIKELIHOOD
    from betavae.runs.diagnosis import collapsed, diagnose
    from betavae.runs.opened import open_run

    line = f"{last.images:,} images in {last.seconds:,.0f} s"
    try:
        run = open_run(folder)
    except InputError:  # a network given by hand: the last record must do
        print(f"{line}: distortion {last.distortion:.1f}, rate {last.rate:.2f} nats an image")
        return
    if run.distortion is None:
        print(line)
        return
    print(
        f"{line}: distortion {run.distortion:.1f}, rate {run.rates.sum():.2f} nats an image, "
        f"{run.scale.active.sum()} active latents (means over {run.sample:,} images)"
    )
    if run.is_no_likelihood:
        print(NO_LIKELIHOOD)
    empty = collapsed(run.rates) if run.scale.prior else None  # of which training has warned
    for advice in diagnose(run):
        if advice != empty:
            print(f"warning: {advice}", file=sys.stderr)


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
