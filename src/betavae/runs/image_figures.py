"""Figures that need images: traversals, responses, reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from betavae import figures
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.shapes2d import SHAPES
from betavae.figures.mean_codes import CURVES, POSITION
from betavae.figures.style import one_line
from betavae.runs.code_source import CodeSource, factors_of
from betavae.runs.figure_options import Drawn, FigureOptions
from betavae.runs.latent_names import labelled, named_latents, read_names
from betavae.runs.latent_ranges import Decode, Scale, scale_of, sweep
from betavae.runs.opened import seed_rows
from betavae.runs.representation import Representation
from betavae.runs.traversals import sweep_images

PAIRS = 18
SHEET_STEPS = 5  # values in a traversal of the response sheet, which are drawn small
SHAPES_ENDS = {"scale": ("0.5", "1"), "orientation": ("0°", "360°")}
SPREAD_ROWS = 4096  # images on which latents are ranked, and codes without a prior are scaled


def traversals(sources: Sequence[CodeSource], options: FigureOptions) -> Drawn:
    """Traverse the same images by every method, the latents of each by what they carry."""
    drawers = [_drawer(source, "traversals") for source in sources]
    first = sources[0]
    dataset = _images(first, "traversals")
    rows = seed_rows(dataset, options.seeds, np.random.default_rng(options.seed))
    values = sweep(options.span, options.steps)
    blocks: dict[str, list[figures.Block]] = {}
    numbers, priors = [], []
    for number, (source, decode) in enumerate(zip(sources, drawers, strict=True)):
        shape = _images(source, "traversals").images.image_shape
        if shape != dataset.images.image_shape:
            raise InputError(
                "traversals side by side need images of one shape, "
                f"got {dataset.images.image_shape} and {shape}"
            )
        codes = source.encode(rows).mean
        scale = _scale(source.sample(SPREAD_ROWS, options.seed), decode, options.seed)
        order = figures.by_rate(scale.amounts)[: options.latents]
        drawn = sweep_images(decode, codes, order, scale.levels(values)[order])
        priors.append(scale.prior)
        names = read_names(source.path) if source.path.is_dir() else {}
        title = source.name if source.name not in blocks else f"{source.name} ({number + 1})"
        blocks[title] = [
            figures.Block(
                one_line(labelled(int(k), names.get(int(k), ""))),
                f"{scale.amounts[k]:.2f} {scale.unit}",
                block,
            )
            for k, block in zip(order, drawn, strict=True)
        ]
        numbers.append(
            {
                "name": title,
                "latents": order.tolist(),
                "nats" if scale.prior else "percent": scale.amounts[order].tolist(),
                "codes": codes.tolist(),
            }
        )
    draw = partial(
        figures.traversals_compared,
        blocks,
        values,
        inputs=dataset.images[rows].numpy(),
        unit="" if all(priors) else "σ",
    )
    return Drawn(draw, {"rows": rows.tolist(), "values": values.tolist(), "methods": numbers})


def responses(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw what each latent answers to; with traversals where the method can draw."""
    found, codes = answers(source, options.rows, options.seed)
    found = replace(found, order=latent_order(source, options.seed))
    images = values = None
    if source.decode is not None and source.dataset is not None:
        values = sweep(options.span, SHEET_STEPS)
        row = seed_rows(source.dataset, 1, np.random.default_rng(options.seed))
        start = source.encode(row).mean
        scale = _scale(codes, source.decode, options.seed)
        latents = np.arange(codes.mean.shape[1])
        images = sweep_images(source.decode, start, latents, scale.levels(values))[:, 0]
    folder = source.path.is_dir()
    labels = named_latents(source.path, len(found.order)) if folder else None
    draw = partial(
        figures.response_sheet, found, labels=labels, images=images, values=values,
        most=options.latents,
    )  # fmt: skip
    return Drawn(draw, {"rows": len(codes.mean), **found.to_dict()})


def answers(
    source: CodeSource, rows: int, seed: int = 0
) -> tuple[figures.Responses, Representation]:
    """Average a method's codes over the factors of its data.

    On a full grid with positions the curves have every value of theirs, and the map every place,
    from about `rows` codes of its own.

    Args:
        source: the method.
        rows: codes to average, about.
        seed: of what is drawn at random.

    Returns:
        The averages, and the codes that all but the map are of.
    """
    names = source.grid.names if source.grid is not None else ()
    places = set(POSITION) <= set(names)
    whole = [name for name in CURVES if places and name in names]
    codes = source.balanced(rows, seed, whole=whole)
    shares = None
    if codes.log_var is None and source.decode is not None:
        shares = scale_of(codes.mean, source.decode, seed=seed).amounts
    found = _averaged(source, codes, shares)
    if places:
        everywhere = _averaged(source, source.balanced(rows, seed, whole=POSITION))
        found = replace(found, position=everywhere.position)
    return found, codes


def _averaged(
    source: CodeSource, codes: Representation, shares: NDArray[np.float64] | None = None
) -> figures.Responses:
    known = source.dataset is not None and source.dataset.name == "shapes2d"
    return figures.responses(
        codes.mean,
        factors_of(codes, "figure responses", source.path),
        codes.factor_names,
        log_var=codes.log_var,
        shares=shares,
        group_names=SHAPES if known else (),
        ends=SHAPES_ENDS if known else _ends(source.dataset),
    )


def _ends(dataset: Dataset | None) -> dict[str, tuple[str, str]]:
    """Return the words for the first and the last value of factors that have words."""
    if dataset is None:
        return {}
    return {name: (words[0], words[-1]) for name, words in dataset.value_names.items() if words}


def reconstructions(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw images of the set beside what the method makes of their codes."""
    decode = _drawer(source, "reconstructions")
    dataset = _images(source, "reconstructions")
    count = min(PAIRS, len(dataset.images))
    rows = seed_rows(dataset, count, np.random.default_rng(options.seed))
    inputs, outputs = dataset.images[rows].numpy(), decode(source.encode(rows).mean)
    errors = np.square(inputs - outputs).mean(axis=(1, 2, 3))
    return Drawn(
        partial(figures.reconstructions, inputs, outputs),
        {"rows": rows.tolist(), "mean_squared_error": errors.tolist()},
    )


def latent_order(source: CodeSource, seed: int = 0) -> NDArray[np.int64]:
    """Return a method's latents as every figure has them, what says the most first.

    By rate; without one by what they do to the picture, or without a decoder by variance.
    """
    codes = source.sample(SPREAD_ROWS, seed)
    if codes.log_var is None and source.decode is None:
        return figures.by_rate(codes.mean.var(axis=0))
    if codes.log_var is not None:
        return figures.by_rate(codes.rate_per_latent())
    assert source.decode is not None
    return figures.by_rate(scale_of(codes.mean, source.decode, seed=seed).amounts)


def _drawer(source: CodeSource, figure: str) -> Decode:
    if source.decode is None:
        raise InputError(f"figure {figure} needs a decoder, {source.path} holds codes only")
    return source.decode


def _images(source: CodeSource, figure: str) -> Dataset:
    if source.dataset is None:
        raise InputError(f"figure {figure} needs images, {source.path} holds codes only")
    return source.dataset


def _scale(codes: Representation, decode: Decode, seed: int) -> Scale:
    """Return the units of the codes: the prior's, or their own where they have none."""
    if codes.log_var is not None:
        return Scale.of_rates(codes.rate_per_latent())
    return scale_of(codes.mean, decode, seed=seed)
