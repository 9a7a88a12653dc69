"""`betavae score` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import fails, run_quietly


def test_several_metrics_join_those_in_score_json(
    squares_run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_quietly("score", squares_run, "--metrics", "mig,irs", "--out", tmp_path / "all.json")
    run_quietly("score", squares_run, "--metrics", "mig:chen2018,rate", "--rows", 100)
    scores = json.loads((squares_run / "score.json").read_text())
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
    assert f"written to {squares_run / 'score.json'}" in shown


def test_strangers_arrays_of_every_kind(
    squares_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    run_quietly("encode", squares_run, "--out", tmp_path / "own.npz")
    capsys.readouterr()
    run_quietly("score", "--codes", tmp_path / "own.npz", "--metrics", "irs,total_correlation")
    assert "128 rows, 3 latents (0 active), 2 factors, seed 0" in capsys.readouterr().out


def test_bad_scoring_is_one_line(
    squares_run: Path, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, factors = tmp_path / "codes.npy", tmp_path / "factors.npy"
    np.save(codes, np.random.default_rng(0).normal(size=(60, 3)))
    np.save(factors, np.arange(60)[:, None] % [2, 5])
    np.save(tmp_path / "short.npy", np.arange(59)[:, None] % [2, 5])
    np.save(tmp_path / "same.npy", np.arange(60)[:, None] % [1, 1])
    (tmp_path / "text.csv").write_text("a,b\n1,2\nx,3\n")

    def score(*arguments: object) -> str:
        return fails(capsys, "score", *arguments)

    pair = ("--codes", codes, "--factors", factors)
    assert "needs a run folder or --codes, got neither" in score()
    assert "got both" in score(squares_run, *pair)
    assert "--factors does not go with a run folder" in score(squares_run, "--factors", factors)
    assert "--rows does not go with --codes" in score(*pair, "--rows", 10)
    assert "did you mean 'mig'" in score(squares_run, "--metrics", "migg")
    assert "did you mean 'dci:fast'" in score(*pair, "--metrics", "dci:fst")
    assert "got 'chen2018', which is for mig" in score(squares_run, "--protocol", "chen2018")
    assert "pairs must come with the metric higgins" in score(
        squares_run, "--metrics", "mig", "--pairs", 3
    )
    assert "pairs must be in 1..100000, got 0" in score(squares_run, "--pairs", 0)
    assert "rows must be in 2..128, got 1" in score(squares_run, "--rows", 1)
    assert "seed must be in 0..9223372036854775807, got -1" in score(*pair, "--seed", -1)
    assert "factor_bins must be in 2..10000, got 1" in score(*pair, "--factor-bins", 1)
    assert "needs factors, got None" in score("--codes", codes, "--metrics", "mig")
    assert "needs log_var, got None" in score(*pair, "--metrics", "mig:chen2018")
    assert "got 60 codes and 59 factors" in score(
        "--codes", codes, "--factors", tmp_path / "short.npy"
    )
    assert "factors must have a column of at least 2 values, got none" in score(
        "--codes", codes, "--factors", tmp_path / "same.npy"
    )
    assert "got 'x' in row 3, column a" in score("--codes", tmp_path / "text.csv")
    assert "No such file" in score("--codes", tmp_path / "none.npy")
    assert "must be a file ending in" in score("--codes", squares.with_suffix(".doc"))
    assert "cannot write" in score(*pair, "--metrics", "mig", "--out", codes / "x.json")
    bare = tmp_path / "bare.npy"
    np.save(bare, np.random.default_rng(0).integers(0, 255, (64, 32, 32), np.uint8))
    run_quietly("train", bare, "--images", 64, "--latents", 2, "--out", tmp_path / "bare")
    capsys.readouterr()
    assert "has no factors, so it cannot be scored" in score(tmp_path / "bare")
    run_quietly("score", tmp_path / "bare", "--metrics", "fast")
    assert "needs factors" in capsys.readouterr().out
    (tmp_path / "bare" / "score.json").write_text("[1]")
    assert "must hold a JSON object, got a list" in score(tmp_path / "bare", "--metrics", "rate")
