"""A run and its images: found where they were or are now, refused when they are others."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from betavae import Config, InputError, open_run, train
from betavae.data import load
from betavae.data.code_files import load_codes
from betavae.data.kept_images import kept_images
from betavae.data.source import Source
from betavae.report.write import write_report
from betavae.runs.code_tables import write_codes
from betavae.runs.representation import Representation
from betavae.runs.scoring import encode_run, score_run
from betavae.runs.traversals import write_traversals
from betavae.studies.training_runs import plan_training, train_folder


def pictures(folder: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for k in range(1, 25):
        pixels = rng.integers(0, 255, (16, 16), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    rows = [("file", "size", "kind"), *((f"{k}.png", k % 3, k % 4) for k in range(1, 25))]
    with (folder / "factors.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds images and a run on them, trained from within."""
    folder = tmp_path / "project"
    pictures(folder / "photos")
    monkeypatch.chdir(folder)
    config = Config(data="photos", beta=4, latents=2, images=64, batch=8)
    train(config, out=Path("runs/a"), progress=False)
    return folder


def test_images_are_found_from_anywhere_and_after_a_move(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(open_run(project / "runs/a").dataset.images) == 24  # by the absolute path
    moved = tmp_path / "moved"
    project.rename(moved)
    run = open_run(moved / "runs/a")  # by the path from the run folder
    assert run.dataset.files[:2] == ("1.png", "2.png")
    assert run.is_own_data


def test_other_images_under_the_same_name_are_refused(project: Path) -> None:
    shutil.rmtree("photos")
    pictures(Path("photos"), seed=1)
    with pytest.raises(InputError, match=r"holds other images than runs/a was trained on \(24"):
        open_run(Path("runs/a"))
    run = open_run(Path("runs/a"), data="photos")  # on purpose
    assert not run.is_own_data
    with pytest.raises(InputError, match="holds other images"):
        train(Config(data="photos", beta=4, latents=2, images=128, batch=8), out=Path("runs/a"),
              resume=True, progress=False)  # fmt: skip


def test_scores_on_other_images_do_not_become_the_runs(project: Path) -> None:
    pictures(Path("others"), seed=1)
    score_run(Path("runs/a"), data="photos", progress=False)
    kept = Path("runs/a/score.json").read_text()
    results = score_run(Path("runs/a"), data="others", progress=False)
    assert "score.json is left as it is" in " ".join(results.notes)
    assert Path("runs/a/score.json").read_text() == kept


def test_a_run_goes_on_with_images_that_moved(project: Path) -> None:
    shutil.move("photos", "elsewhere")
    with pytest.raises(InputError, match=r"looked for photos, .*project/photos; say where"):
        open_run(Path("runs/a"))
    options = {"data": "elsewhere", "images": 128}
    planned = plan_training(options, Path("runs/a"), resume=True)
    train_folder(planned, load("elsewhere"), progress=False)
    assert open_run(Path("runs/a")).header.config.images == 128


@pytest.mark.slow
def test_a_run_without_its_images_can_be_looked_at_but_not_scored(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move("runs/a", tmp_path / "carried")
    shutil.rmtree(project / "photos")
    carried = tmp_path / "carried"
    assert all(path.exists() for path in write_traversals(carried, steps=3))
    assert "24 images kept with the run stand in" in capsys.readouterr().err
    assert write_report(carried).exists()
    with pytest.raises(InputError, match="say where they are with --data"):
        score_run(carried, progress=False)


def test_kept_images_are_a_data_set_with_factors_and_names(project: Path) -> None:
    kept, whole = kept_images(Path("runs/a")), load("photos")
    assert kept is not None
    np.testing.assert_array_equal(kept.images.data, whole.images.data)
    np.testing.assert_array_equal(kept.factors(np.arange(24)), whole.factors(np.arange(24)))
    assert (kept.files, kept.factor_names) == (whole.files, ("size", "kind"))
    Path("runs/a/images.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(InputError, match="is damaged"):
        kept_images(Path("runs/a"))


def test_a_damaged_description_of_the_data_is_one_line() -> None:
    with pytest.raises(InputError, match="description of the data is damaged"):
        Source.from_dict({"count": 1, "image_shape": [1, 2], "digest": "", "path": None})


def test_codes_are_written_as_the_files_name_says(project: Path) -> None:
    codes = encode_run(Path("runs/a"), progress=False)
    for name in ("codes.npz", "codes.csv", "codes.parquet"):
        write_codes(codes, Path(name))
    assert Representation.load(Path("codes.npz")).files == codes.files
    np.testing.assert_array_equal(load_codes("codes.csv").astype(np.float32), codes.codes)
    with Path("codes.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["file", *codes.files]
    parquet = pytest.importorskip("pyarrow.parquet").read_table("codes.parquet").to_pydict()
    assert parquet["file"] == list(codes.files)
    np.testing.assert_array_equal(np.array(parquet["z1"], np.float32), codes.codes[:, 1])
    np.testing.assert_array_equal(parquet["kind"], codes.factors[:, 1])
    with pytest.raises(InputError, match=r"ending in .npz, .csv, .parquet, got codes.xls"):
        write_codes(codes, Path("codes.xls"))
