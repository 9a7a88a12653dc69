"""Commands that judge codes: `score`, `encode`, `choose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from betavae._system.errors import InputError
from betavae.cli.apps import RunFolder, app


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
    data: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    device: str | None = None,
    held_out: bool = False,
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
        data: Where the run's images are, if no longer where they were, or another data set.
        rows: Encode this many random rows of the run's data instead of all.
        seed: Seed of rows and metrics.
        device: Where to encode a run's data: auto, cpu, cuda or mps. [default: auto]
        held_out: Score only images that the run's training never saw (--hold-out).
    """
    from betavae.runs.scores import SCORES
    from betavae.runs.scoring import ScoreOptions, score_files, score_run, write_results

    if (run_folder is None) == (codes is None):
        raise InputError(
            "score needs a run folder or --codes, got " + ("neither" if codes is None else "both")
        )
    given = {
        "factors": factors, "log-var": log_var, "data": data, "rows": rows, "device": device
    }  # fmt: skip
    for name in ("data", "rows", "device") if run_folder is None else ("factors", "log-var"):
        if given[name] is not None:
            what = "--codes" if run_folder is None else "a run folder"
            raise InputError(f"--{name} does not go with {what}")
    options = ScoreOptions(
        metrics or ("fast" if run_folder is None else "higgins"), protocol, pairs, factor_bins, seed
    )
    if held_out and run_folder is None:
        raise InputError("--held-out does not go with --codes")
    if codes is not None:
        results = score_files(codes, factors, log_var, options)
    else:
        assert run_folder is not None
        results = score_run(
            run_folder, options, data=data, rows=rows, device=device or "auto", held_out=held_out
        )
    if out is not None:  # before anything is printed: a terminal may not take what is printed
        write_results(out, results)
    print(results)
    for entry in results.entries.values():
        if entry.name == "higgins":  # what this number hangs on, which the table does not show
            found = entry.result
            print(
                f"{entry.protocol}: {100 * found.score:.2f} +- {100 * found.deviation:.2f} "
                f"(L = {found.n_pairs}, {len(found.scores)} classifier seeds, "
                f"{found.n_test:,} test points)"
            )
    places = [] if run_folder is None or data is not None else [run_folder / SCORES]
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
    """Encode a data set with a trained run: posterior means, log variances, factors, file names.

    The file's ending says the format: .npz has everything, .csv the means, .parquet both.

    Example: betavae encode runs/b4 my_images/ --out codes.npz

    Args:
        data: What to encode. [default: what the run was trained on]
        out: The file to write. [default: RUN/representation.npz]
        device: Where to encode: auto, cpu, cuda or mps.
    """
    from betavae.runs import representation
    from betavae.runs.code_tables import check_format, write_codes
    from betavae.runs.made import writing
    from betavae.runs.scoring import encode_run

    path = out or run_folder / representation.NAME
    check_format(path)
    with writing(path, run_folder):
        codes = encode_run(run_folder, data=data, device=device)
        write_codes(codes, path)
    print(f"{len(codes.mean):,} images, {codes.mean.shape[1]} latents: written to {path}")


@app.command
def neighbours(
    run_folder: RunFolder,
    picture: Path,
    /,
    *,
    k: Annotated[int, Parameter(name=("-k", "--k"))] = 10,
    data: str | None = None,
) -> None:
    """List the images of a run's data nearest to a picture, by their codes.

    The distance counts each active latent in its own deviations over the images.

    Example: betavae neighbours runs/b4 picture.png -k 10

    Args:
        picture: A picture, cropped to its centre square and resized.
        k: How many.
        data: Where the run's images are, if no longer where they were.
    """
    from betavae.cli.tables import print_neighbours
    from betavae.runs.neighbours import neighbours_of_picture

    print_neighbours(*neighbours_of_picture(run_folder, picture, k, data=data))


@app.command(name="runs")
def list_of_runs(folder: Path = Path("runs"), /, *, sort: str = "run") -> None:
    """List the runs in a folder: settings that differ, length, score, state.

    Distortion and rate are those of the last line of metrics.jsonl, nats an image.

    Example: betavae runs runs --sort score

    Args:
        folder: The folder that holds run folders, at any depth.
        sort: Column to sort by: run, state, images, score, distortion, rate, or a setting.
    """
    from betavae.cli.tables import print_runs
    from betavae.runs.listing import in_order, list_runs

    print_runs(in_order(list_runs(folder), sort), folder)


@app.command(name="choose")
def choose_runs(
    *runs: RunFolder,
    out: Path = Path("runs/choose"),
    rows: int = 10_000,
    pairs: int | None = None,
    seed: int = 0,
) -> None:
    """Rank runs with labels on a subset, and without labels, and say how far the two agree.

    Without labels: UDR and ModelCentrality, which compare the runs with one another, and among
    runs that differ in their seed alone the objective itself, in nats per image, lower is better.
    Writes the runs' traversals side by side.

    Example: betavae choose runs/b1 runs/b4 runs/b8 --out runs/choose

    Args:
        out: Folder for choose.json and choose.png.
        rows: Random images to compare on.
        pairs: Pairs averaged into one point of the metric (L). [default: 20]
        seed: Seed of everything.
    """
    from betavae.cli.tables import print_ranking
    from betavae.studies.ranking import rank_runs, write_ranking

    ranking = rank_runs(runs, rows=rows, pairs=pairs, seed=seed)
    written = write_ranking(ranking, out, seed=seed)  # before anything is printed
    print_ranking(ranking)
    for path in written:
        print(path)
