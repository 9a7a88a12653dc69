from __future__ import annotations

import json
from pathlib import Path

import pytest

from betavae._system.errors import InputError
from betavae.cli import run
from betavae.studies import demo


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
def test_the_demo_runs_from_end_to_end_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tuple((name, place, {**o, "images": 8000}, p) for name, place, o, p in demo.MODELS)
    monkeypatch.setattr(demo, "MODELS", models)
    run(["demo", "--out", str(tmp_path), "--quick"])
    outcome = json.loads((tmp_path / "demo.json").read_text())
    assert [row["model"] for row in outcome["runs"]] == ["beta-VAE", "VAE"]
    for place in ("beta4", "beta1"):
        made = {path.name for path in (tmp_path / place).iterdir()}
        assert made >= {"report.html", "traversal.png", "traversal.gif", "score.json"}
    shown = capsys.readouterr().out
    assert "24 to 4" in shown
    assert "the scores mean nothing" in shown
    again = demo.run_demo(tmp_path, quick=True)
    assert [row["score"] for row in again["runs"]] == [row["score"] for row in outcome["runs"]]
    with pytest.raises(InputError, match="other settings"):
        demo.run_demo(tmp_path, seed=1, quick=True)
