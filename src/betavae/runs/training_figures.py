"""Figures of a run's training, and of its rates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from betavae import figures
from betavae._system.errors import InputError
from betavae.figures.curves import moves, panel_row
from betavae.runs.figure_options import Drawn, FigureOptions
from betavae.runs.latent_names import named_latents
from betavae.runs.opened import open_run
from betavae.training.checkpoint import Header, read_header
from betavae.training.records import ACTIVE_NATS, RECORDS, Record, read_records, term_series


def curves(path: Path, options: FigureOptions) -> Drawn:
    """Draw the terms of training."""
    method = _header(path, "curves").config.method.name
    if method in ("pca", "ica"):
        raise InputError(f"{path} is a run of method {method}, fitted in one go: no curves")
    return drawn_curves(_recorded(path, "curves")[1])


def drawn_curves(records: Sequence[Record]) -> Drawn:
    """Draw the terms that were recorded: distortion, rate and loss where there are such.

    Raises:
        InputError: for no records.
    """
    if not records:
        raise InputError("training left no records to draw: it was done in one go, or elsewhere")
    seen = [record.images for record in records]
    if "distortion" not in records[-1].terms:
        terms = {name: values for name, (_, values) in term_series(records).items()}
        titles = {name.replace("_", " ").capitalize(): line for name, line in terms.items()}
        return Drawn(partial(panel_row, seen, titles), {"images": seen, **terms})
    loss = [record.loss for record in records]
    distortion, rate = [r.distortion for r in records], [r.rate for r in records]
    betas = [record.beta for record in records]
    beta = None if None in betas else betas
    numbers = {"distortion": distortion, "rate": rate, "loss": loss}
    draw = partial(
        figures.training_curves, seen, distortion=distortion, rate=rate, loss=loss, beta=beta
    )
    return Drawn(draw, {"images": seen, **numbers, **({"beta": beta} if beta else {})})


def curves_together(paths: Sequence[Path], options: FigureOptions) -> Drawn:
    """Draw the terms of several trainings on shared axes, a line a run."""
    lines: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for path in paths:
        found = curves(path, options).numbers
        name = path.name if all(path.name not in runs for runs in lines.values()) else str(path)
        for term, values in found.items():
            if term != "images":
                lines.setdefault(term, {})[name] = (found["images"], values)
    if "beta" in lines and not any(moves(values) for _, values in lines["beta"].values()):
        del lines["beta"]
    titles = {term: "β" if term == "beta" else term.capitalize() for term in lines}
    panels = {titles[t]: {n: [line] for n, line in runs.items()} for t, runs in lines.items()}
    numbers = {
        term: {name: {"images": seen, "values": values} for name, (seen, values) in runs.items()}
        for term, runs in lines.items()
    }
    return Drawn(partial(figures.panels_on_shared_axes, panels), numbers)


def rates(path: Path, options: FigureOptions) -> Drawn:
    """Draw the rate of each latent, measured on a sample after training."""
    _header(path, "rates")
    run = open_run(path, data=options.data, seed=options.seed, whole=False)
    labels = named_latents(path, len(run.rates))
    draw = partial(figures.rate_per_latent, run.rates, threshold=ACTIVE_NATS, labels=labels)
    return Drawn(draw, {"rates": run.rates.tolist(), "images": run.sample})


def rates_through_training(path: Path, options: FigureOptions) -> Drawn:
    """Draw the rate of each latent through training."""
    method = _header(path, "rates-training").config.method.name
    if method != "vae":
        raise InputError(f"{path} is a run of method {method}, which has no rates")
    seen, columns = _recorded(path, "rates-training")
    rates = [record.rate_per_latent for record in columns]
    labels = named_latents(path, len(rates[-1]))
    draw = partial(figures.rate_through_training, seen, rates, threshold=ACTIVE_NATS, labels=labels)
    return Drawn(draw, {"images": seen, "rates": rates})


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
