from __future__ import annotations

import json
from pathlib import Path

import pytest

from betavae._system.errors import InputError
from betavae.cli import run
from betavae.config import Config
from betavae.studies import demo
from betavae.training.checkpoint import digest_of_run


def test_both_models_share_everything_but_the_objective() -> None:
    recipe, control = (Config.from_mapping(options) for *_, options, _ in demo.MODELS)
    assert recipe == Config()
    assert recipe.differences(control) == ["objective"]
    assert control.objective == Config(beta=1).objective


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
def test_the_demo_runs_from_end_to_end_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "QUICK_IMAGES", 3200)
    run(["demo", "--out", str(tmp_path), "--quick"])
    outcome = json.loads((tmp_path / "demo.json").read_text())
    assert [row["model"] for row in outcome["runs"]] == ["settle", "VAE"]
    weights = {place: digest_of_run(tmp_path / place) for place in ("settle", "vae")}
    assert outcome["weights"] == weights
    for place in ("settle", "vae"):
        made = {path.name for path in (tmp_path / place).iterdir()}
        assert made >= {"report.html", "traversal.png", "traversal.gif", "score.json"}
    for row in outcome["runs"]:
        assert 0.2 < row["shape"] <= 1
        assert row["orientation"] <= 1
    shown = capsys.readouterr().out
    assert "1 to 4" in shown
    assert "the scores mean nothing" in shown
    again = demo.run_demo(tmp_path, quick=True)
    assert [row["score"] for row in again["runs"]] == [row["score"] for row in outcome["runs"]]
    with pytest.raises(InputError, match="other settings"):
        demo.run_demo(tmp_path, seed=1, quick=True)
