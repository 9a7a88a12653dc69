"""A fitted model draws itself, is saved as a run, and comes back; runs and results show well."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import betavae
from betavae import BetaVAE, InputError
from betavae._system.progress import wanted
from betavae.metrics import evaluate
from html_page import page
from small_runs import synthetic


@pytest.fixture(scope="module")
def fitted() -> BetaVAE:
    return BetaVAE(latents=3, beta=0.1, images=640, random_state=0).fit(synthetic(64))


def test_figures_come_in_one_call_each(fitted: BetaVAE) -> None:
    assert len(fitted.plot_curves().axes) == 3
    assert fitted.plot_traversal(seeds=2, steps=5).axes
    assert fitted.plot_reconstructions().axes
    again = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(InputError, match="images of fit are not at hand"):
        again.plot_traversal()
    assert again.plot_traversal(synthetic(64)).axes
    table = BetaVAE(latents=1, images=64).fit(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(InputError, match="fitted to a table"):
        table.plot_reconstructions()


def test_the_report_of_a_fitted_model_gives_no_advice_that_fails(
    fitted: BetaVAE, tmp_path: Path
) -> None:
    text = page(fitted.report(tmp_path / "report.html")).text
    assert "Reconstructions" in text
    assert "betavae explore" not in text
    assert "How to reproduce" not in text


def test_a_saved_run_opens_and_comes_back(fitted: BetaVAE, tmp_path: Path) -> None:
    folder = fitted.save_run(tmp_path / "run")
    images = synthetic(64)
    run = betavae.open_run(folder)
    assert np.array_equal(run.dataset.images[np.arange(64)], images.images[np.arange(64)])
    assert run.dataset.factor_names == images.factor_names
    assert run.images_seen == 640
    assert f"{run!r}".startswith(f"<ShownRun {folder}: beta")
    assert len(run.plot_curves().axes) == 3
    assert page(run.report()).text.count("betavae explore") == 1
    again = BetaVAE.from_run(folder)
    assert np.array_equal(again.transform(images), fitted.transform(images))
    assert again.plot_reconstructions().axes  # its images are named in the run
    with pytest.raises(InputError, match="already holds a run"):
        fitted.save_run(folder)


def test_a_folder_for_the_hub_opens_as_a_run(fitted: BetaVAE, tmp_path: Path) -> None:
    folder = fitted.save_pretrained(tmp_path / "model")
    np.save(tmp_path / "mine.npy", (synthetic(64).images[np.arange(64)] * 255).byte().numpy())
    with pytest.raises(InputError, match="without its images; name some with --data"):
        betavae.open_run(folder)
    run = betavae.open_run(folder, data=str(tmp_path / "mine.npy"))
    assert run.plot_traversal().axes
    assert "Reconstructions" in page(run.report()).text


def test_results_show_as_frame_html_and_one_line() -> None:
    factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    results = evaluate(factors, factors, metrics=["mig", "modularity"])
    frame = results.to_frame()
    assert list(frame.index) == ["mig", "modularity"]
    assert frame.loc["mig", "score"] == 1.0
    assert "<td>1.0000</td>" in results._repr_html_()
    assert repr(results) == (
        "<Results of 64 rows, 2 latents, 2 factors: "
        "mig:locatello2019 1.000, modularity:ridgeway2018 1.000>"
    )


def test_what_completion_offers_is_what_is_public() -> None:
    assert set(dir(betavae)) == set(betavae.__all__) - {"__version__"}


def test_auto_shows_a_bar_where_it_can_move(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [wanted(True), wanted(False), wanted("auto")] == [True, False, False]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert wanted("auto")
    with pytest.raises(InputError, match="verbose must be True, False or 'auto'"):
        wanted("loud")  # type: ignore[arg-type]
