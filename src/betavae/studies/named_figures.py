"""The figures that have a name; light, so that --help stays fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from betavae._system.errors import InputError, did_you_mean
from betavae._system.files import write_json
from betavae._system.stamps import stamp

if TYPE_CHECKING:
    from betavae.runs.figure_options import Drawn, FigureOptions


@dataclass(frozen=True)
class NamedFigure:
    """A figure that is asked for by name.

    Attributes:
        about: what it shows, in one line.
        function: ``module:name`` of what draws runs, (runs, `FigureOptions`) -> `Drawn`; empty
            where only a study is drawn.
        codes: whether that takes each run as an open `CodeSource`; else as a path.
        several: whether it takes a sequence of runs; what does not is drawn run by run, one above
            another.
        together: ``module:name`` of what draws several runs where that is another function.
        study: the study whose outcome can be drawn, too.
        outcome: the name in `betavae.studies.study_figures` of what draws the outcome.
    """

    about: str
    function: str = ""
    codes: bool = False
    several: bool = False
    together: str = ""
    study: str = ""
    outcome: str = ""

    def draw(self, paths: Sequence[Path], options: FigureOptions) -> Drawn:
        """Draw it from paths."""
        if self.study:
            from betavae.studies import study_figures

            if not self.function or (
                len(paths) == 1 and study_figures.is_study(paths[0], self.study)
            ):
                draw = getattr(study_figures, self.outcome)
                return study_figures.draw_study(paths[0], self.study, draw)
        given: Sequence[Any] = paths
        if self.codes:
            from betavae.runs.code_source import open_source

            given = [open_source(path, data=options.data) for path in paths]
        if self.several or len(given) == 1:
            drawn: Drawn = _found(self.function)(given if self.several else given[0], options)
            return drawn
        if self.together:
            together: Drawn = _found(self.together)(given, options)
            return together
        return _stacked(
            {
                str(p): _found(self.function)(one, options)
                for p, one in zip(paths, given, strict=True)
            }
        )


def _found(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"betavae.runs.{module}"), name)
    return function


def _stacked(drawn: Mapping[str, Drawn]) -> Drawn:
    """Put the drawings of several runs one above another, each under its run's folder."""
    from betavae import figures
    from betavae.runs.figure_options import Drawn

    drawings = {name: one.draw for name, one in drawn.items()}
    numbers = {"runs": {name: one.numbers for name, one in drawn.items()}}
    return Drawn(partial(figures.one_above_another, drawings), numbers)


# A new figure: a function, and its line here.
FIGURES = {
    "traversals": NamedFigure(
        "what each latent draws, methods side by side (the paper's Figs. 1-4)",
        "image_figures:traversals", codes=True, several=True,
    ),
    "size-and-beta": NamedFigure(
        "score over beta_norm and latents, runs or a study (Fig. 5, right)",
        "score_figures:size_and_beta", several=True, study="latent-size", outcome="sweep",
    ),
    "responses": NamedFigure(
        "what each latent answers to: position, scale, rotation, by shape (Fig. 6)",
        "image_figures:responses", codes=True,
    ),
    "curves": NamedFigure(
        "distortion, rate and loss through training", "training_figures:curves",
        together="training_figures:curves_together",
    ),
    "rates": NamedFigure("rate of each latent", "training_figures:rates"),
    "rates-training": NamedFigure(
        "rate of each latent through training", "training_figures:rates_through_training"
    ),
    "reconstructions": NamedFigure(
        "images of the set beside their reconstructions", "image_figures:reconstructions",
        codes=True,
    ),
    "information": NamedFigure(
        "mutual information of latents and factors", "score_figures:information", codes=True
    ),
    "importance": NamedFigure(
        "DCI importance of latents for factors", "score_figures:importance", codes=True
    ),
    "score-pairs": NamedFigure(
        "the Higgins score against L, the pairs averaged into one point",
        "score_figures:score_pairs", codes=True, several=True, study="table", outcome="table_pairs",
    ),
    "table": NamedFigure(
        "scores beside the paper's, from a table study (Fig. 5, left)",
        study="table", outcome="table",
    ),
    "rate-distortion": NamedFigure(
        "distortion against rate over beta, from a rate-distortion study",
        study="rate-distortion", outcome="rate_distortion",
    ),
    "dual": NamedFigure(
        "slope of the best likelihood and multipliers, from a dual study",
        study="dual", outcome="dual",
    ),
}  # fmt: skip


def draw_figure(
    name: str, paths: Sequence[Path], out: Path, options: FigureOptions | None = None
) -> tuple[Path, Path]:
    """Draw a figure by name, and write the numbers it shows beside it.

    Args:
        name: one of `FIGURES`.
        paths: run folders, or .npz files of codes where codes are enough; for figures of a study
            its folder, or the JSON file with its outcome.
        out: a .png, .svg or .pdf file; the numbers go to the same name ending in .json.
        options: what the figures can be told.

    Returns:
        The picture's and the numbers' file.

    Raises:
        InputError: for a name or an ending that is not there, for paths that cannot be used, and
            where the figure needs factors, a decoder or a score that is missing.

    >>> draw_figure("response", [], Path("out.png"))
    Traceback (most recent call last):
    ...
    betavae.InputError: no figure 'response'; did you mean 'responses'?
    """
    if name not in FIGURES:
        hint = did_you_mean(name, FIGURES) or f"; there are {', '.join(FIGURES)}"
        raise InputError(f"no figure '{name}'{hint}")
    from betavae import figures
    from betavae.figures.files import FORMATS
    from betavae.runs.figure_options import FigureOptions

    if out.suffix.lower().removeprefix(".") not in FORMATS:
        raise InputError(f"figures are saved as {', '.join(FORMATS)}, got '{out.name}'")
    if not paths:
        raise InputError(f"figure {name} needs a run, got none")
    if len(paths) > 1 and not FIGURES[name].function:
        raise InputError(f"figure {name} draws one study, got {len(paths)} folders")
    from betavae.runs.made import WEIGHTS, current_weights, made_of, writing

    with ExitStack() as held:
        for path in dict.fromkeys(path.resolve() for path in paths):
            held.enter_context(writing(out, path))
        # Taken first: if the weights change meanwhile, the figure is of the older ones.
        found = {str(p): made_of(p) if p.is_file() else (current_weights(p),) for p in paths}
        drawn = FIGURES[name].draw(paths, options or FigureOptions())
        weights = drawn.numbers.get(WEIGHTS) or {
            path: stamp(digests) for path, digests in found.items() if any(digests)
        }
        numbers = out.with_suffix(".json")
        said = {"figure": name, "from": [str(path) for path in paths], WEIGHTS: weights}
        write_json(numbers, {**drawn.numbers, **said}, allow_nan=False)
        return figures.save(drawn.figure, out, weights=weights.values()), numbers


def listing() -> str:
    """Return the names with their meanings, a line each."""
    width = max(map(len, FIGURES))
    return "\n".join(f"  {name:<{width}}  {figure.about}" for name, figure in FIGURES.items())
