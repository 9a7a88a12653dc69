"""`evaluate`: which metrics run, what is recorded, and how it prints."""

from __future__ import annotations

import dataclasses
import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tables import grid, noisy_codes

import betavae
from betavae._system.errors import InputError
from betavae.data import load_representation
from betavae.metrics import (
    Codes,
    Draws,
    bin_factors,
    choose,
    dci_scores,
    evaluate,
    evaluate_names,
    factor_table,
    mig_score,
    sap_score,
)
from betavae.metrics.catalogue import METRICS

FACTORS = grid(3, 4, 5, repeat=4)
MEAN, LOG_VAR = noisy_codes(FACTORS)
OPTIONS: dict[str, Any] = {
    "higgins": {"draws": Draws(200, 100, repeats=1)},
    "factor_vae": {"draws": Draws(200, 100)},
    "dci": {"draws": Draws(100, 50)},
    "infomec": {"n_samples": 200},
    "total_correlation": {"n_samples": 50},
}
WHOLE = Codes(MEAN, FACTORS, LOG_VAR, ("shape", "scale", "x"))


@pytest.mark.slow
def test_all_metrics_with_all_protocols() -> None:
    results = evaluate(WHOLE, metrics="all", options=OPTIONS, rng=3)
    every = {name for name in evaluate_names() if ":" in name}
    assert set(results.entries) == every - {"infomec:hsu2023-discrete"}
    assert "must be discrete" in results.skipped["infomec:hsu2023-discrete"]
    data = json.loads(results.to_json())
    assert data["seed"] == 3
    assert (data["n_rows"], data["n_latents"], data["n_factors"]) == (240, 5, 3)
    assert data["factor_names"] == ["shape", "scale", "x"]
    for key, entry in data["metrics"].items():
        assert key == f"{entry['metric']}:{entry['protocol']}"
        assert entry["seed"] == 3
        assert entry["seconds"] >= 0
        assert isinstance(entry["score"], float)
        assert entry["details"]["score"] == entry["score"]
        assert entry["n_rows"] == 240
        assert entry["betavae"] == betavae.__version__
        assert (entry["active_latents"], entry["collapsed"]) == (3, False)
        unsupervised = ("gaussian_tc", "active_units", "rate", "total_correlation")
        expected = [] if entry["metric"] in unsupervised else ["shape", "scale", "x"]
        assert entry["factors"] == expected
    without = {key for key, entry in data["metrics"].items() if entry["interval"] is None}
    assert without == {"dci:locatello2019", "dci:fast", "dci_es:eastwood2023"}


@pytest.mark.slow
def test_fast_leaves_out_what_takes_a_minute() -> None:
    results = evaluate(WHOLE, metrics="fast", options=OPTIONS)
    assert "dci:locatello2019" not in results.entries
    assert "dci:fast" in results.entries


def test_a_result_is_the_functions_own() -> None:
    results = evaluate(MEAN, FACTORS, metrics="mig,sap:kumar2018", rng=5)
    assert list(results.entries) == ["mig:locatello2019", "sap:kumar2018"]
    assert results["mig:locatello2019"].score == float(mig_score(MEAN, FACTORS, rng=5))
    expected = sap_score(MEAN, FACTORS, protocol="kumar2018", rng=5)
    assert results["sap:kumar2018"].interval == expected.interval


def test_a_tensor_is_codes_and_a_saved_representation_a_representation(tmp_path: Path) -> None:
    import torch

    from betavae.runs.representation import Representation

    direct = evaluate(torch.from_numpy(MEAN), FACTORS, metrics="mig")
    assert direct["mig:locatello2019"].score == float(mig_score(MEAN, FACTORS))
    names = ("shape", "scale", "x")
    mean, log_var = MEAN.astype(np.float32), LOG_VAR.astype(np.float32)
    whole = Representation(mean, {"log_var": log_var}, FACTORS, names, np.arange(len(MEAN)))
    whole.save(tmp_path / "codes.npz")
    asked: dict[str, Any] = {"metrics": "mig:chen2018,rate,irs"}
    expected = evaluate(whole, **asked)
    loaded = (
        Representation.load(tmp_path / "codes.npz"),
        load_representation(tmp_path / "codes.npz"),
    )
    for read in loaded:
        found = evaluate(read, **asked)
        assert found.factor_names == names
        assert {k: e.score for k, e in found.entries.items()} == {
            k: e.score for k, e in expected.entries.items()
        }


def test_anything_with_the_four_attributes_will_do() -> None:
    source = SimpleNamespace(mean=MEAN, log_var=None, factors=FACTORS, factor_names=("a", "b", "c"))
    assert evaluate(source, metrics=["mig"]).factor_names == ("a", "b", "c")


