"""The paper's protocol on other data sets than the 2D shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import betavae.data
from betavae._system.errors import InputError
from betavae.cli import run
from betavae.data import shapes2d
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.readers.arrays import to_store
from betavae.studies.table_set import Protocol, table_set

GRID = Factors(("posX", "shape", "posY"), (6, 2, 6))


def bars(name: str, **options: object) -> Dataset:
    """Upright and flat bars at 6 x 6 places: a full grid whose shape is not the first factor."""
    images = np.zeros((len(GRID), 32, 32), np.uint8)
    for image, (x, shape, y) in zip(images, GRID.table(), strict=True):
        tall, wide = (10, 4) if shape else (4, 10)
        image[4 * y : 4 * y + tall, 4 * x : 4 * x + wide] = 255
    return Dataset(name, to_store(images), GRID, None, GRID.names)


def test_shapes_are_read_off_any_grid() -> None:
    protocol = Protocol.of("bars", GRID)
    rows = np.arange(len(GRID))
    assert (protocol.shape_of(rows) == GRID.table()[:, 1]).all()
    assert (protocol.shapes, protocol.scored) == (("shape0", "shape1"), (0, 2))
    assert protocol.pairs == ((0, 1),)
    whole = Protocol.of("squares", Factors(("posX", "posY"), (3, 4)))
    assert (whole.shapes, whole.scored, whole.pairs) == (("all",), (0, 1), ((0,),))
    assert not whole.shape_of(np.arange(12)).any()
    own = Protocol.of("shapes2d", shapes2d.FACTORS)
    rows = np.random.default_rng(0).integers(0, len(shapes2d.FACTORS), 500)
    assert (own.shape_of(rows) == shapes2d.FACTORS.classes(rows)[:, 0]).all()
    assert own.scored == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (None, "bars has no full factor grid"),
        (Factors(("shape", "size"), (3, 2)), "bars has the factors shape, size"),
    ],
)
def test_a_set_that_lacks_what_the_protocol_needs_is_one_line(
    grid: Factors | None, said: str
) -> None:
    need = "the paper's table needs a full grid of two factors or more besides the shape; "
    with pytest.raises(InputError, match=need + said):
        Protocol.of("bars", grid)


@pytest.mark.slow
def test_the_table_of_another_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(betavae.data, "load", bars)
    table_set.cache_clear()
    out = tmp_path / "table"
    line = ["reproduce", "table", "bars", "--out", str(out), "--quick", "--replicas", "1"]
    run([*line, "--methods", "truth,pixels,pca,ica", "--jobs", "1"])
    table_set.cache_clear()
    shown = capsys.readouterr().out
    assert "bars, higgins2017, L = 20" in shown
    assert "the paper's numbers are of the 2D shapes" in shown
    outcome = json.loads((out / "table.json").read_text())
    assert outcome["data"] == "bars"
    assert outcome["rows"][0]["score"] > 0.95
    assert [row["rows_scored"] for row in outcome["rows"]] == [72] * 4
    assert (out / "models/ica/0/shape0-shape1").is_dir()
    with pytest.raises(SystemExit):
        run(["reproduce", "table", "shapes2d", "--out", str(out), "--jobs", "1"])
    assert "made with other settings: data bars -> shapes2d" in capsys.readouterr().err
