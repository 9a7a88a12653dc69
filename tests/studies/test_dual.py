from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from betavae._system.errors import InputError
from betavae.cli import run
from betavae.studies.dual import fit_gain, run_dual, unbeaten
from betavae.studies.rate_distortion import run_rate_distortion


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows, columns = np.divmod(np.arange(16).repeat(4), 4)
    images = np.zeros((64, 32, 32), np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[8 * row : 8 * row + 6, 8 * column : 8 * column + 6] = 255
    path = tmp_path_factory.mktemp("data") / "squares.npy"
    np.save(path, images)
    return str(path)


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_the_fitted_slope_is_that_of_a_known_curve(scale: float) -> None:
    """A Gaussian channel: D = exp(-2 R), so G has the slope 2 exp(-2 R)."""
    rate = np.linspace(0.3, 2.0, 7)
    fitted = fit_gain(rate, -scale * np.exp(-2 * rate))
    np.testing.assert_allclose(fitted.slope(rate), 2 * scale * np.exp(-2 * rate), rtol=1e-3)
    np.testing.assert_allclose(fitted(rate), -scale * np.exp(-2 * rate), atol=1e-4 * scale)


def test_the_fit_rises_whatever_the_noise() -> None:
    rng = np.random.default_rng(0)
    rate = np.linspace(1, 9, 6)
    assert (fit_gain(rate, rate + rng.normal(size=6)).slope(rate) > 0).all()


def test_runs_that_another_one_beats_are_no_points_of_the_curve() -> None:
    rate, distortion = [8.7, 8.2, 7.6, 6.7, 5.8], [103.0, 84.0, 80.0, 92.0, 109.0]
    assert unbeaten(rate, distortion).tolist() == [False, False, True, True, True]
    assert unbeaten([3, 2, 1], [1, 2, 3]).all()


def test_the_fit_and_the_study_need_three_points(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="three rates that differ"):
        fit_gain([1, 2], [1, 2])
    with pytest.raises(InputError, match="at least three epsilons"):
        run_dual(tmp_path, epsilons=(3, 3, 4))
    with pytest.raises(InputError, match="at least two betas"):
        run_rate_distortion(tmp_path, betas=(3,))


@pytest.mark.slow
def test_dual_runs_from_the_command_line_and_finds_its_runs_done(
    squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["study", "dual", "--data", squares, "--images", "1280", "--out", str(tmp_path)]
    line += ["--epsilons", "4", "--epsilons", "1", "--epsilons", "2.5"]
    run(line)
    outcome = json.loads((tmp_path / "dual.json").read_text())
    assert [row["epsilon"] for row in outcome["runs"]] == [4, 2.5, 1]
    assert (tmp_path / "dual.png").stat().st_size > 10_000
    assert "multiplier / slope" in capsys.readouterr().out
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
