"""Every figure of runs takes one run and several, in one order of latents, under their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from betavae.config import Config
from betavae.data.factors import Factors
from betavae.runs.code_source import thinned
from betavae.runs.figure_options import FigureOptions
from betavae.runs.latent_names import write_names
from betavae.studies.named_figures import FIGURES, draw_figure
from betavae.training.fit import train
from small_runs import squares_file

OF_RUNS = [name for name, figure in FIGURES.items() if figure.function and name != "size-and-beta"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    data = squares_file(folder, 8, 12, side=16, square=4)
    found = []
    for seed in (0, 1):
        config = Config(
            data=data, latents=3, images=800, batch=8, network="mlp", beta=0.1, seed=seed
        )
        train(config, out=folder / f"run{seed}", progress=False)
        found.append(folder / f"run{seed}")
    write_names(found[0], {1: "costs $5"}, 3)
    return found


@pytest.mark.parametrize("name", OF_RUNS)
def test_figures_of_several_runs(name: str, runs: list[Path], tmp_path: Path) -> None:
    options = FigureOptions(rows=96, steps=3)
    for several in (runs[:1], runs):
        picture, numbers = draw_figure(name, several, tmp_path / f"{len(several)}.svg", options)
        content = json.loads(numbers.read_text(encoding="utf-8"))
        assert content["from"] == [str(run) for run in several]
        text = picture.read_text(encoding="utf-8")
        if len(several) == 2:
            assert all(run.name in text for run in several)
        if name in ("traversals", "responses", "rates", "information", "importance"):
            assert "costs" in text


def test_a_factor_that_stays_whole_keeps_every_value() -> None:
    grid = Factors(("shape", "scale", "turn", "x", "y"), (3, 6, 40, 32, 32))
    rows = grid.classes(thinned(grid, 40_000, ("x", "y")))
    assert [len(set(column.tolist())) for column in rows.T[3:]] == [32, 32]
    assert 20_000 < len(rows) <= 40_000
