"""Every metric on one representation: a table, and JSON that says how each number was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from betavae.errors import InputError, did_you_mean
from betavae.metrics import (
    dci,
    elbo,
    explicitness,
    factor_vae,
    gaussian,
    higgins,
    infomec,
    irs,
    jemmig,
    latents,
    mig,
    modularity,
    sap,
)
from betavae.metrics.binning import bin_factors
from betavae.metrics.checks import Array, check_codes, check_factors, check_log_var
from betavae.metrics.summary import Entry, Results


class HasCodes(Protocol):
    """What `evaluate` needs of a representation; `betavae.representation` has it."""

    @property
    def mean(self) -> Any:
        """Codes (N, M)."""

    @property
    def log_var(self) -> Any:
        """Log variances (N, M) of the codes' posteriors, or None."""

    @property
    def factors(self) -> Any:
        """Factors (N, K), or None."""

    @property
    def factor_names(self) -> Sequence[str]:
        """Names of the factors."""


@dataclass(frozen=True)
class Codes:
    """Plain arrays for `evaluate`: codes, and what is known about them.

    Attributes:
        mean: (N, M) codes.
        factors: (N, K) factors, or None.
        log_var: (N, M) log variances of the codes' posteriors, or None.
        factor_names: one name a factor, or empty.
    """

    mean: Any
    factors: Any = None
    log_var: Any = None
    factor_names: Sequence[str] = ()


@dataclass(frozen=True)
class Metric:
    """How `evaluate` calls a metric.

    Attributes:
        function: the metric.
        protocols: its protocols, the default one first.
        arguments: which arrays it takes, in order: codes, factors (or raw, unbinned factors),
            log_var.
        better: "higher", "lower" or "" where neither is.
        log_var_for: protocols that need `log_var` as a keyword.
    """

    function: Callable[..., Any]
    protocols: tuple[str, ...]
    arguments: tuple[str, ...] = ("codes", "factors")
    better: str = "higher"
    log_var_for: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "higgins": Metric(higgins.higgins_score, higgins.PROTOCOLS),
    "factor_vae": Metric(factor_vae.factor_vae_score, factor_vae.PROTOCOLS),
    "mig": Metric(mig.mig_score, mig.PROTOCOLS, log_var_for=("chen2018",)),
    "jemmig": Metric(jemmig.jemmig_score, jemmig.PROTOCOLS, log_var_for=("do2020",)),
    "sap": Metric(sap.sap_score, sap.PROTOCOLS),
    "dci": Metric(dci.dci_scores, dci.PROTOCOLS),
    "modularity": Metric(modularity.modularity_score, modularity.PROTOCOLS),
    "explicitness": Metric(explicitness.explicitness_score, explicitness.PROTOCOLS),
    "irs": Metric(irs.irs_score, irs.PROTOCOLS),
    "infomec": Metric(infomec.infomec_scores, infomec.PROTOCOLS),
    "gaussian_tc": Metric(
        gaussian.gaussian_total_correlation, gaussian.PROTOCOLS, ("codes",), "lower"
    ),
    "active_units": Metric(latents.active_units, ("burda2016",), ("codes",), ""),
    "rate": Metric(latents.rate_per_latent, ("closed_form",), ("codes", "log_var"), ""),
    "total_correlation": Metric(elbo.elbo_terms, ("full_data",), ("codes", "log_var"), "lower"),
}
SLOW = ("dci:locatello2019",)
"""Left out of "fast": about a minute, where every other metric takes seconds."""
GROUPS = ("all", "fast")
WITHOUT_PROTOCOL = ("active_units", "rate", "total_correlation")
WITHOUT_RNG = ("active_units", "rate")


def evaluate_names() -> tuple[str, ...]:
    """List what `evaluate` takes as `metrics`: groups, metrics, and metrics with a protocol.

    >>> "mig" in evaluate_names(), "mig:chen2018" in evaluate_names()
    (True, True)
    """
    keys = [f"{name}:{protocol}" for name, m in METRICS.items() for protocol in m.protocols]
    return (*GROUPS, *METRICS, *keys)


