"""Commands of many runs: `demo`, `study ...`, `reproduce ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from betavae.cli.apps import app, reproduce_app, study_app

METHODS = (
    "Rows to run, with commas between: truth, pixels, pca, ica, ica-150, dcign, dcign-first, "
    "infogan, untrained, vae, vae-falling, beta-vae-constant, beta-vae, and with the paper's own "
    "network and optimiser untrained-fc, vae-fc, beta-vae-fc. "
    "[default: what the folder knows, else all]"
)
SEVERAL = Parameter(consume_multiple=True)


@app.command
def demo(*, out: Path = Path("runs/demo"), seed: int = 0, quick: bool = False) -> None:
    """Train the default recipe and a beta = 1 control on the 2D shapes, score both, write reports.

    Example: betavae demo --out runs/demo

    Args:
        out: Folder for the two runs.
        seed: Seed of everything.
        quick: A tenth of the length, to see that it works; the scores mean nothing then.
    """
    from betavae.cli.tables import print_demo
    from betavae.studies.demo import run_demo

    print_demo(run_demo(out, seed=seed, quick=quick), out)


@study_app.command(name="dual")
def study_dual(
    *,
    out: Path = Path("runs/dual"),
    data: str = "shapes2d",
    epsilons: Annotated[tuple[float, ...] | None, SEVERAL] = None,
    images: int = 60_000,
    network: Literal["fc", "conv", "burgess", "patch"] = "patch",
    seed: int = 0,
) -> None:
    """Check that the multiplier of a rate constraint is the slope of the best log likelihood.

    Trains constrained runs, each from the one before, until the rate is within 0.1 nats of its
    epsilon; writes dual.json and dual.png. The same line goes on with a study that was stopped.

    Example: betavae study dual --out runs/dual --epsilons 18 12 6

    Args:
        out: Folder of the study.
        data: What to learn from.
        epsilons: Rates to hold, nats per image. [default: 18 15 12 9 6]
        images: Length of a round; the first is three times as long, and there are six an epsilon
            at most.
        network: Network of all runs.
        seed: Seed of all runs.
    """
    from betavae.cli.tables import print_dual
    from betavae.studies.dual import EPSILONS, run_dual

    outcome = run_dual(
        out, data=data, epsilons=epsilons or EPSILONS, images=images, network=network, seed=seed
    )
    print_dual(outcome)
    print(f"written to {out / 'dual.json'}, {out / 'dual.png'}")


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
    from betavae.cli.tables import print_rate_distortion
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
    print_rate_distortion(outcome)
    print(f"written to {out / 'rate_distortion.json'}, {out / 'rate_distortion.png'}")


@reproduce_app.command(name="table")
def reproduce_table(
    data: str | None = None,
    /,
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

    The data set needs a full factor grid: the metric, DC-IGN and the truth are made from it.

    Example: betavae reproduce table --out runs/table --jobs 2

    Args:
        data: What to fit. [default: what the folder knows, else shapes2d]
        out: Folder of the study.
        replicas: Fits of each method. [default: 10, as in the paper]
        images: Length of training. [default: each method's preset]
        rows: Random images to encode and score. [default: all]
        quick: A few steps, to see that it works; the scores mean nothing then.
        rescore: Score the kept codes again, as after a change of the metric.
        engine: Where cells run: processes of this machine, or Ray (pip install betavae[ray]).
        ray_address: HOST:PORT of a running Ray cluster. [default: start one here]
        jobs: Cells at a time. [default: one a GPU, else one a core]
    """
    from betavae.cli.tables import print_methods
    from betavae.studies.engines import Engine
    from betavae.studies.study_figures import write_table_figures
    from betavae.studies.table import run_table
    from betavae.studies.table_plan import TableOptions

    chosen = None if methods is None else [name.strip() for name in methods.split(",")]
    asked = TableOptions(data, chosen, replicas, images, rows, quick)
    outcome = run_table(out, asked, rescore=rescore, engine=Engine(engine, jobs, ray_address))
    written = (*write_table_figures(outcome, out), out / "table.json")  # before anything is printed
    print_methods(outcome)
    for path in written:
        print(path)


