"""Figures of studies, from their folders and from the JSON files that they keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.studies import study_figures as studies
from betavae.studies.named_figures import draw_figure

POINTS = [{"beta": 1, "rate": 9, "distortion": 20}, {"beta": 4, "rate": 5, "distortion": 30}]
ROW = {
    "name": "PCA", "scores": [0.84, 0.86], "score": 0.86, "paper_percent": [84.9, 0.4],
    "against_pairs": {"1": [0.4], "20": [0.85]},
}  # fmt: skip
OUTCOMES: dict[str, tuple[str, dict[str, Any]]] = {
    "rate-distortion": (
        "rate_distortion.json",
        {"sigma": 0.3, "bernoulli": POINTS, "gaussian": POINTS},
    ),
    "table": ("table.json", {"rows": [ROW], "scaled_down": ["one replica"], "n_pairs": 20}),
    "score-pairs": ("table.json", {"rows": [ROW], "scaled_down": [], "n_pairs": 20}),
    "size-and-beta": (
        "sweep.json",
        {
            "cells": [
                {"beta_norm": norm, "latents": size, "score": score}
                for size, norm, score in (
                    (5, 0.001, 0.7),
                    (5, 0.01, 0.9),
                    (10, 0.001, 0.8),
                    (10, 0.01, 0.99),
                )
            ],
            "protocol": "higgins2017",
        },
    ),
    "dual": (
        "dual.json",
        {
            "runs": [
                {"rate": 2, "distortion": 30, "multiplier": 5, "on_curve": True},
                {"rate": 3, "distortion": 26, "multiplier": 3, "on_curve": True},
                {"rate": 4, "distortion": 29, "multiplier": 9, "on_curve": False},
            ],
            "secants": [{"rates": [2, 3], "slope": 4.0, "error": 0.2}],
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_study_is_drawn_from_its_folder_or_its_file(tmp_path: Path, name: str, kind: str) -> None:
    file, outcome = OUTCOMES[name]
    (tmp_path / file).write_text(json.dumps(outcome))
    drawn = [
        draw_figure(name, [place], tmp_path / f"{place.stem}-{name}.{kind}")[0]
        for place in (tmp_path, tmp_path / file)
    ]
    assert drawn[0].read_bytes() == drawn[1].read_bytes()
    assert drawn[0].stat().st_size > 1000


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_is_no_outcome_is_one_line(tmp_path: Path, name: str) -> None:
    file, outcome = OUTCOMES[name]
    command = next(command for kept, command in studies.FILES.values() if kept == file)
    if name not in ("score-pairs", "size-and-beta"):  # which take runs, too
        with pytest.raises(InputError, match=f"holds no {file}; make it with: betavae {command}"):
            draw_figure(name, [tmp_path], tmp_path / "f.png")
    for content in ("{", "[]", "{}", json.dumps({**outcome, next(iter(outcome)): 3})):
        (tmp_path / file).write_text(content)
        if content == json.dumps({**outcome, "sigma": 3}):
            continue  # a number in a number's place
        with pytest.raises(InputError, match=f"is no outcome of betavae {command}") as stop:
            draw_figure(name, [tmp_path], tmp_path / "f.png")
        assert "\n" not in str(stop.value)
        assert not (tmp_path / "f.png").exists()


def test_runs_that_are_no_points_of_the_curve_are_left_out() -> None:
    figure = studies.dual(OUTCOMES["dual"][1])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert points[0].get_xdata().tolist() == [2, 3]


def test_the_sweep_says_its_protocol_and_its_best() -> None:
    figure = studies.sweep(OUTCOMES["size-and-beta"][1])
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "Score (higgins2017): best 99.0 %"
    rows = [np.asarray(mesh.get_array()).ravel().tolist() for mesh in axes.collections[:2]]
    assert rows == [[0.7, 0.9], [0.8, 0.99]]