def evaluate(
    representation: HasCodes | Any,
    factors: Any = None,
    *,
    metrics: str | Sequence[str] = "fast",
    protocol: str | Mapping[str, str] | None = None,
    log_var: Any = None,
    factor_bins: int = 20,
    known: Any = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    rng: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Results:
    """Compute metrics of a representation.

    Args:
        representation: anything with `mean`, `log_var`, `factors` and `factor_names` (such as
            `betavae.representation.Representation`, or `Codes`), or codes (N, M) themselves.
        factors: (N, K), in place of the representation's; continuous columns are cut into
            `factor_bins` bins of equal frequency for metrics of discrete factors, and used as they
            are by SAP's R^2.
        metrics: names out of `evaluate_names()`, or a comma-separated string of them. ``"all"``:
            every metric with every protocol; ``"fast"``: without those that take a minute. A
            metric without a protocol runs with its default one.
        protocol: for metrics named without one: a protocol, used by each metric that has it, or
            a protocol by metric.
        log_var: (N, M), in place of the representation's.
        factor_bins: bins of a continuous factor.
        known: booleans (N,) or (N, K): which factor values are known; None: all but -1.
        options: keyword arguments by metric or ``"metric:protocol"``.
        rng: seed; each metric is given this same seed, so a single one can be repeated alone.
        progress: called with ``"metric:protocol"`` before each metric.

    Returns:
        `Results`. In a group, metrics that cannot be computed (no factors, no log variances, one
        factor only) are listed in `.skipped`; named ones raise.

    Raises:
        InputError: for unknown names and for arrays that cannot be used, naming which.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> results = evaluate(factors, factors, metrics=["mig", "modularity"])
    >>> results["mig:locatello2019"].score, results["modularity:ridgeway2018"].score
    (1.0, 1.0)
    """
    if not isinstance(rng, (int, np.integer)) or isinstance(rng, bool) or rng < 0:
        raise InputError(f"rng must be a seed >= 0, got {rng!r}")
    source = representation if hasattr(representation, "mean") else None
    if source is None or isinstance(source, np.ndarray):
        source = Codes(representation)
    codes = check_codes(source.mean)
    log_var = source.log_var if log_var is None else log_var
    if log_var is not None:
        log_var = check_log_var(log_var, codes, "")
    raw = source.factors if factors is None else factors
    arrays: dict[str, Array | None] = {"codes": codes, "log_var": log_var, "factors": None}
    binned: Array | None = None
    if raw is not None:
        binned = bin_factors(raw, bins=factor_bins, known=known)
        arrays["factors"] = check_factors(binned, len(codes))
    names = _factor_names(source, binned)
    changed = [] if binned is None else _binned_columns(raw, binned)
    chosen, grouped = _choose(metrics, protocol)
    entries, skipped = {}, {}
    for key in chosen:
        name, _, which = key.partition(":")
        metric = METRICS[name]
        given = dict(arrays)
        if key == "sap:kumar2018" and changed and known is None:
            given["factors"] = np.asarray(raw)
        missing = [a for a in metric.arguments if given[a] is None]
        if which in metric.log_var_for and log_var is None:
            missing.append("log_var")
        if missing:
            reason = f"needs {' and '.join(missing)}"
            if key not in grouped:
                raise InputError(f"metric {key} {reason}, got None")
            skipped[key] = reason
            continue
        keywords: dict[str, Any] = {**(options or {}).get(name, {}), **(options or {}).get(key, {})}
        if name not in WITHOUT_PROTOCOL:
            keywords["protocol"] = which
        if name not in WITHOUT_RNG:
            keywords.setdefault("rng", int(rng))
        if which in metric.log_var_for:
            keywords["log_var"] = log_var
        if progress is not None:
            progress(key)
        start = time.perf_counter()
        try:
            result = metric.function(*(given[a] for a in metric.arguments), **keywords)
        except InputError as error:
            if key not in grouped:
                raise
            skipped[key] = str(error)
            continue
        entries[key] = Entry(name, which, result, time.perf_counter() - start, metric.better)
    return Results(
        entries=entries,
        skipped=skipped,
        n_rows=len(codes),
        n_latents=codes.shape[1],
        n_factors=0 if binned is None else binned.shape[1],
        factor_names=names,
        binned_factors=tuple(names[k] for k in changed),
        factor_bins=factor_bins,
        seed=int(rng),
    )


def _factor_names(source: Any, factors: Array | None) -> tuple[str, ...]:
    if factors is None:
        return ()
    names = tuple(str(name) for name in getattr(source, "factor_names", ()) or ())
    if len(names) == factors.shape[1]:
        return names
    return tuple(f"factor{k}" for k in range(factors.shape[1]))


def _binned_columns(raw: Any, binned: Array) -> list[int]:
    """Find the columns that `bin_factors` cut into bins."""
    array = np.asarray(raw)
    known = binned >= 0
    return [
        k for k in range(binned.shape[1]) if (array[known[:, k], k] != binned[known[:, k], k]).any()
    ]


def _choose(
    metrics: str | Sequence[str], protocol: str | Mapping[str, str] | None
) -> tuple[list[str], set[str]]:
    """Turn names into "metric:protocol" keys, in order; and say which came from a group."""
    asked = [m.strip() for m in metrics.split(",")] if isinstance(metrics, str) else list(metrics)
    valid = evaluate_names()
    for name in asked:
        if name not in valid:
            raise InputError(
                f"metrics must be among {', '.join((*GROUPS, *METRICS))} "
                f"(or metric:protocol), got {name!r}{did_you_mean(str(name), valid)}"
            )
    if isinstance(protocol, str):
        known = {p for metric in METRICS.values() for p in metric.protocols}
        if protocol not in known:
            raise InputError(
                f"protocol must be one of {', '.join(sorted(known))}, "
                f"got {protocol!r}{did_you_mean(protocol, known)}"
            )
        wanted = {name: protocol for name, m in METRICS.items() if protocol in m.protocols}
    else:
        wanted = dict(protocol or {})
        for name, value in wanted.items():
            if name not in METRICS or value not in METRICS[name].protocols:
                raise InputError(
                    f"protocol must map metrics to protocols they have, got {name!r}: {value!r}"
                    + did_you_mean(f"{name}:{value}", valid)
                )
    keys: list[str] = []
    grouped: set[str] = set()
    for name in asked:
        if name in GROUPS:
            for metric, spec in METRICS.items():
                for p in [wanted[metric]] if metric in wanted else spec.protocols:
                    key = f"{metric}:{p}"
                    if name == "all" or key not in SLOW:
                        keys.append(key)
                        grouped.add(key)
        elif ":" in name:
            keys.append(name)
        else:
            keys.append(f"{name}:{wanted.get(name, METRICS[name].protocols[0])}")
    named = {k for k in asked if ":" in k} | {
        f"{k}:{wanted.get(k, METRICS[k].protocols[0])}" for k in asked if k in METRICS
    }
    return list(dict.fromkeys(keys)), grouped - named
