"""A run opened to be looked at: its figures and its report, in one call each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from betavae._system.notebook import show_figures
from betavae.figures.style import LIGHT, drawing
from betavae.report.write import write_report
from betavae.runs import opened
from betavae.runs.code_source import source_of_run
from betavae.runs.figure_options import FigureOptions
from betavae.runs.image_figures import reconstructions
from betavae.runs.opened import OpenRun, seed_rows
from betavae.runs.training_figures import drawn_curves
from betavae.runs.traversals import leading, traverse

NOTEBOOK_DPI = 110  # a page's width is 740 pixels then


@dataclass(frozen=True, repr=False)
class ShownRun(OpenRun):
    """An open run that draws itself.

    The figures are `matplotlib.figure.Figure`: notebooks show them, ``savefig`` writes them.
    """

    def plot_traversal(
        self,
        *,
        seeds: int | Sequence[int] = 3,
        span: float = 3.0,
        steps: int = 11,
        latents: Sequence[int] | None = None,
        seed: int = 0,
    ) -> Figure:
        """Draw what each latent does.

        Args:
            seeds: how many images to start from, or their row numbers.
            span: latents run over [-span, span] deviations of their prior, or of their own.
            steps: pictures a row.
            latents: which latents; the 16 that say most if None.
            seed: seed of the choice of images.

        Raises:
            InputError: for an option that cannot be used.
        """
        rows = seed_rows(self.dataset, seeds, np.random.default_rng(seed))
        chosen = leading(self.scale.amounts) if latents is None else latents
        found = traverse(
            self.model, self.dataset.images[rows], self.scale, span=span, steps=steps,
            latents=chosen,
        )  # fmt: skip
        return shown(found.figure())

    def plot_reconstructions(self, *, seed: int = 0) -> Figure:
        """Draw up to 18 images beside what the model makes of their codes.

        Args:
            seed: seed of the choice of images.
        """
        source = source_of_run(self, progress=False)
        return shown(reconstructions(source, FigureOptions(seed=seed)).figure)

    def plot_curves(self) -> Figure:
        """Draw the terms of training, nats per image, against the images seen.

        Raises:
            InputError: where training left no records.
        """
        return shown(drawn_curves(self.records).figure)

    def report(self, out: Path | str | None = None) -> Path:
        """Write the report: one HTML file that needs nothing beside it.

        Args:
            out: the file, or a folder for it; report.html in the run folder if None.

        Returns:
            The file.

        Raises:
            InputError: when it cannot be written.
        """
        return write_report(self, None if out is None else Path(out))


def shown(figure: Figure) -> Figure:
    """Return the figure, which a notebook then shows where it is what a cell returns."""
    show_figures(Figure, _notebook_png)
    return figure


def _notebook_png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with drawing(LIGHT):
        figure.savefig(file, format="png", dpi=NOTEBOOK_DPI)
    return file.getvalue()


def open_run(
    folder: Path | str, *, data: str | None = None, sample: int = opened.SAMPLE, seed: int = 0
) -> ShownRun:
    """Open a run folder, or one that `save_pretrained` wrote: its model, its data, its figures.

    Args:
        folder: the run's.
        data: another data set or path; its images must have the run's shape.
        sample: images that terms are measured on; the whole set where it is smaller.
        seed: seed of their choice and of the posterior's noise.

    Raises:
        InputError: when the folder is no run, or its data is gone or has changed shape.
    """
    run = opened.open_run(Path(folder), data=data, sample=sample, seed=seed)
    return ShownRun(run.folder, run.model, run.header, run.dataset, run.most, run.seed)
