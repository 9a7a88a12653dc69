"""What the terminal shows at 80 columns, line for line; files and folders that a run leaves."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from betavae._system.files import write_json
from betavae.cli import tables
from betavae.cli.entry import run
from betavae.config import Config
from betavae.metrics import evaluate
from betavae.runs.made import current_weights
from betavae.training.checkpoint import read_header
from betavae.training.config_file import NAME, as_toml
from betavae.training.progress_bar import ProgressBar
from betavae.training.records import Record
from command_line import fails, run_quietly
from small_runs import GRID

HEADS = [
    "|model|beta|score %|paper %|MIG|shape|orientation|",
    "|model|distortion|rate|active|train s|",
]


def demo_row(name: str, how: str) -> dict[str, object]:
    return {
        "model": name, "how": how, "score": 0.9966, "deviation": 0.0012, "mig": 0.4, "shape": 0.9,
        "paper_percent": "99.23 +- 0.1", "orientation": 0.5, "distortion": 62.9, "rate": 11.61,
        "active_latents": 5, "images": 700_000, "training_seconds": 141.0, "n_pairs": 20,
        "protocol": "higgins2017", "report": f"runs/demo/{name}/report.html",
    }  # fmt: skip


def test_the_demos_table_goes_on_below_where_it_does_not_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [demo_row("settle", "1 to 4"), demo_row("VAE", "1")]
    tables.print_demo({"runs": rows, "quick": False}, Path("runs/demo"))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[-4:] == [
        "report: runs/demo/VAE/report.html",
        "numbers: runs/demo/demo.json",
        "next: open runs/demo/settle/report.html in a browser, or turn the latents with",
        "  betavae explore runs/demo/settle",
    ]
    heads = [line for line in lines if line.startswith("┃")]
    assert [re.sub(r"\s*┃\s*", "|", line) for line in heads] == HEADS


@pytest.mark.slow
def test_the_table_of_every_metric_fits() -> None:
    factors = GRID.table()
    lines = str(evaluate(factors, factors, metrics="all", rng=0)).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    rows = [line.split() for line in lines if line.strip()]
    assert ["metric", "protocol", "better", "score", "95", "%", "interval", "s"] in rows


@pytest.mark.parametrize("title", ["patch beta 4", "patch settle 200000 images, a long name"])
def test_the_bar_keeps_its_time_left_and_room_for_ctrl_c(
    title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terms = {"distortion": 1105.4, "rate": 15.73, "beta": 4.0}
    with ProgressBar(1000, 0, title) as bar:
        bar.show(Record(500, 1.0, 2912.0, 1e-3, 120.0, terms, [1.0] * 10))
    # What is drawn last, over what stood there before.
    (*_, plain) = filter(
        None, re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", terminal.getvalue()).split("\n")
    )
    plain = plain.rpartition("\r")[2].rstrip()
    assert len(plain) <= 77
    assert "distortion 1105  rate 15.73" in plain
    assert re.search(r"(\d:\d\d|--:--)$", plain.rstrip())


def test_metric_names_may_be_in_capitals() -> None:
    factors = GRID.table()
    assert list(evaluate(factors, factors, metrics="MIG").entries) == ["mig:locatello2019"]


def test_a_mistyped_option_names_the_one_that_begins_like_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "Did you mean --beta?" in fails(capsys, "train", "--bata", 3)


def test_the_options_of_train_stand_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    run(["train", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    assert heads == [
        "Arguments", "Common options", "Data", "Network", "Objective", "Optimiser", "Run",
    ]  # fmt: skip


def test_a_runs_settings_can_be_read_and_trained_again(trained_run: Path) -> None:
    config = read_header(trained_run).config
    assert Config.from_mapping(Config.from_toml(trained_run / NAME)) == config
    odd = Config(data='a "b"\\c', objective={"name": "tcvae", "beta": 3}, optimiser="muon")
    (trained_run / NAME).write_text(as_toml(odd), encoding="utf-8")
    assert Config.from_mapping(Config.from_toml(trained_run / NAME)) == odd


def test_files_have_the_users_usual_mode(trained_run: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "one.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "one.json").stat().st_mode) == 0o644
    modes = {stat.S_IMODE(path.stat().st_mode) for path in trained_run.iterdir()}
    assert len(modes) == 1


def test_runs_are_listed(
    trained_run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(trained_run, tmp_path / "a9")
    shutil.copytree(trained_run, tmp_path / "a10")
    weights = current_weights(tmp_path / "a10")  # scores of others are left out
    (tmp_path / "a10" / "score.json").write_text(
        json.dumps({"higgins:higgins2017": {"score": 0.5, "weights": weights}}), encoding="utf-8"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "checkpoint.safetensors").write_bytes(b"no")
    capsys.readouterr()
    run_quietly("runs", tmp_path)
    shown = capsys.readouterr().out
    assert shown.index("a9") < shown.index("a10")
    assert "unreadable" in shown
    assert "50.00" in shown
    run_quietly("runs", tmp_path, "--sort", "score")
    shown = capsys.readouterr().out
    assert shown.index("a10") < shown.index("a9")
    assert "did you mean 'score'" in fails(capsys, "runs", tmp_path, "--sort", "scor")
    assert "there is no folder" in fails(capsys, "runs", tmp_path / "none")
