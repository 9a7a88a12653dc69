from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae._system.stamps import stamped
from betavae.cli import run
from betavae.studies import dual
from betavae.studies.dual import between, run_dual, secant, unbeaten
from betavae.studies.rate_distortion import run_rate_distortion
from betavae.training.checkpoint import NAME


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows, columns = np.divmod(np.arange(16).repeat(4), 4)
    images = np.zeros((64, 32, 32), np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    path = tmp_path_factory.mktemp("data") / "squares.npy"
    np.save(path, images)
    return str(path)


def blocks(rate: float, distortion: float, noise: np.ndarray) -> np.ndarray:
    """Distortion and rate of a run on blocks of images that are harder or easier than the mean."""
    return np.stack([distortion + noise[0], rate + noise[1]])


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_a_secant_of_a_known_curve_lies_between_the_slopes_at_its_ends(scale: float) -> None:
    """A Gaussian channel: D = exp(-2 R), so G has the slope 2 exp(-2 R)."""
    rates = np.linspace(0.3, 2.0, 7)
    shared = np.random.default_rng(0).normal(size=(2, 16))
    terms = [blocks(rate, scale * np.exp(-2 * rate), shared) for rate in rates]
    rows = [{"rate": r, "multiplier": 2 * scale * np.exp(-2 * r)} for r in rates]
    for k in range(6):
        slope, error = secant(terms[k], terms[k + 1])
        exact = -scale * np.diff(np.exp(-2 * rates[k : k + 2]))[0] / (rates[k + 1] - rates[k])
        assert slope == pytest.approx(exact)
        assert error == pytest.approx(0, abs=1e-9 * scale)  # what both share cancels
        found = between(rows, terms, k, k + 1)
        assert found["between"]
        assert found["multipliers"][0] < slope < found["multipliers"][1]
    wrong = [{**row, "multiplier": 3 * row["multiplier"]} for row in rows]
    assert not between(wrong, terms, 0, 1)["between"]


def test_the_error_of_a_secant_is_what_other_images_change() -> None:
    rng, slopes, errors = np.random.default_rng(1), [], []
    for _ in range(400):
        one, other = (rng.normal(size=(2, 16)) * [[0.8], [0.1]] for _ in range(2))
        slope, error = secant(blocks(5, 90, one), blocks(7, 80, other))
        slopes.append(slope)
        errors.append(error)
    assert np.mean(slopes) == pytest.approx(5, abs=0.03)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.1)


def test_runs_that_another_one_beats_are_no_points_of_the_curve() -> None:
    rate, distortion = [8.7, 8.2, 7.6, 6.7, 5.8], [103.0, 84.0, 80.0, 92.0, 109.0]
    assert unbeaten(rate, distortion).tolist() == [False, False, True, True, True]
    assert unbeaten([3, 2, 1], [1, 2, 3]).all()


def test_the_studies_need_points(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least three epsilons"):
        run_dual(tmp_path, epsilons=(3, 3, 4))
    with pytest.raises(InputError, match="at least two betas"):
        run_rate_distortion(tmp_path, betas=(3,))


@pytest.mark.slow
def test_dual_runs_from_the_command_line_and_finds_its_runs_done(
    squares: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dual, "ROUNDS", 2)
    line = ["study", "dual", "--data", squares, "--images", "1280", "--out", str(tmp_path)]
    line += ["--epsilons", "4", "--epsilons", "1", "--epsilons", "2.5"]
    run(line)
    outcome = json.loads((tmp_path / "dual.json").read_text())
    assert [row["epsilon"] for row in outcome["runs"]] == [4, 2.5, 1]
    assert (tmp_path / "dual.png").stat().st_size > 10_000
    assert stamped(tmp_path / "dual.png") == tuple(outcome["weights"].values())
    assert set(outcome["weights"]) == {path.parent.name for path in tmp_path.rglob(NAME)}
    assert len(outcome["secants"]) == sum(row["on_curve"] for row in outcome["runs"]) - 1
    for row in outcome["runs"]:
        assert row["met"] == (abs(row["rate"] - row["epsilon"]) <= 0.1)
        assert row["rounds"] == 2 or row["met"]
        assert (tmp_path / f"epsilon-{row['epsilon']:g}-2").exists() == (row["rounds"] == 2)
    assert "dG/d epsilon" in capsys.readouterr().out
    run(["figure", "dual", str(tmp_path), "-o", str(tmp_path / "again.png")])
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "dual.png").read_bytes()
    written = (tmp_path / "epsilon-1" / "checkpoint.safetensors").stat().st_mtime_ns
    run(line)
    assert json.loads((tmp_path / "dual.json").read_text()) == outcome
    assert (tmp_path / "epsilon-1" / "checkpoint.safetensors").stat().st_mtime_ns == written


@pytest.mark.slow
def test_rate_distortion_runs_from_the_command_line(squares: str, tmp_path: Path) -> None:
    line = ["study", "rate-distortion", "--data", squares, "--images", "1280"]
    run([*line, "--betas", "0.1", "--betas", "30", "--out", str(tmp_path)])
    outcome = json.loads((tmp_path / "rate_distortion.json").read_text())
    for likelihood in ("bernoulli", "gaussian"):
        low, high = outcome[likelihood]
        assert low["beta"] < high["beta"]
        assert low["rate"] > high["rate"]
    assert (tmp_path / "rate_distortion.png").stat().st_size > 10_000
    run(["figure", "rate-distortion", str(tmp_path), "-o", str(tmp_path / "again.png")])
    again = (tmp_path / "again.png").read_bytes()
    assert again == (tmp_path / "rate_distortion.png").read_bytes()
