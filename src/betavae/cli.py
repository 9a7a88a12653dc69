"""The command line: parse, call, print. Nothing here that the Python API lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

import betavae
from betavae.config import Config, explain
from betavae.drawings.catalogue import listing
from betavae.errors import InputError

if TYPE_CHECKING:
    from betavae.data.dataset import Dataset

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
study_app = App(name="study", help="Repeat and compare: experiments of many runs.")
app.command(study_app)
reproduce_app = App(name="reproduce", help="Run the paper's experiments and compare.")
app.command(reproduce_app)

METHODS = (
    "Rows to run, with commas between: truth, pixels, pca, ica, dcign, infogan, untrained, vae, "
    "beta-vae. [default: what the folder knows, else all]"
)
RunFolder = Annotated[Path, Parameter(help="A run folder, made by `betavae train`.")]


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one line on stderr and exit code 2."""
    words = _spelled_out(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
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


def _spelled_out(words: list[str]) -> list[str]:
    """Write `--objective NAME` as `--objective.name NAME`, so that its options can follow."""
    short, full = "--objective", "--objective.name"
    return [full + word[len(short) :] if word.split("=")[0] == short else word for word in words]


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
    """Train a model on DATA: shapes2d, a prepared set, a .npy or .npz file, or a folder of images.

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
    run_folder: RunFolder | None = None,
    /,
    *,
    metrics: str | None = None,
    protocol: str | None = None,
    pairs: int | None = None,
    codes: Path | None = None,
    factors: Path | None = None,
    log_var: Path | None = None,
    factor_bins: int = 20,
    out: Path | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Score a run's codes, or anybody's, with metrics of disentanglement.

    A run's results go into its score.json. METRICS is `all`, `fast` (all but the slow one), or
    names such as `mig,dci:locatello2019`; a metric without a protocol runs with its default one.

    Example: betavae score runs/b4 --metrics all
    Example: betavae score --codes codes.npy --factors factors.csv --out results.json

    Args:
        metrics: What to compute. [default: higgins for a run, fast for --codes]
        protocol: The protocol of metrics named without one.
        pairs: Pairs averaged into one point of the Higgins score (L). [default: the protocol's]
        codes: Codes (N, M) in a .npy, .npz or .csv file, in place of a run.
        factors: Factors (N, K) that go with --codes; -1 or an empty cell: not known.
        log_var: Log variances (N, M) that go with --codes.
        factor_bins: Bins that a continuous factor is cut into.
        out: Write the whole result to this JSON file too.
        rows: Encode this many random rows of the run's data instead of all.
        seed: Seed of rows and metrics.
        device: Where to encode a run's data: auto, cpu, cuda or mps. [default: auto]
    """
    from betavae.studies import scoring

    if (run_folder is None) == (codes is None):
        raise InputError(
            "score needs a run folder or --codes, got " + ("neither" if codes is None else "both")
        )
    given = {"factors": factors, "log-var": log_var, "rows": rows, "device": device}
    for name in ("rows", "device") if run_folder is None else ("factors", "log-var"):
        if given[name] is not None:
            what = "--codes" if run_folder is None else "a run folder"
            raise InputError(f"--{name} does not go with {what}")
    common: dict[str, Any] = {
        "protocol": protocol, "n_pairs": pairs, "factor_bins": factor_bins, "seed": seed,
    }  # fmt: skip
    if codes is not None:
        results = scoring.score_files(codes, factors, log_var, metrics=metrics or "fast", **common)
    else:
        assert run_folder is not None
        results = scoring.score_run(
            run_folder, metrics=metrics or "higgins", rows=rows, device=device or "auto", **common
        )
    print(results)
    for entry in results.entries.values():
        if entry.name == "higgins":  # what this number hangs on, which the table does not show
            found = entry.result
            print(
                f"{entry.protocol}: {100 * found.score:.2f} +- {100 * found.deviation:.2f} "
                f"(L = {found.n_pairs}, {len(found.scores)} classifier seeds, "
                f"{found.n_test:,} test points)"
            )
    if out is not None:
        scoring.write_results(out, results)
    places = [] if run_folder is None else [run_folder / scoring.SCORES]
    for place in places if out is None else [*places, out]:
        print(f"written to {place}")


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


def figure(
    name: str,
    /,
    *runs: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    rows: int = 50_000,
    seeds: int = 2,
    span: float = 3.0,
    steps: int = 11,
    latents: int = 16,
    seed: int = 0,
) -> None:
    """Draw a figure of the paper, or about a run; the numbers drawn go into a JSON beside it.

    Args:
        name: Which figure; see below.
        runs: Run folders; or codes, as `betavae encode` writes them, where codes are enough.
        out: The picture to write: .png, .svg or .pdf.
        rows: Images encoded, about; on a full grid, thinned evenly.
        seeds: Images that traversals start from.
        span: Latents run from -SPAN to SPAN.
        steps: Pictures a traversal.
        latents: Latents shown a run, at most.
        seed: Seed of every random choice.
    """
    from betavae.drawings.draw import draw_figure
    from betavae.drawings.options import Options

    options = Options(rows=rows, seeds=seeds, span=span, steps=steps, latents=latents, seed=seed)
    for path in draw_figure(name, runs, out, options):
        print(path)


# The names belong into the help, and stand in one place only.
app.command(
    figure,
    help=f"""{(figure.__doc__ or "").partition("Args:")[0].strip()}

    Example: betavae figure responses runs/b4 -o responses.png

    NAME is one of:

{listing()}
    """,
)


@app.command
def report(*runs: RunFolder, out: Path | None = None) -> None:
    """Write one self-contained HTML file: scores, responses, traversals to turn, curves, rates.

    Several runs are put side by side.

    Example: betavae report runs/b4
    Example: betavae report runs/b4 runs/b1 --out compared.html

    Args:
        out: The file to write. [default: report.html in the run, or beside several runs]
    """
    from betavae.report import write_report

    print(write_report(runs, out=out))


@app.command
def explore(
    run_folder: RunFolder,
    other: Annotated[Path | None, Parameter(help="A second run to compare with.")] = None,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8600,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Turn a run's latents by hand in the browser; needs the extra `app`.

    The page is served to this machine only, and loads nothing from elsewhere.

    Example: betavae explore runs/b4
    Example: betavae explore runs/b4 runs/b1 --port 9000 --no-browser

    Args:
        host: Address to listen on; other than loopback, others on the network can look too.
        port: Port to listen on; 0 takes a free one.
        browser: Open the page in the browser.
    """
    try:
        from betavae.app.server import serve
    except ModuleNotFoundError as error:
        raise InputError(
            f"explore needs the package {error.name}; install it with: pip install 'betavae[app]'"
        ) from None
    serve(
        [run_folder] if other is None else [run_folder, other],
        host=host,
        port=port,
        browser=browser,
    )


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


@study_app.command(name="dual")
def study_dual(
    *,
    out: Path = Path("runs/dual"),
    data: str = "shapes2d",
    epsilons: tuple[float, ...] | None = None,
    images: int = 60_000,
    network: Literal["fc", "conv", "burgess", "patch"] = "patch",
    seed: int = 0,
) -> None:
    """Check that the multiplier of a rate constraint is the slope of the best log likelihood.

    Trains constrained runs, each from the one before; writes dual.json and dual.png. The same
    line goes on with a study that was stopped.

    Example: betavae study dual --out runs/dual --epsilons 18 --epsilons 12 --epsilons 6

    Args:
        out: Folder of the study.
        data: What to learn from.
        epsilons: Rates to hold, nats per image, one option each. [default: 18 15 12 9 6]
        images: Length of a run; the first is three times as long.
        network: Network of all runs.
        seed: Seed of all runs.
    """
    from betavae.studies.dual import EPSILONS, run_dual

    outcome = run_dual(
        out, data=data, epsilons=epsilons or EPSILONS, images=images, network=network, seed=seed
    )
    print("  epsilon     rate  distortion  multiplier  dG/d epsilon")
    for row in outcome["runs"]:
        print(
            f"{row['epsilon']:9.4g}{row['rate']:9.2f}{row['distortion']:12.2f}"
            f"{row['multiplier']:12.3g}"
            + (f"{row['slope']:14.3g}" if row["on_curve"] else "   beaten by another run")
        )
    if not outcome["converged"]:
        print("fewer than three runs lie on one curve: train longer (--images)")
    print(
        f"multiplier / slope: {outcome['median_multiplier_over_slope']:.2f} (median); "
        f"written to {out / 'dual.json'}, {out / 'dual.png'}"
    )


@study_app.command(name="rate-distortion")
def study_rate_distortion(
    *,
    out: Path = Path("runs/rate-distortion"),
    data: str = "shapes2d",
    betas: tuple[float, ...] | None = None,
    images: int = 40_000,
    network: Literal["fc", "conv", "burgess", "patch"] = "patch",
    sigma: float = 0.3,
    seed: int = 0,
) -> None:
    """Draw distortion against rate over beta, for a Bernoulli and a Gaussian decoder.

    Each run starts from the one before; writes rate_distortion.json and rate_distortion.png.
    The same line goes on with a study that was stopped.

    Example: betavae study rate-distortion --out runs/rd --betas 1 --betas 4 --betas 16

    Args:
        out: Folder of the study.
        data: What to learn from.
        betas: Weights of the rate, one option each. [default: 0.5 1 2 4 8 16 32]
        images: Length of a run; the first of each decoder is three times as long.
        network: Network of all runs.
        sigma: Standard deviation of the Gaussian decoder.
        seed: Seed of all runs.
    """
    from betavae.studies.rate_distortion import BETAS, run_rate_distortion

    outcome = run_rate_distortion(
        out,
        data=data,
        betas=betas or BETAS,
        images=images,
        network=network,
        sigma=sigma,
        seed=seed,
    )
    print("     beta   Bernoulli D / R    Gaussian D / R")
    for one, two in zip(outcome["bernoulli"], outcome["gaussian"], strict=True):
        print(
            f"{one['beta']:9.4g}{one['distortion']:11.1f} /{one['rate']:5.1f}"
            f"{two['distortion']:11.1f} /{two['rate']:5.1f}"
        )
    print(f"written to {out / 'rate_distortion.json'}, {out / 'rate_distortion.png'}")


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
    from betavae.data import prepared, shapes2d
    from betavae.data.sets import SETS

    state = "prepared" if shapes2d.cache_path().exists() else "rendered on first use"
    print(f"{'shapes2d':13} 737,280 binary 64x64 ({state})")
    for name, recipe in SETS.items():
        sizes = ", ".join(map(str, prepared.find(name)))
        state = f"prepared, size {sizes}" if sizes else f"see: betavae data info {name}"
        print(f"{name:13} {recipe.images} ({state})")
    print(f"{'PATH':13} a .npy or .npz file, or a folder of PNG and JPEG images")


@data_app.command(name="info")
def data_info(data: str, /, *, size: Literal[32, 64, 128] | None = None) -> None:
    """Say what a data set holds, and of a named one where to get it and under which terms.

    Example: betavae data info chairs

    Args:
        data: shapes2d, a name that `betavae data list` shows, a .npy or .npz file, or a folder
            of images.
        size: Side of a prepared set; crop and resize a folder's images to this side.
    """
    from betavae import data as datasets
    from betavae.data import prepared
    from betavae.data.sets import SETS

    if data in SETS:
        print("\n".join(SETS[data].lines(data)))
        there = prepared.find(data)
        if not there or (size is not None and size not in there):
            print("not prepared yet")
            return
        header = prepared.read_header(
            there.get(size or SETS[data].size, next(iter(there.values())))
        )
        print(f"prepared from {header.source['path']} (sha256 {header.source['sha256']})")
        if header.remark:
            print(header.remark)
        _show(datasets.load(data, size=header.image_shape[1]))
        return
    _show(datasets.load(data, size=size))


def _show(dataset: Dataset) -> None:
    """Print what a data set holds."""
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
def data_prepare(
    data: str = "shapes2d",
    /,
    *,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    download: bool = False,
    size: Literal[32, 64, 128] | None = None,
    colour: Annotated[bool | None, Parameter(negative="--grey")] = None,
    crop: int | Literal["whole"] | None = None,
    identities: int | None = None,
    azimuths: int | None = None,
    elevations: int | None = None,
    lights: int | None = None,
) -> None:
    """Read a data set into the cache now, so that training starts at once.

    Example: betavae data prepare faces --from 01_MorphableModel.mat --identities 50

    Args:
        data: shapes2d, a name that `betavae data list` shows, or a folder of images.
        source: The file or folder that you downloaded; `betavae data info NAME` says which.
        download: Download it into the cache first, where it has a stable public address.
        size: Side of the images. [default: the set's own, mostly 64]
        colour: Make images RGB, or with --grey grey. [default: the set's own]
        crop: Side of the centre square to cut out, or whole to squeeze everything.
        identities: Faces: how many people.
        azimuths: Faces: how many turns of the head.
        elevations: Faces: how many heights of the camera.
        lights: Faces: how many directions of the light.
    """
    from betavae import data as datasets
    from betavae.data import prepare, prepared
    from betavae.data.cache import cache_folder
    from betavae.data.recipe import Options

    options = Options(size, colour, crop, identities, azimuths, elevations, lights)
    if source is None and not download and options == Options(size):
        _show(datasets.load(data, size=size))
        return
    if source is None and not download:
        raise InputError("these options need --from PATH, the files to prepare")
    if source is not None and download:
        raise InputError("give --from or --download, not both")
    if source is None:
        source = prepare.download(data, cache_folder() / "downloads" / data)
    path = prepare.prepare(data, source, options)
    header = prepared.read_header(path)
    _show(prepared.load(path, data))
    if header.remark:
        print(header.remark)
    print(f"written to {path}; next: betavae train {data}")


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
