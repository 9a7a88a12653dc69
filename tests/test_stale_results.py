"""What is made of a run's weights says of which, and is not shown once the run has others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from betavae._system.errors import InputError
from betavae._system.locks import only_one
from betavae._system.stamps import KEY, stamped
from betavae.config import Config
from betavae.report import parts
from betavae.runs.latent_names import read_names, write_names
from betavae.runs.made import current_weights, made_of, stale_files
from betavae.runs.scores import read_scores
from betavae.studies import restarts
from betavae.studies.cells import CELL, Cell, finished, open_study
from betavae.studies.engines import Engine
from betavae.studies.rate_distortion import run_rate_distortion
from betavae.studies.run_cells import run_cells
from betavae.training import checkpoint, run_folder
from betavae.training.fit import train
from command_line import fails, run_quietly
from small_runs import grid_images, squares_file

OPTIONS = ("--objective", "beta", "--latents", 3, "--batch", 16, "--threads", 1)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the program's own takes it."""


@pytest.fixture
def squares(tmp_path: Path) -> str:
    return squares_file(tmp_path, 8, 8, side=32, square=8)


@pytest.fixture
def run(squares: str, tmp_path: Path) -> Path:
    out = tmp_path / "run"
    run_quietly("train", squares, *OPTIONS, "--images", 64, "--out", out)
    return out


