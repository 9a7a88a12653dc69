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
from betavae.drawings.catalogue import FIGURES


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "betavae", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run in this process; return the one line on stderr of an exit with code 2."""
    with pytest.raises(SystemExit) as stop:
        run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert stop.value.code == 2, captured.err
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("betavae: ")
    return lines[0]


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares on a 4x4 grid of places, as an .npz with factors."""
    rows, columns = np.divmod(np.arange(16).repeat(8), 4)
    images = np.zeros((128, 32, 32), np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    np.savez(path, images=images, factors=np.stack([rows, columns], axis=1))
    return path


@pytest.fixture(scope="module")
def trained(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    run_quietly("train", squares, "--images", 1600, "--latents", 3, "--beta", 0.5, "--out", out)
    return out


def run_quietly(*arguments: object) -> None:
    run([str(argument) for argument in arguments])


def test_train_score_traverse_report_encode(
    trained: Path, capsys: pytest.CaptureFixture[str], squares: Path
) -> None:
    run_quietly("score", trained)
    assert "higgins2017: " in capsys.readouterr().out
    scores = json.loads((trained / "score.json").read_text())
    assert 0.4 < scores["higgins2017"]["score"] <= 1
    assert scores["higgins2017"]["n_pairs"] == 20
    run_quietly("score", trained, "--pairs", 5)
    assert json.loads((trained / "score.json").read_text())["higgins2017"]["n_pairs"] == 5
    run_quietly("traverse", trained)
    assert {p.suffix for p in trained.glob("traversal.*")} >= {".png", ".gif"}
    run_quietly("report", trained)
    assert "<html" in (trained / "report.html").read_text()[:500]
    run_quietly("figure", "responses", trained, "-o", trained / "responses.pdf")
    assert json.loads((trained / "responses.json").read_text())["curves"].keys() == {
        "factor1",
        "factor2",
    }
    run_quietly("encode", trained, squares, "--out", trained / "codes.npz")
    run_quietly("figure", "information", trained / "codes.npz", "-o", trained / "i.svg")
    with np.load(trained / "codes.npz", allow_pickle=False) as codes:
        assert codes["mean"].shape == (128, 3)


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


def test_toml_and_the_line_wins(squares: Path, tmp_path: Path) -> None:
    toml = tmp_path / "run.toml"
    toml.write_text('network = "fc"\nlatents = 2\nbeta_norm = 0.1\nimages = 64\nbatch = 32\n')
    run_quietly("train", squares, "--toml", toml, "--beta", 3, "--out", tmp_path / "run")
    from betavae.training.checkpoint import read_header

    config = read_header(tmp_path / "run").config
    assert (config.network, config.latents, config.beta, config.beta_norm) == ("fc", 2, 3.0, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta", "-1"], r"beta must be >= 0, got '-1'"),
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
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, squares: Path
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
    assert "already holds a run" in fails(capsys, "train", squares, "--out", trained)
    images = np.zeros((8, 32, 32), np.float32)
    images[3, 0, 0] = np.nan
    np.save(tmp_path / "nan.npy", images)
    out = tmp_path / "run"
    assert "NaN" in fails(capsys, "train", tmp_path / "nan.npy", "--out", out)
    assert not out.exists()


def test_figures_are_listed_and_a_wrong_one_is_one_line(
    capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path
) -> None:
    run(["figure", "--help"])
    shown = capsys.readouterr().out
    assert all(f"\n{name} " in shown for name in FIGURES)
    wrong = fails(capsys, "figure", "respons", trained, "-o", tmp_path / "a.png")
    assert "did you mean 'responses'" in wrong
    assert "figures are saved as" in fails(
        capsys, "figure", "rates", trained, "-o", tmp_path / "a.gif"
    )
    assert list(tmp_path.iterdir()) == []


def test_explore_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "not a run folder" in fails(capsys, "explore", tmp_path)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "betavae.app.server", raising=False)
    assert "pip install 'betavae[app]'" in fails(capsys, "explore", tmp_path)


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
    assert [path.name for path in out.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    "command",
    ["train", "score", "encode", "traverse", "figure", "report", "explore", "demo", "data"],
)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command, "--help"])
    text = capsys.readouterr().out
    assert "Example: betavae" in text or command == "data"
