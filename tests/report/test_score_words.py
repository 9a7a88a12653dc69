"""Scores as reports show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betavae.metrics import evaluate
from betavae.report.score_words import headline, metric_rows, score_tiles
from betavae.report.write import write_report
from betavae.runs.scores import keep_scores, read_scores
from betavae.training.checkpoint import digest_of_run
from html_page import page


def test_scores_stand_with_their_deviation_and_protocol(plain_run: Path) -> None:
    details = {"deviation": 0.0021, "scores": [0.98, 0.99, 0.99], "n_pairs": 20, "n_test": 5000}
    scores = {
        "mig:chen2018": {"score": 0.4321, "interval": [0.4, 0.45]},
        "gaussian_tc:locatello2019": {"score": "inf", "interval": None},
        "dci:fast": {"score": 0.7, "interval": None},
        "higgins:higgins2017": {"score": 0.98712, "details": details, "something": "new"},
        "higgins:locatello2019": {"score": 0.5},
    }
    write_current(plain_run, scores)
    text = page(write_report(plain_run)).text
    assert "98.7 ± 0.2 %" in text
    assert "Protocol higgins2017, L = 20, 3 classifier seeds, 5,000 test points." in text
    assert "50.0 % Protocol locatello2019." in text
    assert "0.432 0.400 to 0.450" in text
    assert "0.700" in text
    assert text.index("98.7") < text.index("0.432")


def write_current(run: Path, scores: dict[str, Any]) -> None:
    """Write scores that are of the run's weights."""
    weights = digest_of_run(run)
    entries = {key: {**entry, "weights": weights} for key, entry in scores.items()}
    (run / "score.json").write_text(json.dumps(entries))


@pytest.mark.parametrize(
    "content", ["", "[1]", "{}", "[", '{"a": {"score": "high"}}', '{"a": {"score": NaN}}', "\xff"]
)
def test_an_odd_score_file_does_not_stop_the_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "score.json").write_bytes(content.encode("latin-1"))
    (tile,) = score_tiles(tmp_path)
    assert tile.value == "unreadable"
    assert tile.code == f"betavae score {tmp_path}"


def test_scores_of_many_metrics_become_a_table(plain_run: Path) -> None:
    """The layout that `betavae score --metrics all` writes."""
    scores = {
        "higgins:higgins2017": {
            "metric": "higgins", "protocol": "higgins2017", "score": 0.9, "interval": [0.88, 0.92],
            "better": "higher", "seed": 0, "seconds": 1.0,
            "details": {"deviation": 0.01, "scores": [0.89, 0.91], "n_pairs": 20, "n_test": 5000},
        },
        "mig:chen2018": {"score": 0.25, "interval": None, "better": "higher", "details": {}},
        "gaussian_tc:gaussian": {"score": 1.5, "interval": [1.4, 1.6], "better": "lower"},
    }  # fmt: skip
    write_current(plain_run, scores)
    text = page(write_report(plain_run)).text
    assert "90.0 ± 1.0 %" in text
    assert "Protocol higgins2017, L = 20, 2 classifier seeds, 5,000 test points." in text
    assert "ahead of the second best. chen2018 higher 0.250" in text
    assert "gaussian lower 1.500 1.400 to 1.600" in text
    assert "L = 20, 2 seeds" in text


def test_the_best_of_several_runs_is_marked(tmp_path: Path) -> None:
    entries = [{"mig:chen2018": {"score": 0.2, "better": "higher"},
                "gaussian_tc:g": {"score": 2.0, "better": "lower"}},
               {"mig:chen2018": {"score": 0.3, "better": "higher"},
                "gaussian_tc:g": {"score": 3.0, "better": "lower"},
                "rate:closed_form": {"score": 8.0, "better": None}}]  # fmt: skip
    scores = []
    for number, entry in enumerate(entries):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "score.json").write_text(json.dumps(entry))
        scores.append(read_scores(folder))
    rows = {row["metric"]: row["cells"] for row in metric_rows([*scores, None])}
    assert [best for _, _, best in rows["mig"]] == [False, True, False]
    assert [best for _, _, best in rows["gaussian_tc"]] == [True, False, False]
    assert [value for value, _, _ in rows["rate"]] == ["–", "8.000", "–"]
    assert not any(best for _, _, best in rows["rate"])


def test_scores_on_different_rows_have_no_winner(tmp_path: Path) -> None:
    runs = []
    for number, (score, rows) in enumerate(((0.2, 737_280), (0.3, 3_000))):
        folder = tmp_path / str(number)
        folder.mkdir()
        entry = {"score": score, "better": "higher", "n_rows": rows, "interval": [0.1, 0.4]}
        (folder / "score.json").write_text(json.dumps({"mig:chen2018": entry}))
        runs.append(read_scores(folder))
    (row,) = metric_rows(runs)
    assert [best for _, _, best in row["cells"]] == [False, False]
    assert [below for _, below, _ in row["cells"]] == [
        "0.100 to 0.400, 737,280 rows", "0.100 to 0.400, 3,000 rows",
    ]  # fmt: skip
    (row,) = metric_rows([runs[0], runs[0]])
    assert row["cells"][0][1] == "0.100 to 0.400"


def test_a_collapsed_model_is_said_to_be_and_never_best(tmp_path: Path) -> None:
    entry = {"score": 0.8, "better": "higher", "n_rows": 100, "collapsed": True, "details": {}}
    other = {**entry, "score": 0.6, "collapsed": False}
    (tmp_path / "score.json").write_text(json.dumps({"higgins:higgins2017": entry}))
    collapsed = read_scores(tmp_path)
    (tile,) = score_tiles(tmp_path)
    assert "No latent is active: the score says nothing about the data." in tile.note
    assert headline(collapsed) == "80.0 % (higgins2017, no latent active)"
    (tmp_path / "score.json").write_text(json.dumps({"higgins:higgins2017": other}))
    (row,) = metric_rows([collapsed, read_scores(tmp_path)])
    assert [best for _, _, best in row["cells"]] == [False, True]
    assert row["cells"][0][1] == "no latent active"


def test_replacing_a_score_by_one_on_other_rows_is_said(tmp_path: Path) -> None:
    factors = np.stack(np.unravel_index(np.arange(400).repeat(2), (20, 20)), axis=1)

    def keep(rows: int, metrics: str) -> tuple[str, ...]:
        return keep_scores(tmp_path, evaluate(factors[:rows], factors[:rows], metrics=metrics))

    assert keep(800, "mig,irs") == ()
    assert keep(800, "mig") == ()
    assert keep(400, "mig") == (
        "score.json: mig:locatello2019 on 800 rows was replaced by one on 400",
        "score.json also keeps scores on other rows: irs:locatello2019",
    )
