from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from betavae._system.errors import InputError
from betavae.studies import engines
from betavae.studies.board import Board
from betavae.studies.cells import Cell, finished, open_study
from betavae.studies.engines import Engine
from betavae.studies.run_cells import CellsFailed, StudyStopped, run_cells

CELLS = [Cell(f"group/{k}", {"k": k}) for k in range(4)]


def square(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    with (folder / "calls").open("a") as file:
        file.write("x")
    return {"square": options["k"] ** 2}


def fails_until_mended(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    if options["k"] == 2 and not (folder.parent / "mended").exists():
        raise RuntimeError("no luck")
    return square(folder, options)


def interrupted_at_1(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    if options["k"] == 1 and not (folder / "seen").exists():
        (folder / "seen").touch()
        os.kill(os.getpid(), signal.SIGINT)
        raise KeyboardInterrupt
    return square(folder, options)


def dies_at_1(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    if options["k"] == 1 and not (folder / "seen").exists():
        (folder / "seen").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(folder, options)


def calls(folder: Path) -> list[int]:
    return [
        len((folder / cell.name / "calls").read_text())
        if (folder / cell.name / "calls").exists()
        else 0
        for cell in CELLS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_cells_run_once_and_a_re_run_does_only_what_is_missing(tmp_path: Path, jobs: int) -> None:
    found = run_cells(tmp_path, CELLS[:2], square, engine=Engine(jobs=jobs), progress=False)
    assert {name: result["square"] for name, result in found.items()} == {
        "group/0": 0,
        "group/1": 1,
    }
    found = run_cells(tmp_path, CELLS, square, engine=Engine(jobs=jobs), progress=False)
    assert found["group/3"]["square"] == 9
    assert calls(tmp_path) == [1, 1, 1, 1]
    kept = json.loads((tmp_path / "group/3/cell.json").read_text())
    assert kept["options"] == {"k": 3}
    assert not list(tmp_path.rglob("running"))


def test_a_crashed_cell_is_reported_the_rest_is_done_and_it_is_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CellsFailed, match=r"1 of 4 cells failed, first group/2: RuntimeError: no"):
        run_cells(tmp_path, CELLS, fails_until_mended, engine=Engine(jobs=1))
    assert "group/2  FAILED: RuntimeError: no luck" in capsys.readouterr().err
    assert "no luck" in (tmp_path / "group/2/error.txt").read_text()
    assert calls(tmp_path) == [1, 1, 0, 1]
    (tmp_path / "group/mended").touch()
    found = run_cells(tmp_path, CELLS, fails_until_mended, engine=Engine(jobs=1), progress=False)
    assert calls(tmp_path) == [1, 1, 1, 1]
    assert len(found) == 4
    assert not (tmp_path / "group/2/error.txt").exists()


def test_ctrl_c_keeps_what_is_done_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(StudyStopped, match="stopped with 1 of 4 cells done"):
        run_cells(tmp_path, CELLS, interrupted_at_1, engine=Engine(jobs=1), progress=False)
    assert calls(tmp_path) == [1, 0, 0, 0]
    run_cells(tmp_path, CELLS, interrupted_at_1, engine=Engine(jobs=1), progress=False)
    assert calls(tmp_path) == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_killed_worker_loses_no_finished_cell(tmp_path: Path) -> None:
    with pytest.raises(CellsFailed, match="a worker process died"):
        run_cells(tmp_path, CELLS, dies_at_1, engine=Engine(jobs=2), progress=False)
    found = run_cells(tmp_path, CELLS, dies_at_1, engine=Engine(jobs=2), progress=False)
    assert len(found) == 4
    assert calls(tmp_path) == [1, 1, 1, 1]


SCRIPT = """
import sys, time
from pathlib import Path
from betavae.studies.cells import Cell
from betavae.studies.engines import Engine
from betavae.studies.run_cells import run_cells
from test_cells import slow
cells = [Cell(f"group/{k}", {"k": k}) for k in range(4)]
run_cells(Path(sys.argv[1]), cells, slow, engine=Engine(jobs=2))
"""


def slow(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    (folder / "started").touch()
    time.sleep(0.1 if options["k"] == 0 else 60)
    return {}


@pytest.mark.slow
def test_ctrl_c_from_the_terminal_stops_every_worker_at_once(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], start_new_session=True, env=environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "group/2/started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=50)
    assert "StudyStopped: stopped with 1 of 4 cells done" in errors
    assert (tmp_path / "group/0/cell.json").exists()
    assert not (tmp_path / "group/3/started").exists()


def test_other_versions_studies_and_settings_are_one_line(tmp_path: Path) -> None:
    open_study(tmp_path / "a", "table", {"rows": 5})
    open_study(tmp_path / "a", "table", {"rows": 5})
    with pytest.raises(InputError, match="rows 5 -> 6"):
        open_study(tmp_path / "a", "table", {"rows": 6})
    with pytest.raises(InputError, match="holds the study table, not sweep"):
        open_study(tmp_path / "a", "sweep", {})
    path = tmp_path / "a" / "study.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(InputError, match="a study of version 9, this betavae has version 1"):
        open_study(tmp_path / "a", "table", {"rows": 5})
    path.write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        open_study(tmp_path / "a", "table", {"rows": 5})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else than a study"):
        open_study(tmp_path / "b", "table", {})


def test_a_cell_of_other_options_is_one_line(tmp_path: Path) -> None:
    run_cells(tmp_path, CELLS[:1], square, engine=Engine(jobs=1), progress=False)
    with pytest.raises(InputError, match=r"was done with other options \(k\)"):
        finished(tmp_path, Cell("group/0", {"k": 7}))


def test_engine_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(**options: Any) -> None:
        run_cells(tmp_path, CELLS, square, engine=Engine(**options), progress=False)

    with pytest.raises(InputError, match="engine must be one of local, ray, got 'slurm'"):
        run(name="slurm")
    with pytest.raises(InputError, match="jobs must be >= 1, got 0"):
        run(jobs=0)
    with pytest.raises(InputError, match="ray_address goes with engine ray"):
        run(ray_address="localhost:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'betavae\[ray\]'"):
        run(name="ray")


def test_an_address_that_nobody_answers_is_one_line() -> None:
    with pytest.raises(InputError, match=r"no Ray answers at 127\.0\.0\.1:9"):
        engines._knock("127.0.0.1:9")
    with pytest.raises(InputError, match="must be HOST:PORT, got 'cluster'"):
        engines._knock("cluster")


def test_the_board_estimates_the_time_left_group_by_group(tmp_path: Path) -> None:
    cells = [Cell(f"{group}/{k}", {}) for group in ("long", "short") for k in range(3)]
    done = {"long/0": {"cell_seconds": 100.0}, "short/0": {"cell_seconds": 2.0}}
    board = Board(tmp_path, cells, done, title="t", jobs=2, shown=False)
    assert board.seconds_left() == pytest.approx((2 * 100 + 2 * 2) / 2)
    board.told("long/1", {"cell_seconds": 100.0}, None)
    board.told("short/1", None, "RuntimeError: no")
    assert board.seconds_left() == pytest.approx(100)  # the one that is left is not shared out
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as shown:
        console.print(board.table())
    assert "2 of 3" in shown.get()
    assert "about 1:40 left" in shown.get()


def test_the_board_reads_how_far_a_training_is(tmp_path: Path) -> None:
    cell = Cell("m", {"config": {"images": 1000}})
    board = Board(tmp_path, [cell], {}, title="t", jobs=1, shown=False)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/running").write_text(f"{time.time() - 30}")
    assert board.seconds_left() == 0  # no record yet, and nothing to go by
    lines = [json.dumps({"images": n, "seconds": n / 10}) + "\n" for n in (100, 250)]
    (tmp_path / "m/metrics.jsonl").write_text("".join(lines))
    assert board.seconds_left() == pytest.approx(75)
    assert board.table().columns[2]._cells == ["0:30 (25%)"]


def test_a_training_under_way_speaks_for_those_that_wait(tmp_path: Path) -> None:
    cells = [Cell(f"seed/{k}", {"config": {"images": 1000}}) for k in range(3)]
    board = Board(tmp_path, cells, {}, title="t", jobs=2, shown=False)
    (tmp_path / "seed/0").mkdir(parents=True)
    (tmp_path / "seed/0/running").write_text(f"{time.time() - 25}")
    (tmp_path / "seed/0/metrics.jsonl").write_text(json.dumps({"images": 250, "seconds": 25}))
    assert board.seconds_left() == pytest.approx((75 + 2 * 100) / 2)
