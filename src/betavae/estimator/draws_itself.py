"""Figures of a fitted model and its report, in one call each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.estimator.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from betavae.report.shown_run import ShownRun


class DrawsItself(Fitted):
    """The part of `BetaVAE` that draws.

    Figures are drawn from the images that `fit` saw. A model from a file or a pickle loads them
    where its data has a name; else it is given some.
    """

    def plot_traversal(
        self,
        X: Any = None,
        *,
        seeds: int | Sequence[int] = 3,
        span: float = 3.0,
        steps: int = 11,
        latents: Sequence[int] | None = None,
        seed: int = 0,
    ) -> Figure:
        """Draw what each latent does to some images.

        Args:
            X: images, as for `fit`; those of `fit` if None.
            seeds: how many images to start from, or their row numbers.
            span: latents run over [-span, span] deviations of their prior.
            steps: pictures a row.
            latents: which latents; the 16 of the largest rate if None.
            seed: seed of the choice of images.

        Returns:
            A figure, which notebooks show and ``savefig`` writes.

        Raises:
            InputError: for a table, or an option that cannot be used.
        """
        return self._run(X).plot_traversal(
            seeds=seeds, span=span, steps=steps, latents=latents, seed=seed
        )

    def plot_reconstructions(self, X: Any = None, *, seed: int = 0) -> Figure:
        """Draw up to 18 images beside what the model makes of their codes.

        Args:
            X: images, as for `fit`; those of `fit` if None.
            seed: seed of the choice of images.
        """
        return self._run(X).plot_reconstructions(seed=seed)

    def plot_curves(self) -> Figure:
        """Draw distortion, rate and loss, nats per image, against the images seen.

        Raises:
            InputError: when training left no records, as in a model from a file.
        """
        from betavae.report.shown_run import shown
        from betavae.runs.training_figures import drawn_curves

        check_is_fitted(self)
        return shown(drawn_curves(self.records_).figure)

    def report(self, out: Path | str = "report.html", X: Any = None) -> Path:
        """Write what the model learned as one HTML file that needs nothing beside it.

        Args:
            out: the file, or a folder for it.
            X: images, as for `fit`; those of `fit` if None.

        Returns:
            The file.

        Raises:
            InputError: for a table, or a file that cannot be written.
        """
        return self._run(X).report(out)

    def _run(self, X: Any) -> ShownRun:
        """Return the fitted model with images to draw, as an open run."""
        from betavae.report.shown_run import ShownRun
        from betavae.training.checkpoint import Header

        check_is_fitted(self)
        if self._form.table:
            raise InputError("figures are of images, and this model was fitted to a table")
        dataset = self._own_images() if X is None else self._taken(X)
        last = self.records_[-1] if self.records_ else None
        rows, batch = len(dataset.images), self.config_.batch
        seen = self.config_.images if last is None else last.images
        header = Header(
            self.config_, self.image_shape_, rows, math.ceil(seen / min(batch, rows)),
            0.0 if last is None else last.seconds,
        )  # fmt: skip
        run = ShownRun(Path(type(self).__name__), self.model_.cpu().eval(), header, dataset)
        vars(run)["records"] = self.records_  # in place of a file's, as the cached property does
        return run

    def _own_images(self) -> Dataset:
        """Return the images of `fit`, or for a model from a file those that its data names."""
        from betavae import data as datasets

        if self._images is not None:
            return self._images
        try:
            dataset = datasets.load(self.config_.data, **self.config_.load_options())
        except InputError:
            dataset = None
        if dataset is None or dataset.images.image_shape != self.image_shape_:
            raise InputError("the images of fit are not at hand: give some, as X")
        return dataset

    def _taken(self, X: Any, *, reset: bool = False, least: int = 1) -> Dataset:
        """Check X and return it as a data set."""
        raise NotImplementedError
