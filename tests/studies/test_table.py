from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae._system.stamps import stamped
from betavae.cli import run
from betavae.config import Config
from betavae.studies import table, table_work
from betavae.studies.engines import Engine
from betavae.studies.latent_size import Sweep, sweep_cells
from betavae.studies.presets import BETA_VAE, scaled
from betavae.studies.ranking import rank_runs
from betavae.studies.table import curve_cells, drop_lower_half, fit_cells, run_table, score_cells
from betavae.studies.table_plan import ROWS, TableOptions, make_plan, scaled_down


def test_the_lower_half_is_dropped() -> None:
    scores = list(np.linspace(0, 1, 30))
    kept = drop_lower_half(scores)
    assert len(kept) == 15
    assert min(kept) > max(sorted(scores)[:15])
    assert drop_lower_half([0.2, 0.9, 0.5]) == [0.9, 0.5]
    assert drop_lower_half([0.7]) == [0.7]


def test_the_whole_protocol_is_thirty_scores_a_row(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert len(score_cells(plan)) == 10 * len(ROWS)
    assert all(cell.options["seeds"] == 3 for cell in score_cells(plan))
    counts = {row.key: len(fit_cells(plan.only([row.key]))) for row in ROWS}
    assert counts["beta-vae"] == counts["infogan"] == counts["ica"] == 10
    assert counts["pca"] == 1
    assert {cell.options["config"]["seed"] for cell in fit_cells(plan)} == set(range(100, 110))
    assert {cell.options["n_pairs"] for cell in curve_cells(plan)} == {5, 20, 64, 200}
    rules = {(cell.options["n_pairs"], cell.options["protocol"]) for cell in curve_cells(plan)}
    assert len(rules) == 8
    assert len({cell.name for cell in curve_cells(plan)}) == len(curve_cells(plan))
    ends = {
        (row.options.get("beta_schedule", "constant"), row.options["beta"])
        for row in ROWS
        if row.key in ("vae", "vae-falling", "beta-vae-constant", "beta-vae")
    }
    assert ends == {("constant", 1), ("exponential", 1), ("constant", 4), ("exponential", 4)}
    assert {row.key: row.options["latents"] for row in ROWS if "ica" in row.key} == {
        "ica": 10,
        "ica-150": 150,
    }
    assert counts["truth"] == counts["pixels"] == 0
    assert scaled_down(plan) == []


def test_the_folder_remembers_and_says_what_was_scaled_down(tmp_path: Path) -> None:
    make_plan(tmp_path, TableOptions(methods=["vae"], replicas=2, rows=500))
    plan = make_plan(tmp_path, TableOptions(methods=["infogan"], replicas=1, images=640))
    assert plan.replicas == {"vae": 2, "infogan": 1}
    assert plan.rows == 500
    assert make_plan(tmp_path) == plan
    lines = "\n".join(scaled_down(plan))
    assert "fewer than ten replicas: InfoGAN (1); VAE, beta 1 (2)" in lines
    assert "500 random images" in lines
    assert "InfoGAN 640" in lines
    make_plan(tmp_path / "quick", TableOptions(quick=True))
    assert make_plan(tmp_path / "quick", TableOptions(quick=True)).rows == 2_000
    with pytest.raises(InputError, match="rows 500 -> 600"):
        make_plan(tmp_path, TableOptions(rows=600))
    with pytest.raises(InputError, match="got 'vaes'; did you mean 'vae'"):
        TableOptions(methods=["vaes"])
    with pytest.raises(InputError, match="replicas must be >= 1, got 0"):
        TableOptions(replicas=0)


def test_rows_that_another_command_was_given_meanwhile_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def other_command(folder: Path, cells: object, work: object, **options: object) -> None:
        if not asked:
            asked.append(make_plan(folder, TableOptions(methods=["truth"], replicas=1)))

    monkeypatch.setattr(table, "run_cells", other_command)
    asked_first = TableOptions(methods=["pixels"], replicas=1, rows=60, quick=True)
    outcome = run_table(tmp_path, asked_first)
    assert outcome["missing"] == ["Ground truth", "Raw pixels"]  # both are waited for
    assert json.loads((tmp_path / "table.json").read_text()) == outcome


def test_a_scaled_preset_scales_its_ramp() -> None:
    short = scaled(BETA_VAE, BETA_VAE["images"] // 10)
    assert short["beta_ramp"] == BETA_VAE["beta_ramp"] // 10
    assert scaled(BETA_VAE, None) == BETA_VAE
    assert scaled({"method": "pca"}, 100) == {"method": "pca"}


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
def test_the_table_from_end_to_end_and_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_work, "ICA_ROWS", 300)
    out = tmp_path / "table"
    line = ["reproduce", "table", "--out", str(out), "--quick", "--images", "64"]
    line += ["--rows", "300", "--replicas", "1", "--jobs", "1"]
    some = ("truth", "pca", "ica", "dcign", "untrained", "vae")
    run([*line, "--methods", ",".join(some)])
    shown = capsys.readouterr().out
    assert "61.58 +- 0.5" in shown
    assert "adam 0.001, batch 8" in shown
    assert "100 to 100" in shown
    assert "the scores mean nothing" in shown
    outcome = json.loads((out / "table.json").read_text())
    assert [row["name"] for row in outcome["rows"]] == [row.name for row in ROWS if row.key in some]
    for row in outcome["rows"]:
        assert len(row["scores"]) == 3
        repeated = row["method"] not in ("truth", "pca")
        assert row["kept"] == sorted(row["scores"], reverse=True)[: 2 if repeated else 3]
        assert row["score"] == pytest.approx(np.mean(row["kept"]))
        assert row["better_half"] >= row["mean_of_all"]
        assert set(row["against_pairs"]) == {"5", "20"}
    assert outcome["rows"][0]["score"] > 0.95
    fitted = outcome["weights"]
    assert {place.split("/")[1] for place in fitted} == {*some} - {"truth"}
    for name in ("table.png", "pairs.png"):
        assert set(stamped(out / name)) == set(fitted.values())
    before = {path: path.stat().st_mtime_ns for path in out.rglob("cell.json")}
    (out / "scores/vae/0/cell.json").unlink()
    again = run_table(out, engine=Engine(jobs=1), progress=False)
    scores = [row["scores"] for row in outcome["rows"]]
    assert [row["scores"] for row in again["rows"]] == scores
    after = {path: path.stat().st_mtime_ns for path in out.rglob("cell.json")}
    changed = {path for path in after if before[path] != after[path]}
    assert changed == {out / "scores/vae/0/cell.json"}

    ranked = rank_runs([out / "models/vae/0", out / "models/untrained/0"], rows=400)
    assert ranked.labelled is not None
    assert set(ranked.agreement) == {"udr", "model_centrality"}


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
def test_fits_go_on_to_a_greater_length_and_are_scored_anew(tmp_path: Path) -> None:
    def made(out: Path, images: int, *methods: str) -> dict[str, object]:
        asked = TableOptions(methods=methods, replicas=1, images=images, rows=300, quick=True)
        found = run_table(out, asked, engine=Engine(jobs=1), progress=False)
        return {row["method"]: row for row in found["rows"]}

    made(tmp_path / "a", 64, "vae-fc", "infogan")
    went_on = made(tmp_path / "a", 128, "vae-fc", "infogan")
    at_once = made(tmp_path / "b", 128, "vae-fc", "infogan")
    for method in ("vae-fc", "infogan"):
        for key in ("scores", "against_pairs", "images"):
            assert went_on[method][key] == at_once[method][key], (method, key)
    made(tmp_path / "a", 64, "dcign")
    before = json.loads((tmp_path / "a/models/dcign/0/cell.json").read_text())
    with pytest.raises(InputError, match=r"models/dcign/0 was done with other options \(config\)"):
        made(tmp_path / "a", 256, "infogan", "dcign")
    assert (tmp_path / "a/models/infogan/0/cell.json").exists()  # refused before anything is taken
    assert json.loads((tmp_path / "a/models/dcign/0/cell.json").read_text()) == before


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
def test_the_sweep_and_choosing_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    line = ["reproduce", "latent-size", "--out", str(out), "--quick", "--images", "64"]
    run([*line, "--latents", "5", "10", "--beta-norms", "0.003", "0.01", "--jobs", "1"])
    outcome = json.loads((out / "sweep.json").read_text())
    assert np.array(outcome["grid"]).shape == (2, 2)
    for name in ("heat.png", "curves.png", "reconstructions.png"):
        assert stamped(out / name) == tuple(outcome["weights"].values())
    runs = [str(out / "models" / name / "0") for name in ("M5-b0.003", "M10-b0.01")]
    run(["choose", *runs, "--out", str(tmp_path / "choice"), "--rows", "300"])
    assert "rank correlation (Spearman) with the metric" in capsys.readouterr().out
    kept = json.loads((tmp_path / "choice/choose.json").read_text())
    assert {entry["run"] for entry in kept["runs"]} == set(runs)
    assert (tmp_path / "choice/choose.png").exists()


def test_the_sweep_takes_the_papers_network() -> None:
    models, _ = sweep_cells(Sweep([5], [0.01], images=100, paper_network=True))
    config = Config.from_mapping(models[0].options["config"])
    assert (config.network, str(config.optimiser)) == ("fc", "adagrad learning rate 0.01")