@pytest.mark.slow
def test_without_labels_or_posteriors_groups_shrink() -> None:
    unlabelled = evaluate(Codes(MEAN, log_var=LOG_VAR), options=OPTIONS)
    assert set(unlabelled.entries) == {
        "gaussian_tc:locatello2019",
        "active_units:burda2016",
        "rate:closed_form",
        "total_correlation:full_data",
    }
    assert unlabelled.skipped["mig:locatello2019"] == "needs factors"
    means = evaluate(MEAN, FACTORS, options=OPTIONS)
    assert set(means.skipped) - {"infomec:hsu2023-discrete"} == {
        "mig:chen2018",
        "jemmig:do2020",
        "rate:closed_form",
        "total_correlation:full_data",
    }
    assert means.skipped["rate:closed_form"] == "needs log_var"
    one = evaluate(MEAN, FACTORS[:, :1], options=OPTIONS)
    assert "at least 2 columns" in one.skipped["modularity:ridgeway2018"]
    with pytest.raises(InputError, match="metric mig:chen2018 needs log_var, got None"):
        evaluate(MEAN, FACTORS, metrics=["mig:chen2018"])
    with pytest.raises(InputError, match="metric mig:locatello2019 needs factors, got None"):
        evaluate(MEAN, metrics="mig")
    with pytest.raises(InputError, match="at least 2 columns"):
        evaluate(MEAN, FACTORS[:, :1], metrics="fast,modularity", options=OPTIONS)


def test_collapsed_codes_are_flagged_everywhere() -> None:
    """A model with rate 0 draws the mean image for everything; its codes still move a little."""
    mean = 1e-3 * MEAN
    log_var = np.zeros(mean.shape)
    results = evaluate(Codes(mean, FACTORS, log_var), metrics="higgins,mig,rate", options=OPTIONS)
    assert (results.active_latents, results.collapsed) == (0, True)
    assert results["higgins:higgins2017"].result.unit == "the prior's"
    for key, entry in results.to_dict()["metrics"].items():
        assert (entry["active_latents"], entry["collapsed"]) == (0, True), key
        assert results[key].result.about.collapsed is True
    assert "no latent is active" in str(results)
    assert "5 latents (0 active)" in str(results)
    noisy = Codes(MEAN, FACTORS, np.full(MEAN.shape, 8.0))  # a rate, but all of it is noise
    assert evaluate(noisy, metrics="rate").collapsed is True
    unknown = evaluate(mean, FACTORS, metrics="higgins", options=OPTIONS)
    assert (unknown.active_latents, unknown.collapsed) == (None, None)
    assert unknown["higgins:higgins2017"].result.unit == "the largest latent's standard deviation"
    assert "higgins:higgins2017 counts codes in the largest latent's" in str(unknown)
    assert evaluate(0 * mean, FACTORS, metrics="mig").collapsed is True
    assert evaluate(WHOLE, metrics="mig").collapsed is False


def test_a_value_too_rare_for_a_classifier_costs_one_metric_only() -> None:
    rare = np.stack([np.zeros(240, np.int64), FACTORS[:, 1]], axis=1)
    rare[0, 0] = 1
    results = evaluate(MEAN, rare, metrics="mig,sap", options={"sap": {"draws": Draws(2)}}, rng=1)
    assert list(results.entries) == ["mig:locatello2019"]
    assert "too rare in 2 rows" in results.skipped["sap:locatello2019"]
    assert "not computed: sap:locatello2019" in str(results)
    with pytest.raises(InputError, match="sap:locatello2019 cannot be computed: a classifier of"):
        evaluate(MEAN, rare, metrics="sap", options={"sap": {"draws": Draws(2)}}, rng=1)


def test_a_metric_that_breaks_down_does_not_take_the_others_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setitem(METRICS, "irs", dataclasses.replace(METRICS["irs"], function=broken))
    results = evaluate(MEAN, FACTORS, metrics="mig,irs")
    assert results.skipped == {"irs:locatello2019": "Singular matrix"}
    assert list(results.entries) == ["mig:locatello2019"]


def test_few_rows_are_said() -> None:
    text = str(evaluate(MEAN, FACTORS, metrics="mig"))
    assert "rests on 240 rows only" in text
    assert "rests on" not in str(
        evaluate(np.tile(MEAN, (2, 1)), np.tile(FACTORS, (2, 1)), metrics="mig")
    )


