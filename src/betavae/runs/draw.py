"""One function a named figure: opens what it is given, draws, and returns the numbers drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from betavae import figures
from betavae._system.errors import InputError
from betavae._system.files import write_json
from betavae.figures.curves import panel_row
from betavae.figures.files import FORMATS
from betavae.runs import image_figures as images
from betavae.runs import score_figures as scores
from betavae.runs import study_figures as studies
from betavae.runs.figure_options import Drawn, Options
from betavae.runs.method import open_method, open_whole_run
from betavae.runs.named_figures import check_name
from betavae.training.checkpoint import Header, read_header
from betavae.training.records import ACTIVE_NATS, RECORDS, Record, read_records


@dataclass(frozen=True)
class Drawing:
    """How a figure is made from paths: one run each, or several together."""

    draw: Callable[[Sequence[Path], Options], Drawn]
    several: bool = False


def draw_figure(
    name: str, paths: Sequence[Path], out: Path, options: Options | None = None
) -> tuple[Path, Path]:
    """Draw a figure by name, and write the numbers it shows beside it.

    Args:
        name: one of `betavae.runs.named_figures.FIGURES`.
        paths: run folders, or .npz files of codes where codes are enough; for figures of a study
            its folder, or the JSON file with its outcome.
        out: a .png, .svg or .pdf file; the numbers go to the same name ending in .json.
        options: what the figures can be told.

    Returns:
        The picture's and the numbers' file.

    Raises:
        InputError: for a name or an ending that is not there, for paths that cannot be used, and
            where the figure needs factors, a decoder or a score that is missing.
    """
    drawing = DRAWINGS[check_name(name)]
    if out.suffix.lower().removeprefix(".") not in FORMATS:
        raise InputError(f"figures are saved as {', '.join(FORMATS)}, got '{out.name}'")
    if not paths:
        raise InputError(f"figure {name} needs a run, got none")
    if len(paths) > 1 and not drawing.several:
        raise InputError(f"figure {name} draws one run, got {len(paths)}")
    drawn = drawing.draw(paths, options or Options())
    numbers = out.with_suffix(".json")
    content = {"figure": name, "from": [str(path) for path in paths], **drawn.numbers}
    write_json(numbers, content, allow_nan=False)
    return figures.save(drawn.figure, out), numbers


def _curves(paths: Sequence[Path], options: Options) -> Drawn:
    """Draw the terms of training."""
    method = _header(paths[0], "curves").config.method.name
    if method in ("pca", "ica"):
        raise InputError(f"{paths[0]} is a run of method {method}, fitted in one go: no curves")
    seen, records = _recorded(paths[0], "curves")
    terms = {name: [record.terms[name] for record in records] for name in records[0].terms}
    if method != "vae":
        titles = {name.replace("_", " ").capitalize(): line for name, line in terms.items()}
        return Drawn(panel_row(seen, titles), {"images": seen, **terms})
    loss = [record.loss for record in records]
    beta = terms.get("beta")
    figure = figures.training_curves(
        seen, distortion=terms["distortion"], rate=terms["rate"], loss=loss, beta=beta
    )
    numbers = {"distortion": terms["distortion"], "rate": terms["rate"], "loss": loss}
    return Drawn(figure, {"images": seen, **numbers, **({"beta": beta} if beta else {})})


def _rates(paths: Sequence[Path], options: Options) -> Drawn:
    """Draw the rate of each latent, measured on a sample after training."""
    run = open_whole_run(paths[0], "figure rates", options.seed)
    figure = figures.rate_per_latent(run.rates, threshold=ACTIVE_NATS)
    return Drawn(figure, {"rates": run.rates.tolist(), "images": run.sample})


def _rates_training(paths: Sequence[Path], options: Options) -> Drawn:
    """Draw the rate of each latent through training."""
    method = _header(paths[0], "rates-training").config.method.name
    if method != "vae":
        raise InputError(f"{paths[0]} is a run of method {method}, which has no rates")
    seen, columns = _recorded(paths[0], "rates-training")
    rates = [record.rate_per_latent for record in columns]
    figure = figures.rate_through_training(seen, rates, threshold=ACTIVE_NATS)
    return Drawn(figure, {"images": seen, "rates": rates})


def _recorded(path: Path, name: str) -> tuple[list[int], list[Record]]:
    """Return the images seen and the records of a run."""
    records = read_records(path / RECORDS)
    if not records:
        raise InputError(f"figure {name} needs {path / RECORDS}, which is missing or empty")
    return [record.images for record in records], records


def _header(path: Path, name: str) -> Header:
    """Return what a run says of itself."""
    if path.is_file():
        raise InputError(f"figure {name} needs a run folder, {path} holds codes only")
    return read_header(path)


def _responses(paths: Sequence[Path], options: Options) -> Drawn:
    return images.responses(open_method(paths[0]), options)


def _reconstructions(paths: Sequence[Path], options: Options) -> Drawn:
    return images.reconstructions(open_method(paths[0]), options)


def _traversals(paths: Sequence[Path], options: Options) -> Drawn:
    return images.traversals([open_method(path) for path in paths], options)


def _information(paths: Sequence[Path], options: Options) -> Drawn:
    return scores.information(open_method(paths[0]), options)


def _importance(paths: Sequence[Path], options: Options) -> Drawn:
    return scores.importance(open_method(paths[0]), options)


def _size_and_beta(paths: Sequence[Path], options: Options) -> Drawn:
    if len(paths) == 1 and studies.is_study(paths[0], "latent-size"):
        return studies.draw_study(paths[0], "latent-size", studies.sweep)
    return scores.size_and_beta(paths, options)


def _score_pairs(paths: Sequence[Path], options: Options) -> Drawn:
    if len(paths) == 1 and studies.is_study(paths[0], "table"):
        return studies.draw_study(paths[0], "table", studies.table_pairs)
    return scores.score_pairs([open_method(path) for path in paths], options)


def _table(paths: Sequence[Path], options: Options) -> Drawn:
    return studies.draw_study(paths[0], "table", studies.table)


def _rate_distortion(paths: Sequence[Path], options: Options) -> Drawn:
    return studies.draw_study(paths[0], "rate-distortion", studies.rate_distortion)


def _dual(paths: Sequence[Path], options: Options) -> Drawn:
    return studies.draw_study(paths[0], "dual", studies.dual)


# A new figure: a function here, and its line in catalogue.FIGURES.
DRAWINGS: dict[str, Drawing] = {
    "traversals": Drawing(_traversals, several=True),
    "size-and-beta": Drawing(_size_and_beta, several=True),
    "responses": Drawing(_responses),
    "curves": Drawing(_curves),
    "rates": Drawing(_rates),
    "rates-training": Drawing(_rates_training),
    "reconstructions": Drawing(_reconstructions),
    "information": Drawing(_information),
    "importance": Drawing(_importance),
    "score-pairs": Drawing(_score_pairs, several=True),
    "table": Drawing(_table),
    "rate-distortion": Drawing(_rate_distortion),
    "dual": Drawing(_dual),
}
