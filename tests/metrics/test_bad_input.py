"""Bad arrays and options end in one InputError that names argument, expected and got."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tables import grid, identity_codes

from betavae._system.errors import InputError
from betavae.metrics import (
    Draws,
    active_units,
    bin_factors,
    dci_scores,
    elbo_terms,
    evaluate,
    explicitness_score,
    factor_vae_score,
    gaussian_total_correlation,
    higgins_score,
    infomec_scores,
    irs_score,
    jemmig_score,
    mig_score,
    model_centrality,
    modularity_score,
    rate_per_latent,
    sap_score,
    udr_scores,
)

FACTORS = grid(3, 4, repeat=5)
CODES = identity_codes(FACTORS)
SUPERVISED = [
    higgins_score,
    mig_score,
    jemmig_score,
    factor_vae_score,
    sap_score,
    dci_scores,
    modularity_score,
    explicitness_score,
    irs_score,
    infomec_scores,
    evaluate,
]


def with_entry(array: Any, value: float) -> Any:
    changed = np.array(array, np.float64)
    changed[3, 1] = value
    return changed


CASES = {
    "unequal lengths": (CODES, FACTORS[:-1], "codes and factors .* got 60 codes and 59 factors"),
    "NaN codes": (with_entry(CODES, np.nan), FACTORS, "codes must be finite, got 1 NaN"),
    "infinite codes": (with_entry(CODES, np.inf), FACTORS, "codes must be finite, got 1 NaN"),
    "NaN factors": (CODES, with_entry(FACTORS, np.nan), "factors must be finite, got 1 NaN"),
    "one row": (CODES[:1], FACTORS[:1], "codes must have at least 2 rows, got 1"),
    "one value": (CODES, FACTORS * 0, "factors .* at least 2 values, got"),
    "text codes": (CODES.astype(str), FACTORS, "codes must be numeric, .* got dtype <U"),
    "below -1": (CODES, FACTORS - 2, r"factors column 0 must be >= -1 .* got -2; number the class"),
    "-1 and 1": (CODES, 2 * (FACTORS > 0) - 1, r"column 0 looks like .* -1 and 1.*factors \+ 1"),
    "flat codes": (CODES[:, 0], FACTORS, r"codes must have shape \(N, M\), got 1 dimension"),
    "cubic factors": (CODES, FACTORS[:, :, None], r"factors must have shape \(N, K\), got 3 dim"),
    "no latents": (CODES[:, :0], FACTORS, "codes must have at least one column, got shape"),
    "ragged codes": ([[1.0], [1.0, 2.0]], FACTORS, "codes must be a numeric .*unequal lengths"),
    "complex codes": (CODES * 1j, FACTORS, "codes must be numeric, .* got dtype complex128"),
    "objects": ([[object()], [object()]], FACTORS, "codes must be numeric, .* got dtype object"),
    "odd factors": (CODES, [[object(), 1]] * 60, "factors must be numeric or text, got a object"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", SUPERVISED)
def test_bad_arrays(metric: Callable[..., Any], case: str) -> None:
    codes, factors, message = CASES[case]
    with pytest.raises(InputError, match=message):
        metric(codes, factors)


@pytest.mark.parametrize("metric", [m for m in SUPERVISED if m is not evaluate])
def test_too_many_values_for_a_discrete_metric(metric: Callable[..., Any]) -> None:
    factors = np.stack([np.arange(60), FACTORS[:, 1]], axis=1)
    with pytest.raises(InputError, match=r"factors column 0 .* got 60 values in 60 rows; bin it"):
        metric(CODES, factors)


@pytest.mark.parametrize("metric", [m for m in SUPERVISED if m is not evaluate])
def test_fractions_for_a_discrete_metric(metric: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"factors column 0 must hold whole numbers .* bin it"):
        metric(CODES, FACTORS + np.array([0.5, 0]))


def test_an_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="codes must be finite"):
        mig_score(with_entry(CODES, np.nan), FACTORS)


@pytest.mark.parametrize("metric", [m for m in SUPERVISED if m is not evaluate])
def test_unknown_protocol_and_columns(metric: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"protocol must be one of .* got 'locatelo2019'"):
        metric(CODES, FACTORS, protocol="locatelo2019")
    with pytest.raises(InputError, match=r"factor_columns must be different .* got"):
        metric(CODES, FACTORS, factor_columns=[0, 7])
    with pytest.raises(InputError, match="factor_columns must be column indices, got 'shape'"):
        metric(CODES, FACTORS, factor_columns="shape")


@pytest.mark.parametrize("metric", [m for m in SUPERVISED if m is not evaluate])
@pytest.mark.parametrize("rng", [-1, "seed", 0.5])
def test_bad_seed(metric: Callable[..., Any], rng: Any) -> None:
    with pytest.raises(InputError, match="rng must be a seed"):
        metric(CODES, FACTORS, rng=rng)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mig_score(CODES, FACTORS, protocol="chen2018"), "log_var must be given for"),
        (lambda: jemmig_score(CODES, FACTORS, protocol="do2020"), "log_var must be given for"),
        (
            lambda: mig_score(CODES, FACTORS, protocol="chen2018", log_var=CODES[:, :1]),
            r"log_var must have the shape of codes, expected \(60, 2\), got \(60, 1\)",
        ),
        (lambda: mig_score(CODES, FACTORS, bins=1), "bins must be an integer >= 2, got 1"),
        (
            lambda: higgins_score(CODES, FACTORS, draws=Draws(n_pairs=0)),
            "n_pairs must be an integer >= 1",
        ),
        (
            lambda: higgins_score(CODES, FACTORS, draws=Draws(1.5)),
            "n_train must be an integer >= 2",
        ),
        (
            lambda: higgins_score(CODES, FACTORS, draws=Draws(repeats=True)),
            "repeats must be an integer >= 1",
        ),
        (
            lambda: factor_vae_score(CODES, FACTORS, draws=Draws(batch_size=1)),
            "batch_size must be an int",
        ),
        (
            lambda: dci_scores(CODES, FACTORS, draws=Draws(repeats=0)),
            "repeats must be an integer >= 1",
        ),
        (
            lambda: dci_scores(CODES, FACTORS, draws=Draws(n_pairs=5)),
            "repeats at most .* got n_pairs",
        ),
        (lambda: sap_score(CODES, FACTORS, draws={"n_train": 9}), "draws must be a Draws, got"),
        (lambda: elbo_terms(CODES, CODES, n_samples=1), "n_samples must be an integer >= 2"),
        (lambda: elbo_terms(CODES, None), "log_var must be given"),
        (lambda: rate_per_latent(CODES, None), "log_var must be given"),
        (lambda: gaussian_total_correlation(CODES, protocol="x"), "protocol must be one of"),
        (lambda: gaussian_total_correlation(with_entry(CODES, np.nan)), "codes must be finite"),
        (lambda: active_units(CODES, threshold=-1), "threshold must be a number >= 0, got -1"),
        (lambda: udr_scores(CODES), "codes must be two or more"),
        (lambda: udr_scores([CODES]), "codes must be two or more .* got 1"),
        (lambda: udr_scores([CODES, CODES[:-1]]), "codes must have the same rows"),
        (lambda: udr_scores([CODES, CODES], log_vars=[CODES]), "log_vars must have one array"),
        (lambda: udr_scores([CODES, CODES], protocol="ridge"), "protocol must be one of"),
        (lambda: model_centrality([CODES, with_entry(CODES, np.nan)]), r"codes\[1\] must be fin"),
        (lambda: bin_factors(FACTORS, known=[True]), "known must be booleans of shape"),
        (lambda: bin_factors(FACTORS, bins=1), "bins must be an integer >= 2, got 1"),
    ],
)
def test_bad_options(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("metric", [higgins_score, modularity_score, infomec_scores])
def test_metrics_that_tell_factors_apart_need_two(metric: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"factors must have at least 2 columns .* got 1"):
        metric(CODES, FACTORS[:, :1])