@reproduce_app.command(name="latent-size")
def reproduce_latent_size(
    *,
    out: Path = Path("runs/latent-size"),
    latents: Annotated[tuple[int, ...] | None, SEVERAL] = None,
    beta_norms: Annotated[tuple[float, ...] | None, SEVERAL] = None,
    replicas: int = 1,
    images: int = 300_000,
    rows: int | None = None,
    paper_network: bool = False,
    quick: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    jobs: int | None = None,
) -> None:
    """Train and score over normalised beta and the number of latents: Fig. 5 (right).

    Example: betavae reproduce latent-size --out runs/latent-size --jobs 2
    Example: betavae reproduce latent-size --latents 5 10 --beta-norms 0.001 0.01 0.1

    Args:
        out: Folder of the study; finished cells are not done again.
        latents: Numbers of latents. [default: 2 5 10 20 50]
        beta_norms: Values of beta x latents / pixels. [default: 0.0003 to 1, eight]
        replicas: Fits of each cell; scores are averaged.
        images: Length of training.
        rows: Random images to encode and score. [default: all 737,280]
        paper_network: Train the paper's network and optimiser (Table 1) in the fast one's place.
        quick: A 2 x 2 grid of a few steps; the scores mean nothing then.
        engine: Where cells run: processes of this machine, or Ray (pip install betavae[ray]).
        ray_address: HOST:PORT of a running Ray cluster. [default: start one here]
        jobs: Cells at a time. [default: one a GPU, else one a core]
    """
    from betavae.cli.tables import print_sweep
    from betavae.studies.engines import Engine
    from betavae.studies.latent_size import (
        BETA_NORMS,
        LATENTS,
        Sweep,
        run_latent_size,
        write_sweep_figures,
    )

    sweep = Sweep(
        latents or LATENTS, beta_norms or BETA_NORMS, replicas, images, rows, paper_network, quick
    )
    outcome = run_latent_size(out, sweep, engine=Engine(engine, jobs, ray_address))
    written = (*write_sweep_figures(outcome, out), out / "sweep.json")  # before anything is printed
    print_sweep(outcome)
    for path in written:
        print(path)


@app.command(name="benchmark")
def benchmark(
    *,
    data: str = "shapes2d,scenes3d",
    methods: str = "beta,tcvae,factor",
    seeds: int | None = None,
    images: int = 200_000,
    metrics: str | None = None,
    held_out: int | None = None,
    labels: int = 0,
    points: int = 0,
    latents: int | None = None,
    protocol: Literal["hsu2023"] | None = None,
    out: Path = Path("runs/benchmark"),
    quick: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    jobs: int | None = None,
) -> None:
    """Train methods on data sets over seeds, score them on held-out images, write one page.

    Every method has a grid of three settings (betavae/studies/benchmark_methods.toml), all trained
    for the same length; one is chosen, without labels or with as many as you say. The same line
    goes on with a benchmark that was stopped. Writes benchmark.json and benchmark.html.

    Example: betavae benchmark --data shapes2d,scenes3d --methods beta,tcvae,factor --seeds 3

    Args:
        data: Data sets with known factors, with commas between.
        methods: Out of beta, tcvae, factor, adagvae, qlae, joint, with commas between.
        seeds: Runs of every setting. [default: 3]
        images: Length of every training, in images.
        metrics: What is scored. [default: infomec,dci:fast,mig,factor_vae,higgins,psnr]
        held_out: Images that no training sees, on which all is scored. [default: 10000]
        labels: Choose settings by MIG on so many labelled images; 0: without labels, by UDR.
        points: Settings of each grid, from its middle; 0: all three. One is not chosen at all.
        latents: Latents of every model. [default: 10; hsu2023: twice the factors]
        protocol: hsu2023: latents twice the factors, 10,000 held-out images, 3 seeds, InfoMEC.
        out: Folder of the study.
        quick: One setting a method, 2 seeds, 640 images: the scores mean nothing.
        engine: Where cells run: processes of this machine, or Ray (pip install betavae[ray]).
        ray_address: HOST:PORT of a running Ray cluster. [default: start one here]
        jobs: Trainings at a time. [default: one a GPU, else one a core]
    """
    from betavae.cli.tables import print_benchmark
    from betavae.studies.benchmark import run_benchmark
    from betavae.studies.benchmark_page import write_benchmark_page
    from betavae.studies.benchmark_plan import planned
    from betavae.studies.engines import Engine

    given = {
        "seeds": seeds, "metrics": metrics, "held_out": held_out, "latents": latents
    }  # fmt: skip
    plan = planned(
        [name.strip() for name in data.split(",")],
        [name.strip() for name in methods.split(",")],
        images=images, labels=labels, points=points, quick=quick, protocol=protocol,
        **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
    outcome = run_benchmark(out, plan, engine=Engine(engine, jobs, ray_address))
    written = (out / "benchmark.json", write_benchmark_page(outcome, out))
    print_benchmark(outcome)
    for path in written:
        print(path)