FILES = {
    "traversal.png": ("traverse", "RUN"),
    "traversal.gif": ("traverse", "RUN"),
    "report.html": ("report", "RUN"),
    "representation.npz": ("encode", "RUN"),
    "codes.csv": ("encode", "RUN", "--out", "RUN/codes.csv"),
    "codes.parquet": ("encode", "RUN", "--out", "RUN/codes.parquet"),
    "rates.svg": ("figure", "rates", "RUN", "-o", "RUN/rates.svg"),
    "rates.pdf": ("figure", "rates", "RUN", "-o", "RUN/rates.pdf"),
    "rates.png": ("figure", "rates", "RUN", "-o", "RUN/rates.png"),
    "rates.json": ("figure", "rates", "RUN", "-o", "RUN/rates.png"),
    "page.html": ("explore", "RUN", "--export", "RUN/page.html"),
    "hub/README.md": ("export", "RUN"),
    "hub/traversal.png": ("export", "RUN"),
    "scores.json": ("score", "RUN", "--metrics", "irs", "--out", "RUN/scores.json"),
    "choose.json": ("choose", "RUN", "RUN", "--out", "RUN"),
    "choose.png": ("choose", "RUN", "RUN", "--out", "RUN"),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every command has left its file."""
    folder = tmp_path_factory.mktemp("drawn")
    data = squares_file(folder, 8, 8, side=32, square=8)
    run_quietly("train", data, *OPTIONS, "--images", 64, "--out", folder / "run")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "figure_address", lambda figure: "data:image/svg+xml,")
        for words in dict.fromkeys(FILES.values()):
            if words[-1].endswith(".parquet") and find_spec("pyarrow") is None:
                continue
            run_quietly(*(word.replace("RUN", str(folder / "run")) for word in words))
    return folder / "run"


@pytest.mark.parametrize("name", FILES)
def test_every_file_carries_the_digest_of_its_weights(drawn: Path, name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    assert set(made_of(drawn / name)) == {current_weights(drawn)}
    assert drawn / name not in stale_files(drawn, current_weights(drawn))
    if "/" not in name:
        assert drawn / name in stale_files(drawn, "0" * 32)


def test_weights_and_programs_carry_it_too(drawn: Path) -> None:
    with safe_open(drawn / "hub" / "model.safetensors", "pt") as file:
        assert file.metadata()[KEY] == current_weights(drawn)


def test_a_longer_training_takes_away_what_the_earlier_weights_made(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "figure_address", lambda figure: "data:image/svg+xml,")
    for words in (("traverse", run), ("report", run), ("encode", run), ("export", run)):
        run_quietly(*words)
    run_quietly("report", run, "--out", run / "mine.html")
    before = current_weights(run)
    run_quietly("train", "--resume", "--out", run)  # nothing to do: nothing goes
    assert (run / "report.html").exists()
    capsys.readouterr()
    run_quietly("train", "--resume", "--images", 96, "--out", run)
    said = capsys.readouterr().err
    assert "removed from" in said
    assert f"note: {run / 'mine.html'} is of earlier weights of its run" in said
    assert current_weights(run) != before
    assert [name for name in run_folder.MADE if (run / name).exists()] == []
    assert not (run / "hub").exists()
    assert stamped(run / "mine.html") == (before,)
    run_quietly("report", run)
    assert stamped(run / "report.html") == (current_weights(run),)


def test_a_training_from_python_replaces_a_run_whole(tmp_path: Path) -> None:
    config = Config(objective="beta", network="patch", latents=3, images=64, batch=16, threads=1)
    train(config, grid_images(), tmp_path, progress=False)
    (tmp_path / "score.json").write_text("{}")
    for name in ("report.html", "traversal.png"):
        (tmp_path / name).write_text("old")
    (tmp_path / "mine.txt").write_text("kept")
    train(config.replaced(seed=1), grid_images(), tmp_path, progress=False)
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"score.json", "report.html", "traversal.png"}
    assert "mine.txt" in left


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, moment: int) -> None:
    """Let the process die at the so-manieth call of a method of `Path`."""
    real, calls = getattr(Path, name), 0

    def counted(self: Path, *given: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > moment:
            raise Killed
        return real(self, *given, **options)

    monkeypatch.setattr(Path, name, counted)


def moments() -> Iterator[int]:
    yield from range(100)


def test_overwriting_can_be_killed_at_any_moment(
    squares: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_quietly("score", run, "--metrics", "irs")
    write_names(run, {0: "width"}, 3)
    made = [run / name for name in ("report.html", "traversal.png", "traversal.gif")]
    for path in made:
        path.write_text("of the old weights")
    kept = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    weights = current_weights(run)
    line = ("train", squares, *OPTIONS, "--images", 64, "--seed", 1, "--out", run, "--overwrite")
    for moment in moments():
        with monkeypatch.context() as patched:
            killed_at(patched, "unlink", moment)
            try:
                run_quietly(*line)
                break
            except Killed:
                pass
        if (run / checkpoint.NAME).exists():
            if current_weights(run) != weights:
                break  # the new run is there, whatever is tidied after it
            assert all((run / name).exists() for name in ("metrics.jsonl", "config.toml"))
        else:
            assert not any(path.exists() for path in made)
            assert not (run / "score.json").exists()
            assert read_names(run) == {}
        for path, content in kept.items():
            path.write_bytes(content)
    assert moment > 5
    run_quietly(*line)
    assert current_weights(run) != weights
    assert read_scores(run) == []
    assert not any(path.exists() for path in made)


def test_keeping_the_best_seed_can_be_killed_at_any_moment(
    squares: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "best"
    config = Config(objective="beta", data=squares, latents=3, images=64, batch=16, threads=1)
    restarts.train_restarts(config, out, 2, jobs=1, progress=False)
    longer = config.replaced(images=96)
    before = (out / "metrics.jsonl").read_bytes(), current_weights(out)
    with monkeypatch.context() as patched:
        patched.setattr(restarts, "_keep", lambda best, out, outcome: None)
        restarts.train_restarts(longer, out, 2, jobs=1, progress=False, overwrite=True)
    for moment in range(50):
        with monkeypatch.context() as patched:
            killed_at(patched, "replace", moment)
            try:
                restarts.train_restarts(longer, out, 2, jobs=1, progress=False, overwrite=True)
                break
            except Killed:
                pass
        if current_weights(out) == before[1]:
            assert (out / "metrics.jsonl").read_bytes() == before[0]
        elif not (out / checkpoint.NAME).exists():
            assert restarts.under_way(out)  # the same line goes on
    assert checkpoint.read_header(out).config.images == 96
    assert (out / "images.safetensors").exists()
    best = json.loads((out / "restarts.json").read_text())
    assert best["weights"][f"seed/{best['seeds'][0]['seed']}"] == current_weights(out)
    run_quietly("score", out, "--metrics", "irs")
    restarts.train_restarts(longer, out, 2, jobs=1, progress=False)
    assert len(read_scores(out) or []) == 1  # the same weights keep their scores


def trained_cell(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Train a cell's run, or judge the one that it names."""
    if "codes" not in options:
        config = Config.from_mapping(options["config"])
        train(config, grid_images(), folder, progress=False)
    return {"done": True}


def test_a_cell_of_earlier_weights_is_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"objective": "beta", "network": "patch", "latents": 3, "images": 64, "batch": 16}
    cells = [Cell("models/a", {"config": config}), Cell("scores/a", {"codes": "models/a"})]
    study, engine = tmp_path / "study", Engine(jobs=1)
    open_study(study, "small", {})
    for cell in cells:
        run_cells(study, [cell], trained_cell, engine=engine, progress=False)
    weights = checkpoint.digest_of_run(study / "models" / "a")
    for cell in cells:
        kept = json.loads((study / cell.name / CELL).read_text())
        assert kept["weights"] == {"models/a": weights}
        assert finished(study, cell) is not None
    again = Config.from_mapping({**config, "seed": 1})
    train(again, grid_images(), study / "models" / "a", progress=False)
    capsys.readouterr()
    assert [finished(study, cell) for cell in cells] == [None, None]
    assert "scores/a is of earlier weights of models/a: done again" in capsys.readouterr().err
    for cell in cells:
        run_cells(study, [cell], trained_cell, engine=engine, progress=False)
        assert finished(study, cell) is not None


