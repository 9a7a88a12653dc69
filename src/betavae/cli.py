"""The command line: parse, call, print. Nothing here that the Python API lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

import betavae
from betavae.config import Config, explain
from betavae.errors import InputError

app = App(
    name="betavae",
    version=betavae.__version__,
    help=(
        "Learn disentangled representations from images, and know how disentangled they are.\n\n"
        "Start with: betavae demo"
    ),
    help_format="plaintext",
    default_parameter=Parameter(negative=""),
    suppress_keyboard_interrupt=False,
)
data_app = App(name="data", help="List, inspect and prepare data sets.")
app.command(data_app)
reproduce_app = App(name="reproduce", help="Run the paper's experiments and compare.")
app.command(reproduce_app)

METHODS = (
    "Rows to run, with commas between: truth, pixels, pca, ica, dcign, infogan, untrained, vae, "
    "beta-vae. [default: what the folder knows, else all]"
)
RunFolder = Annotated[Path, Parameter(help="A run folder, made by `betavae train`.")]


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one line on stderr and exit code 2."""
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except InputError as error:
        _fail(str(error), 2)
    except CycloptsError as error:
        cause = error.__cause__
        _fail(explain(cause) if isinstance(cause, ValidationError) else str(error), 2)
    except KeyboardInterrupt as stop:
        _fail(str(stop) or "stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): nothing to say
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "), 2)


def _fail(message: str, code: int) -> None:
    print(f"betavae: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


@app.command
def train(
    data: str | None = None,
    /,
    *,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    toml: Path | None = None,
    config: Annotated[Config | None, Parameter(name="*")] = None,
) -> None:
    """Train a model on DATA: shapes2d, a .npy or .npz file, or a folder of images.

    Writes checkpoints and metrics.jsonl to the run folder. Ctrl-C saves, and
    `--resume` goes on: on the CPU to the very weights of the uninterrupted run.

    `--method` takes infogan, dcign, pca or ica, the paper's baselines, in the VAE's place.

    Example: betavae train shapes2d --beta 4 --images 200000 --seed 0 --out runs/b4

    Args:
        data: What to learn from. [default: shapes2d]
        out: Run folder. [default: runs/DATA-OBJECTIVE-BETA-SEED]
        resume: Go on from the run folder's last checkpoint.
        overwrite: Replace the run that the folder already holds.
        toml: Read options from this file; options on the command line win.
    """
    from betavae import data as datasets
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
    if resume and there:
        options = _merged(_given(checkpoint.read_header(folder).config), options)
    settings = Config.from_mapping(options)
    if resume and not there:
        print(f"no checkpoint in {folder} yet: starting from the beginning", file=sys.stderr)
    dataset = datasets.load(settings.data, size=settings.size)
    methods.fit(settings, dataset, folder, resume=resume and there)
    if settings.method != "vae":
        print(f"saved in {folder}; next: betavae score {folder}, betavae traverse {folder}")
        return
    if records := read_records(folder / RECORDS):
        last = records[-1]
        print(
            f"{last.images:,} images in {last.seconds:,.0f} s: distortion {last.distortion:.1f}, "
            f"rate {last.rate:.2f} nats an image, {last.active_latents} active latents"
        )
    print(f"saved in {folder}; next: betavae score {folder}, betavae report {folder}")


@app.command
def score(
    run_folder: RunFolder,
    /,
    *,
    protocol: Literal["higgins2017", "locatello2019"] = "higgins2017",
    pairs: int | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Score a run's codes with the disentanglement metric; writes score.json into the run.

    Example: betavae score runs/b4 --pairs 20

    Args:
        protocol: The metric's protocol.
        pairs: Pairs averaged into one point (L). [default: the protocol's, 20 or 64]
        rows: Encode this many random rows instead of the whole set.
        seed: Seed of rows, pairs and classifiers.
        device: Where to encode: auto, cpu, cuda or mps.
    """
    from betavae.studies.scoring import score_run

    result = score_run(
        run_folder, protocol=protocol, n_pairs=pairs, rows=rows, seed=seed, device=device
    )
    print(
        f"{result.protocol}: {100 * result.score:.2f} +- {100 * result.deviation:.2f} "
        f"(L = {result.n_pairs}, {len(result.scores)} classifier seeds, {result.n_test:,} test "
        f"points); written to {run_folder / 'score.json'}"
    )


@app.command
def encode(
    run_folder: RunFolder,
    data: str | None = None,
    /,
    *,
    out: Path | None = None,
    device: str = "auto",
) -> None:
    """Encode a data set with a trained run: posterior means and log variances as .npz.

    Example: betavae encode runs/b4 my_images/ --out codes.npz

    Args:
        data: What to encode. [default: what the run was trained on]
        out: The file to write. [default: RUN/representation.npz]
        device: Where to encode: auto, cpu, cuda or mps.
    """
    from betavae.studies.scoring import encode_run

    path = out or run_folder / "representation.npz"
    codes = encode_run(run_folder, data=data, device=device)
    codes.save(path)
    print(f"{len(codes.mean):,} images, {codes.mean.shape[1]} latents: written to {path}")


@app.command
def traverse(
    run_folder: RunFolder,
    /,
    *,
    out: Path | None = None,
    span: float = 3.0,
    steps: int = 11,
) -> None:
    """Draw what each latent does, over +-SPAN, as PNG and GIF.

    Example: betavae traverse runs/b4 --span 3

    Args:
        out: Folder for the pictures. [default: the run folder]
        span: Latents run from -SPAN to SPAN.
        steps: Pictures a row.
    """
    from betavae.traversals import write_traversals

    for path in write_traversals(run_folder, out=out, span=span, steps=steps):
        print(path)


@app.command
def report(run_folder: RunFolder, /, *, out: Path | None = None) -> None:
    """Write one self-contained HTML file: curves, rates, reconstructions, traversals, score.

    Example: betavae report runs/b4

    Args:
        out: The file to write. [default: RUN/report.html]
    """
    from betavae.report import write_report

    print(write_report(run_folder, out=out))


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


@reproduce_app.command(name="table")
def reproduce_table(
    *,
    out: Path = Path("runs/table"),
    methods: Annotated[str | None, Parameter(help=METHODS)] = None,
    replicas: int | None = None,
    images: int | None = None,
    rows: int | None = None,
    quick: bool = False,
    rescore: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    jobs: int | None = None,
) -> None:
    """Fit every method of Fig. 5 (left), score them, and print our numbers beside the paper's.

    The folder remembers what it was asked for: the same command, or one with `--out` alone, does
    what is missing. Methods may be given replicas and lengths one after the other.

    Example: betavae reproduce table --out runs/table --jobs 2

    Args:
        out: Folder of the study.
        replicas: Fits of each method. [default: 10, as in the paper]
        images: Length of training. [default: each method's preset]
        rows: Random images to encode and score. [default: all 737,280]
        quick: A few steps, to see that it works; the scores mean nothing then.
        rescore: Score the kept codes again, as after a change of the metric.
        engine: Where cells run: processes of this machine, or Ray (pip install betavae[ray]).
        ray_address: HOST:PORT of a running Ray cluster. [default: start one here]
        jobs: Cells at a time. [default: one a GPU, else one a core]
    """
    from betavae.studies.table import run_table
    from betavae.studies.table_output import print_table, write_figures

    chosen = None if methods is None else [name.strip() for name in methods.split(",")]
    outcome = run_table(
        out, methods=chosen, replicas=replicas, images=images, rows=rows, quick=quick,
        rescore=rescore, engine=engine, ray_address=ray_address, jobs=jobs,
    )  # fmt: skip
    print_table(outcome)
    for path in (*write_figures(outcome, out), out / "table.json"):
        print(path)


@reproduce_app.command(name="latent-size")
def reproduce_latent_size(
    *,
    out: Path = Path("runs/latent-size"),
    replicas: int = 1,
    images: int = 100_000,
    rows: int | None = None,
    quick: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    jobs: int | None = None,
) -> None:
    """Train and score over normalised beta and the number of latents: Fig. 5 (right).

    Example: betavae reproduce latent-size --out runs/latent-size --jobs 2

    Args:
        out: Folder of the study; finished cells are not done again.
        replicas: Fits of each cell; scores are averaged.
        images: Length of training.
        rows: Random images to encode and score. [default: all 737,280]
        quick: A 2 x 2 grid of a few steps; the scores mean nothing then.
        engine: Where cells run: processes of this machine, or Ray (pip install betavae[ray]).
        ray_address: HOST:PORT of a running Ray cluster. [default: start one here]
        jobs: Cells at a time. [default: one a GPU, else one a core]
    """
    from betavae.studies.latent_size import run_latent_size, write_outputs

    outcome = run_latent_size(
        out, replicas=replicas, images=images, rows=rows, quick=quick, engine=engine,
        ray_address=ray_address, jobs=jobs,
    )  # fmt: skip
    for path in (*write_outputs(outcome, out), out / "sweep.json"):
        print(path)


@app.command(name="choose")
def choose_runs(
    *runs: RunFolder,
    out: Path = Path("runs/choose"),
    rows: int = 10_000,
    pairs: int | None = None,
    seed: int = 0,
) -> None:
    """Rank runs with labels on a subset, and without labels, and say how far the two agree.

    Without labels: UDR and ModelCentrality, which compare the runs with one another. Writes the
    runs' traversals side by side.

    Example: betavae choose runs/b1 runs/b4 runs/b8 --out runs/choose

    Args:
        out: Folder for choose.json and choose.png.
        rows: Random images to compare on.
        pairs: Pairs averaged into one point of the metric (L). [default: 20]
        seed: Seed of everything.
    """
    from betavae.studies.choose import choose, write_choice

    for path in write_choice(choose(runs, rows=rows, pairs=pairs, seed=seed), out, seed=seed):
        print(path)


@data_app.command(name="list")
def data_list() -> None:
    """List the data sets that have a name, and what else can be given.

    Example: betavae data list
    """
    from betavae.data import shapes2d

    state = "prepared" if shapes2d.cache_path().exists() else "rendered on first use"
    print(f"shapes2d  737,280 binary 64x64 images, 5 factors ({state})")
    print("PATH      a .npy or .npz file, or a folder of PNG and JPEG images")


@data_app.command(name="info")
def data_info(data: str, /, *, size: Literal[32, 64, 128] | None = None) -> None:
    """Say what a data set holds.

    Example: betavae data info shapes2d

    Args:
        data: shapes2d, a .npy or .npz file, or a folder of images.
        size: Crop to the centre square and resize a folder's images to this side.
    """
    from betavae import data as datasets

    dataset = datasets.load(data, size=size)
    channels, height, width = dataset.images.image_shape
    kind = "binary, 8 pixels a byte" if dataset.images.packed else "uint8"
    print(f"{dataset.name}: {len(dataset.images):,} images, {channels} x {height} x {width}")
    print(f"stored {kind}: {dataset.images.nbytes / 1e6:,.1f} MB")
    if dataset.grid is not None:
        sizes = zip(dataset.grid.names, dataset.grid.sizes, strict=True)
        print("factors, a full grid: " + ", ".join(f"{name} {count}" for name, count in sizes))
    elif dataset.labels is not None:
        print("factors: " + ", ".join(dataset.factor_names))
    else:
        print("factors: none")


@data_app.command(name="prepare")
def data_prepare(data: str = "shapes2d", /, *, size: Literal[32, 64, 128] | None = None) -> None:
    """Render or read a data set into the cache now, so that training starts at once.

    Example: betavae data prepare shapes2d

    Args:
        data: shapes2d, or a folder of images.
        size: Crop to the centre square and resize a folder's images to this side.
    """
    data_info(data, size=size)


def _given(config: Config) -> dict[str, Any]:
    """Return the options that were set, without defaults."""
    return config.model_dump(include=config.model_fields_set)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay options over others; beta and beta_norm are one choice, so the upper one wins."""
    if {"beta", "beta_norm"} & over.keys():
        base = {key: value for key, value in base.items() if key not in ("beta", "beta_norm")}
    return {**base, **over}


def _default_folder(config: Config) -> Path:
    name = Path(config.data).stem if config.data != "shapes2d" else config.data
    weight = (
        f"norm{config.beta_norm:g}"
        if config.beta_norm is not None
        else f"{4.0 if config.beta is None else config.beta:g}"
    )
    kind = f"{config.objective}-{weight}" if config.method == "vae" else config.method
    return Path("runs") / f"{name}-{kind}-seed{config.seed}"