def test_names_are_lazy_and_complete() -> None:
    from betavae import metrics

    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert sorted(metrics._MODULES) == sorted(metrics.__all__)
    public = {f"{m.function.__name__}" for m in METRICS.values()}
    assert public <= set(metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = metrics.nothing


@pytest.mark.slow
def test_protocols() -> None:
    chosen = evaluate(WHOLE, metrics=choose(["mig", "sap"], {"mig": "chen2018"}))
    assert list(chosen.entries) == ["mig:chen2018", "sap:locatello2019"]
    names = ["irs", "modularity", "infomec"]
    one = evaluate(WHOLE, metrics=choose(names, "locatello2019"), options=OPTIONS)
    assert list(one.entries) == ["irs:locatello2019", "modularity:locatello2019", "infomec:hsu2023"]
    group = evaluate(WHOLE, metrics=choose("fast", "locatello2019"), options=OPTIONS)
    assert "irs:suter2019" not in group.entries
    assert "jemmig:do2020" in group.entries


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "migg"}, "got 'migg'; did you mean 'mig'"),
        ({"metrics": ["mig:chen2017"]}, "got 'mig:chen2017'; did you mean 'mig:chen2018'"),
        ({"metrics": []}, "metrics must name at least one of all, fast, higgins"),
        ({"rng": -1}, "rng must be a seed >= 0, got -1"),
        ({"rng": "a"}, "rng must be a seed >= 0, got 'a'"),
        ({"factor_bins": 1}, "bins must be an integer >= 2, got 1"),
    ],
)
def test_bad_requests(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(MEAN, FACTORS, **options)


def test_log_variances_have_the_shape_of_codes() -> None:
    with pytest.raises(InputError, match="log_var must have the shape of codes"):
        evaluate(Codes(MEAN, FACTORS, LOG_VAR[:, :1]))


@pytest.mark.parametrize(
    ("metrics", "protocol", "message"),
    [
        ("irs", "chen2018", "got 'chen2018', which is for mig"),
        ("fast", "locatello2018", "got 'locatello2018'; did you mean 'locatello2019'"),
        ("fast", {"mig": "hsu2023"}, "protocol must map metrics to protocols they have"),
    ],
)
def test_bad_protocols(metrics: str, protocol: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(metrics, protocol)


def test_continuous_factors_are_binned_and_it_says_so() -> None:
    rng = np.random.default_rng(0)
    factors = np.stack([rng.normal(size=2000), rng.integers(3, size=2000)], axis=1)
    codes = factors + 0.1 * rng.normal(size=factors.shape)
    source = Codes(codes, factors, factor_names=("angle", "shape"))
    results = evaluate(source, metrics=["mig", "sap:kumar2018", "modularity"], factor_bins=10)
    assert results.binned_factors == ("angle",)
    assert json.loads(results.to_json())["factor_bins"] == 10
    assert results["mig:locatello2019"].score > 0.5
    assert results["mig:locatello2019"].score == float(
        mig_score(codes, bin_factors(factors, bins=10))
    )
    unbinned = float(sap_score(codes, factors, protocol="kumar2018"))
    assert results["sap:kumar2018"].score == unbinned


def test_factors_known_for_part_of_the_rows() -> None:
    known = np.random.default_rng(0).random(FACTORS.shape) < 0.7
    results = evaluate(MEAN, factor_table(FACTORS, known=known), metrics="mig")
    hidden = np.where(known, FACTORS, -1)
    assert results["mig:locatello2019"].score == float(mig_score(MEAN, hidden))
    assert float(mig_score(MEAN, factor_table(FACTORS, known=known))) == float(
        mig_score(MEAN, hidden)
    )


def test_the_table_says_what_was_done() -> None:
    results = evaluate(WHOLE, metrics=["mig:chen2018", "rate", "dci:fast"], options=OPTIONS)
    text = str(results)
    for word in (
        "240 rows, 5 latents (3 active), 3 factors, seed 0",
        "chen2018",
        "dci",
        "higher",
        " to ",
    ):
        assert word in text
    shown = StringIO()
    Console(file=shown, width=120).print(results)
    assert "chen2018" in shown.getvalue()
    with pytest.raises(KeyError, match="did you mean 'mig:chen2018'"):
        results["mig:chen2017"]
    assert "not computed" in str(evaluate(Codes(MEAN), options=OPTIONS))


def test_progress_names_each_metric() -> None:
    seen: list[str] = []
    evaluate(WHOLE, metrics=["mig", "irs"], progress=seen.append)
    assert seen == ["mig:locatello2019", "irs:locatello2019"]


def test_infinite_scores_are_valid_json() -> None:
    twice = np.concatenate([MEAN[:, :2], MEAN[:, :2]], axis=1)
    data = json.loads(evaluate(twice, metrics="gaussian_tc").to_json())
    assert data["metrics"]["gaussian_tc:locatello2019"]["score"] == "inf"


def test_dci_repeats_give_an_interval() -> None:
    result = dci_scores(MEAN, FACTORS, protocol="fast", draws=Draws(150, 50, repeats=3))
    assert result.repeats == 3
    assert result.interval is not None
    assert result.interval[0] <= result.score <= result.interval[1]


def test_binning_factors() -> None:
    factors = np.stack([np.linspace(0, 1, 100) ** 3, np.arange(100) % 4], axis=1)
    binned = bin_factors(factors, bins=5)
    np.testing.assert_array_equal(np.bincount(binned[:, 0]), [20] * 5)
    np.testing.assert_array_equal(binned[:, 1], np.arange(100) % 4)
    holes = factors.copy()
    holes[3, 0] = np.nan
    assert bin_factors(holes, bins=5, known=np.isfinite(holes))[3, 0] == -1
    distinct = np.arange(100)[:, None]  # a value a row: binned although whole
    assert bin_factors(distinct, bins=4).max() == 3