def test_a_study_of_earlier_weights_is_not_drawn(
    squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "rd"
    run_rate_distortion(study, data=squares, betas=[1, 4], images=64)
    outcome = json.loads((study / "rate_distortion.json").read_text())
    assert len(outcome["weights"]) == 4
    assert stamped(study / "rate_distortion.png") == tuple(outcome["weights"].values())
    run_quietly("figure", "rate-distortion", study, "-o", tmp_path / "rd.svg")
    assert stamped(tmp_path / "rd.svg") == stamped(study / "rate_distortion.png")
    place, *_ = outcome["weights"]
    run_quietly("train", squares, *OPTIONS, "--images", 64, "--out", study / place, "--overwrite")
    capsys.readouterr()
    line = fails(capsys, "figure", "rate-distortion", study, "-o", tmp_path / "rd.svg")
    assert f"rate_distortion.json is of earlier weights of {place}; renew it with" in line


def test_codes_in_a_table_are_known_as_stale(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_quietly("encode", run, "--out", run / "codes.csv")
    np.savetxt(run / "factors.csv", np.arange(128).reshape(64, 2) % 8, fmt="%d", delimiter=",")
    score = ("score", "--codes", run / "codes.csv", "--factors", run / "factors.csv")
    run_quietly(*score, "--metrics", "irs")
    run_quietly("train", "--resume", "--images", 96, "--out", run)
    capsys.readouterr()
    assert "codes.csv is of earlier weights of this run; renew it with" in fails(capsys, *score)


def test_names_given_in_an_explorer_of_earlier_weights_are_refused(run: Path) -> None:
    opened = current_weights(run)
    write_names(run, {0: "width"}, 3, opened)
    run_quietly("train", "--resume", "--images", 96, "--out", run)
    with pytest.raises(InputError, match="has got other weights since it was opened"):
        write_names(run, {0: "height"}, 3, opened)
    assert read_names(run, opened) == {0: "width"}
    assert read_names(run) == {}


@pytest.mark.parametrize(
    "words",
    [
        ("score", "RUN"), ("report", "RUN"), ("traverse", "RUN"), ("encode", "RUN"),
        ("export", "RUN"), ("figure", "rates", "RUN", "-o", "RUN/rates.png"),
        ("explore", "RUN", "--export", "RUN/page.html"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_nothing_is_made_in_a_folder_that_is_trained_in(
    drawn: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with only_one(drawn):
        line = fails(capsys, *(word.replace("RUN", str(drawn)) for word in words))
    assert "is in use by process" in line
