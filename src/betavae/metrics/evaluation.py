"""Every metric on one representation: a table, and JSON that says how each number was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.binning import bin_factors
from betavae.metrics._shared.checks import Array, check_codes, check_factors, check_log_var
from betavae.metrics.catalogue import METRICS, WITHOUT_PROTOCOL, WITHOUT_RNG, Choice, choose
from betavae.metrics.codes import Codes
from betavae.metrics.summary import Entry, Results


class HasCodes(Protocol):
    """What `evaluate` needs of a representation; `betavae.runs.representation` has it."""

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


def evaluate(
    representation: HasCodes | Any,
    factors: Any = None,
    *,
    metrics: str | Sequence[str | Choice] = "fast",
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
            `betavae.runs.representation.Representation`, or `Codes`), or codes (N, M) themselves.
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
    # Arrays, tensors and data frames have a `mean` too, which is a method.
    whole = hasattr(representation, "mean") and hasattr(representation, "factors")
    source = representation if whole else Codes(representation)
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
    entries, skipped = {}, {}
    for choice in choose(metrics, protocol):
        metric, key = METRICS[choice.name], choice.key
        given = dict(arrays)
        if key == "sap:kumar2018" and changed and known is None:
            given["factors"] = np.asarray(raw)
        missing = [name for name in choice.needs if given[name] is None]
        if missing:
            reason = f"needs {' and '.join(missing)}"
            if choice.named:
                raise InputError(f"metric {key} {reason}, got None")
            skipped[key] = reason
            continue
        keywords = {**(options or {}).get(choice.name, {}), **(options or {}).get(key, {})}
        if choice.name not in WITHOUT_PROTOCOL:
            keywords["protocol"] = choice.protocol
        if choice.name not in WITHOUT_RNG:
            keywords.setdefault("rng", int(rng))
        if choice.protocol in metric.log_var_for:
            keywords["log_var"] = log_var
        if progress is not None:
            progress(key)
        start = time.perf_counter()
        try:
            result = metric.function(*(given[a] for a in metric.arguments), **keywords)
        except InputError as error:
            if choice.named:
                raise
            skipped[key] = str(error)
            continue
        seconds = time.perf_counter() - start
        entries[key] = Entry(choice.name, choice.protocol, result, seconds, metric.better)
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
