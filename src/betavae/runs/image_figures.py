"""Figures that need images: traversals, responses, reconstructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from betavae import figures
from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.shapes2d import SHAPES
from betavae.figures.style import latent_name, plain
from betavae.runs.code_source import CodeSource, factors_of
from betavae.runs.figure_options import Drawn, FigureOptions
from betavae.runs.latent_names import read_names
from betavae.runs.latent_ranges import Decode, Scale, scale_of, sweep
from betavae.runs.opened import seed_rows
from betavae.runs.representation import Representation
from betavae.runs.traversals import sweep_images

PAIRS = 18
SHEET_STEPS = 5  # values in a traversal of the response sheet, which are drawn small
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
            figures.Block(_called(int(k), names), f"{scale.amounts[k]:.2f} {scale.unit}", block)
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
    figure = figures.traversals_compared(
        blocks,
        values,
        inputs=dataset.images[rows].numpy(),
        unit="" if all(priors) else "σ",
    )
    return Drawn(figure, {"rows": rows.tolist(), "values": values.tolist(), "methods": numbers})


def responses(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw what each latent answers to; with traversals where the method can draw."""
    codes = source.balanced(options.rows, options.seed)
    found = answers(source, codes, options.seed)
    images = values = None
    if source.decode is not None and source.dataset is not None:
        values = sweep(options.span, SHEET_STEPS)
        row = seed_rows(source.dataset, 1, np.random.default_rng(options.seed))
        start = source.encode(row).mean
        scale = _scale(codes, source.decode, options.seed)
        latents = np.arange(codes.mean.shape[1])
        images = sweep_images(source.decode, start, latents, scale.levels(values))[:, 0]
    figure = figures.response_sheet(found, images=images, values=values, most=options.latents)
    numbers = {"rows": len(codes.mean), **found.to_dict()}
    return Drawn(figure, numbers)


def answers(source: CodeSource, codes: Representation, seed: int = 0) -> figures.Responses:
    """Average a method's codes over the factors of its data."""
    shares = None
    if codes.log_var is None and source.decode is not None:
        shares = scale_of(codes.mean, source.decode, seed=seed).amounts
    known = source.dataset is not None and source.dataset.name == "shapes2d"
    return figures.responses(
        codes.mean,
        factors_of(codes, "figure responses", source.path),
        codes.factor_names,
        log_var=codes.log_var,
        shares=shares,
        group_names=SHAPES if known else (),
    )


def reconstructions(source: CodeSource, options: FigureOptions) -> Drawn:
    """Draw images of the set beside what the method makes of their codes."""
    decode = _drawer(source, "reconstructions")
    dataset = _images(source, "reconstructions")
    count = min(PAIRS, len(dataset.images))
    rows = seed_rows(dataset, count, np.random.default_rng(options.seed))
    inputs, outputs = dataset.images[rows].numpy(), decode(source.encode(rows).mean)
    errors = np.square(inputs - outputs).mean(axis=(1, 2, 3))
    return Drawn(
        figures.reconstructions(inputs, outputs),
        {"rows": rows.tolist(), "mean_squared_error": errors.tolist()},
    )


def _called(latent: int, names: Mapping[int, str]) -> str:
    """Return a latent's symbol, with the name that somebody gave it."""
    given = plain(names.get(latent, ""))
    return f"{latent_name(latent)}  {given}" if given else latent_name(latent)


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
