"""The command line as a user meets it: real processes, their output and exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from betavae.cli import run
from betavae.studies.named_figures import FIGURES
from command_line import fails, run_quietly


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "betavae", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_train_score_traverse_report_encode(
    squares_run: Path, capsys: pytest.CaptureFixture[str], squares: Path
) -> None:
    run_quietly("score", squares_run)
    assert "higgins2017: " in capsys.readouterr().out
    scores = json.loads((squares_run / "score.json").read_text())
    assert list(scores) == ["higgins:higgins2017"]
    assert 0.4 < scores["higgins:higgins2017"]["score"] <= 1
    assert scores["higgins:higgins2017"]["details"]["n_pairs"] == 20
    run_quietly("score", squares_run, "--pairs", 5, "--seed", 1)
    scores = json.loads((squares_run / "score.json").read_text())
    assert scores["higgins:higgins2017"]["details"]["n_pairs"] == 5
    assert scores["higgins:higgins2017"]["seed"] == 1
    run_quietly("traverse", squares_run)
    assert {p.suffix for p in squares_run.glob("traversal.*")} >= {".png", ".gif"}
    run_quietly("report", squares_run)
    assert "<html" in (squares_run / "report.html").read_text()[:500]
    run_quietly("figure", "responses", squares_run, "-o", squares_run / "responses.pdf")
    assert json.loads((squares_run / "responses.json").read_text())["curves"].keys() == {
        "factor1",
        "factor2",
    }
    run_quietly("encode", squares_run, squares, "--out", squares_run / "codes.npz")
    run_quietly("figure", "information", squares_run / "codes.npz", "-o", squares_run / "i.svg")
    with np.load(squares_run / "codes.npz", allow_pickle=False) as codes:
        assert codes["mean"].shape == (128, 3)


@pytest.mark.slow
def test_a_folder_becomes_codes_and_a_report_in_one_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    (tmp_path / "mine").mkdir()
    for k in range(12):
        picture = np.roll(np.eye(40, dtype=np.uint8) * 255, k)
        Image.fromarray(picture).save(tmp_path / "mine" / f"{k}.png")
    out = tmp_path / "run"
    line = ["train", tmp_path / "mine", "--size", 32, "--latents", 2, "--images", 64]
    run_quietly(*line, "--report", "--out", out)
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out
    assert "<html" in (out / "report.html").read_text()[:500]
    with np.load(out / "representation.npz", allow_pickle=False) as codes:
        assert codes["mean"].shape == (12, 2)


@pytest.mark.slow
def test_the_same_line_with_resume_after_kill_9(squares: Path, tmp_path: Path) -> None:
    line = ["train", squares, "--objective", "beta", "--beta", 2, "--images", 4800, "--seed", 3]
    line += ["--batch", 16, "--checkpoint-every", 800]
    assert cli(*line, "--out", tmp_path / "whole").returncode == 0
    cut = tmp_path / "cut"
    command = [sys.executable, "-m", "betavae", *map(str, line), "--out", str(cut)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (cut / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = cli(*line, "--resume", "--out", cut)
    assert done.returncode == 0, done.stderr
    one = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    two = load_file(cut / "checkpoint.safetensors")
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_resume(squares: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "betavae", "train", str(squares), "--images", "10000000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "run" / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: betavae train --resume --out {tmp_path / 'run'}" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_toml_and_the_line_wins(squares: Path, tmp_path: Path) -> None:
    toml = tmp_path / "run.toml"
    toml.write_text('network = "fc"\nlatents = 2\nbeta_norm = 0.1\nimages = 64\nbatch = 32\n')
    run_quietly("train", squares, "--toml", toml, "--beta", 3, "--out", tmp_path / "run")
    from betavae.training.checkpoint import read_header

    config = read_header(tmp_path / "run").config
    assert (config.network, config.latents) == ("fc", 2)
    assert config.objective.given() == {"beta": 3.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constrained", "capacity", "tcvae", "factor", "dip", "infovae"])
def test_every_objective_trains_from_the_command_line(
    name: str, squares: Path, tmp_path: Path
) -> None:
    from betavae.training.records import read_records

    run_quietly("train", squares, "--objective", name, "--images", 64, "--out", tmp_path / name)
    (record,) = read_records(tmp_path / name / "metrics.jsonl")
    assert np.isfinite([record.loss, *record.terms.values()]).all()
    assert record.terms


@pytest.mark.slow
def test_objective_options_from_the_line_and_from_toml(squares: Path, tmp_path: Path) -> None:
    from betavae.training.checkpoint import read_header

    toml = tmp_path / "run.toml"
    toml.write_text('images = 64\n[objective]\nname = "tcvae"\nalpha = 2.0\nbeta = 3.0\n')

    def options(*line: object) -> dict[str, object]:
        out = tmp_path / "run"
        run_quietly("train", squares, "--images", 64, *line, "--overwrite", "--out", out)
        objective = read_header(out).config.objective
        return {"name": objective.name, **objective.given()}

    seven = ("--objective", "tcvae", "--objective.beta", 7)
    assert options(*seven) == {"name": "tcvae", "beta": 7.0}
    assert options("--toml", toml) == {"name": "tcvae", "alpha": 2.0, "beta": 3.0}
    assert options("--toml", toml, *seven) == {"name": "tcvae", "alpha": 2.0, "beta": 7.0}
    assert options("--toml", toml, "--objective=factor") == {"name": "factor"}
    assert options("--objective", "beta", "--beta", 4) == {"name": "beta", "beta": 4.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "tcvea"], "did you mean 'tcvae'"),
        (["--objective", "tcvae", "--beta", "6"], "did you mean objective.beta?"),
        (["--objective", "dip", "--objective.alpha", "6"], "objective dip has no option 'alpha'"),
        (["--objective", "tcvae", "--objective.bta", "6"], "Did you mean --objective.beta?"),
        (["--objective", "custom"], "objective custom is a function"),
        (["--objective", "constrained", "--objective.hold", "distortion"], "needs epsilon"),
        (["--beta", "-1"], r"beta must be >= 0, got -1"),
        (["--bta", "1"], "Did you mean"),
        (["--network", "burges"], "burgess"),
        (["--beta", "1", "--beta-norm", "1"], "give beta or beta_norm, not both"),
        (["--batch", "0"], "batch must be >= 1"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--images", "lots"], "images"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    squares: Path,
    tmp_path: Path,
) -> None:
    line = fails(capsys, "train", squares, *arguments, "--out", tmp_path / "run")
    assert message in line
    assert not (tmp_path / "run").exists()


def test_wrong_files_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, squares_run: Path, squares: Path
) -> None:
    assert "did you mean 'shapes2d'" in fails(capsys, "train", "shape2d")
    assert "did you mean" in fails(capsys, "trian", "shapes2d").lower()
    assert "not a run folder" in fails(capsys, "score", tmp_path / "nothing")
    (tmp_path / "bad.toml").write_text("beta = = 3")
    assert "not valid TOML" in fails(capsys, "train", squares, "--toml", tmp_path / "bad.toml")
    (tmp_path / "key.toml").write_text("latent = 3")
    assert "did you mean 'latents'" in fails(
        capsys, "train", squares, "--toml", tmp_path / "key.toml"
    )
    assert "already holds a run" in fails(capsys, "train", squares, "--out", squares_run)
    images = np.zeros((8, 32, 32), np.float32)
    images[3, 0, 0] = np.nan
    np.save(tmp_path / "nan.npy", images)
    out = tmp_path / "run"
    assert "NaN" in fails(capsys, "train", tmp_path / "nan.npy", "--out", out)
    assert not out.exists()


def test_figures_are_listed_and_a_wrong_one_is_one_line(
    capsys: pytest.CaptureFixture[str], squares_run: Path, tmp_path: Path
) -> None:
    run(["figure", "--help"])
    shown = capsys.readouterr().out
    assert all(f"\n{name} " in shown for name in FIGURES)
    wrong = fails(capsys, "figure", "respons", squares_run, "-o", tmp_path / "a.png")
    assert "did you mean 'responses'" in wrong
    assert "figures are saved as" in fails(
        capsys, "figure", "rates", squares_run, "-o", tmp_path / "a.gif"
    )
    assert list(tmp_path.iterdir()) == []


def test_explore_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "not a run folder" in fails(capsys, "explore", tmp_path)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for module in ("server", "connections"):  # both are imported anew
        monkeypatch.delitem(sys.modules, f"betavae.app.{module}", raising=False)
    assert "pip install 'betavae[app]'" in fails(capsys, "explore", tmp_path)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(squares: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands in for the full disk: the checkpoint cannot be written."""
    resource = pytest.importorskip("resource", reason="no file size limits on this system")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "betavae", "train", str(squares), "--images", "64"]
    done = subprocess.run(
        [*command, "--out", str(out)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("betavae:")]
    assert len(lines) == 1
    assert f"cannot write {out / 'checkpoint.safetensors'}" in lines[0]
    assert "Traceback" not in done.stderr
    left = {path.name for path in out.iterdir()}
    assert left <= {"metrics.jsonl", "config.toml", "images.safetensors", ".betavae.lock"}


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "score",
        "encode",
        "traverse",
        "figure",
        "report",
        "explore",
        "demo",
        "data",
        "study",
    ],
)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command, "--help"])
    text = capsys.readouterr().out
    assert "Example: betavae" in text or command in ("data", "study")
