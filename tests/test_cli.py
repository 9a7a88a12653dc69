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
    assert list(scores) == ["higgins:higgins2017"]
    assert 0.4 < scores["higgins:higgins2017"]["score"] <= 1
    assert scores["higgins:higgins2017"]["details"]["n_pairs"] == 20
    run_quietly("score", trained, "--pairs", 5, "--seed", 1)
    scores = json.loads((trained / "score.json").read_text())
    assert scores["higgins:higgins2017"]["details"]["n_pairs"] == 5
    assert scores["higgins:higgins2017"]["seed"] == 1
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


def test_several_metrics_join_those_in_score_json(
    trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_quietly("score", trained, "--metrics", "mig,irs", "--out", tmp_path / "all.json")
    run_quietly("score", trained, "--metrics", "mig:chen2018,rate", "--rows", 100)
    scores = json.loads((trained / "score.json").read_text())
    expected = {"mig:locatello2019", "irs:locatello2019", "mig:chen2018", "rate:closed_form"}
    assert scores.keys() >= expected
    for key in expected:
        record = scores[key]
        assert record["metric"] == key.partition(":")[0]
        assert record["protocol"] == key.partition(":")[2]
        assert record["interval"][0] <= record["score"] <= record["interval"][1]
        assert record["seed"] == 0
        assert record["n_latents"] == 3
        assert record["n_factors"] == 2
        assert record["seconds"] >= 0
    assert scores["mig:locatello2019"]["n_rows"] == 128
    assert scores["mig:chen2018"]["n_rows"] == 100
    assert json.loads((tmp_path / "all.json").read_text())["metrics"].keys() == {
        "mig:locatello2019",
        "irs:locatello2019",
    }
    shown = capsys.readouterr().out
    assert "95 % interval" in shown
    assert f"written to {trained / 'score.json'}" in shown


def test_strangers_arrays_of_every_kind(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factors = np.stack(np.divmod(np.arange(320) % 16, 4), axis=1)
    codes = factors + 0.1 * np.random.default_rng(0).normal(size=factors.shape)
    np.save(tmp_path / "codes.npy", codes)
    np.savetxt(tmp_path / "codes.csv", codes, delimiter=",")
    np.savez(tmp_path / "codes.npz", codes=codes, factors=factors, log_var=0 * codes - 4)
    table = "\n".join(["row,column", *(f"{a},{b}" for a, b in factors)])
    (tmp_path / "factors.csv").write_text(table)
    np.save(tmp_path / "factors.npy", factors)
    found = []
    for suffix, beside in (("npy", "csv"), ("csv", "npy"), ("npz", None)):
        out = tmp_path / "deep" / f"{suffix}.json"
        line = ["score", "--codes", tmp_path / f"codes.{suffix}", "--out", out]
        if beside is not None:
            line += ["--factors", tmp_path / f"factors.{beside}"]
        run_quietly(*line, "--metrics", "mig,modularity")
        found.append(json.loads(out.read_text()))
    assert found[0]["factor_names"] == ["row", "column"]
    assert found[0]["metrics"]["mig:locatello2019"]["score"] > 0.8
    for other in found[1:]:
        for key, record in found[0]["metrics"].items():
            assert other["metrics"][key]["score"] == pytest.approx(record["score"])
    run_quietly("score", "--codes", tmp_path / "codes.npz", "--metrics", "rate,mig:chen2018")
    run_quietly("encode", trained, "--out", tmp_path / "own.npz")
    capsys.readouterr()
    run_quietly("score", "--codes", tmp_path / "own.npz", "--metrics", "irs,total_correlation")
    assert "128 rows, 3 latents, 2 factors, seed 0" in capsys.readouterr().out


def test_bad_scoring_is_one_line(
    trained: Path, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, factors = tmp_path / "codes.npy", tmp_path / "factors.npy"
    np.save(codes, np.random.default_rng(0).normal(size=(60, 3)))
    np.save(factors, np.arange(60)[:, None] % [2, 5])
    np.save(tmp_path / "short.npy", np.arange(59)[:, None] % [2, 5])
    np.save(tmp_path / "same.npy", np.arange(60)[:, None] % [2, 1])
    (tmp_path / "text.csv").write_text("a,b\n1,2\nx,3\n")

    def score(*arguments: object) -> str:
        return fails(capsys, "score", *arguments)

    pair = ("--codes", codes, "--factors", factors)
    assert "needs a run folder or --codes, got neither" in score()
    assert "got both" in score(trained, *pair)
    assert "--factors does not go with a run folder" in score(trained, "--factors", factors)
    assert "--rows does not go with --codes" in score(*pair, "--rows", 10)
    assert "did you mean 'mig'" in score(trained, "--metrics", "migg")
    assert "did you mean 'dci:fast'" in score(*pair, "--metrics", "dci:fst")
    assert "got 'chen2018', which is for mig" in score(trained, "--protocol", "chen2018")
    assert "pairs must come with the metric higgins" in score(
        trained, "--metrics", "mig", "--pairs", 3
    )
    assert "n_pairs must be an integer >= 1, got 0" in score(trained, "--pairs", 0)
    assert "rows must be in 2..128, got 1" in score(trained, "--rows", 1)
    assert "rng must be a seed >= 0, got -1" in score(*pair, "--seed", -1)
    assert "bins must be an integer >= 2, got 1" in score(*pair, "--factor-bins", 1)
    assert "needs factors, got None" in score("--codes", codes, "--metrics", "mig")
    assert "needs log_var, got None" in score(*pair, "--metrics", "mig:chen2018")
    assert "got 60 codes and 59 factors" in score(
        "--codes", codes, "--factors", tmp_path / "short.npy"
    )
    assert "column 1 must take at least 2 values, got 1" in score(
        "--codes", codes, "--factors", tmp_path / "same.npy"
    )
    assert "got 'x' in row 3, column a" in score("--codes", tmp_path / "text.csv")
    assert "there is none of that name" in score("--codes", tmp_path / "none.npy")
    assert "must be a file ending in" in score("--codes", squares.with_suffix(".txt"))
    assert "cannot write" in score(*pair, "--metrics", "mig", "--out", codes / "x.json")
    bare = tmp_path / "bare.npy"
    np.save(bare, np.random.default_rng(0).integers(0, 255, (64, 32, 32), np.uint8))
    run_quietly("train", bare, "--images", 64, "--latents", 2, "--out", tmp_path / "bare")
    capsys.readouterr()
    assert "has no factors, so it cannot be scored" in score(tmp_path / "bare")
    run_quietly("score", tmp_path / "bare", "--metrics", "fast")
    assert "needs factors" in capsys.readouterr().out
    (tmp_path / "bare" / "score.json").write_text("[1]")
    assert "must hold scores by metric, got a list" in score(tmp_path / "bare", "--metrics", "rate")


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


@pytest.mark.parametrize("name", ["constrained", "capacity", "tcvae", "factor", "dip", "infovae"])
def test_every_objective_trains_from_the_command_line(
    name: str, squares: Path, tmp_path: Path
) -> None:
    from betavae.training.records import read_records

    run_quietly("train", squares, "--objective", name, "--images", 64, "--out", tmp_path / name)
    (record,) = read_records(tmp_path / name / "metrics.jsonl")
    assert np.isfinite([record.loss, *record.extras.values()]).all()
    assert record.extras


def test_objective_options_from_the_line_and_from_toml(squares: Path, tmp_path: Path) -> None:
    from betavae.training.checkpoint import read_header

    toml = tmp_path / "run.toml"
    toml.write_text('images = 64\n[objective]\nname = "tcvae"\nalpha = 2.0\nbeta = 3.0\n')

    def options(*line: object) -> dict[str, object]:
        out = tmp_path / "run"
        run_quietly("train", squares, "--images", 64, *line, "--overwrite", "--out", out)
        objective = read_header(out).config.objective
        return {"name": objective.name, **objective.given()}

    six = ("--objective", "tcvae", "--objective.beta", 6)
    assert options(*six) == {"name": "tcvae", "beta": 6.0}
    assert options("--toml", toml) == {"name": "tcvae", "alpha": 2.0, "beta": 3.0}
    assert options("--toml", toml, *six) == {"name": "tcvae", "alpha": 2.0, "beta": 6.0}
    assert options("--toml", toml, "--objective=factor") == {"name": "factor"}
    assert options("--objective", "beta", "--beta", 4) == {"name": "beta"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "tcvea"], "did you mean 'tcvae'"),
        (["--objective", "tcvae", "--beta", "6"], "did you mean objective.beta?"),
        (["--objective", "dip", "--objective.alpha", "6"], "objective dip has no option 'alpha'"),
        (["--objective", "tcvae", "--objective.bta", "6"], "Did you mean --objective.beta?"),
        (["--objective", "custom"], "objective custom is a function"),
        (["--objective", "constrained", "--objective.hold", "distortion"], "needs epsilon"),
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
