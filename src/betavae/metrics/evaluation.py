"""Every metric on one representation: a table, and JSON that says how each number was made."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, check_log_var, read_codes
from betavae.metrics._shared.binning import cut_factors
from betavae.metrics._shared.checks import NotComputable
from betavae.metrics._shared.factors import FactorTable, check_rows, factor_table
from betavae.metrics._shared.moments import active_latents
from betavae.metrics._shared.results import Scored
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
    factor_bins: int = 20,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    rng: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Results:
    """Compute metrics of a representation.

    Args:
        representation: anything with `mean`, `log_var`, `factors` and `factor_names` (such as
            `betavae.runs.representation.Representation`, or `Codes`), or codes (N, M) themselves.
            With log variances the codes have a prior: the Higgins score counts them in its unit,
            and every result says how many latents are active.
        factors: (N, K) or (N,), in place of the representation's; numbers, text or a data frame,
            whose names are kept; `factor_table` gives names, and says what is known. Continuous
            columns are cut into `factor_bins` bins of equal frequency for metrics of discrete
            factors, and used as they are by SAP's R^2 and MCC.
        metrics: names out of `evaluate_names()`, or a comma-separated string of them. ``"all"``:
            every metric with every protocol; ``"fast"``: without those that take a minute. A
            metric without a protocol runs with its default one; `choose` sets another.
        factor_bins: bins of a continuous factor.
        options: keyword arguments by metric or ``"metric:protocol"``.
        rng: seed; each metric is given this same seed, so a single one can be repeated alone.
        progress: called with ``"metric:protocol"`` before each metric.

    Returns:
        `Results`. What the data do not allow (a value too rare for a classifier) is listed in
        `.skipped` with the reason, and the others are kept; in a group, so is what lacks factors
        or log variances, which raises for metrics that are named.

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
    codes, reduction = read_codes(source.mean)
    log_var = source.log_var
    if log_var is not None:
        log_var = check_log_var(log_var, codes, "")
    numbers, binned, cut = _read_factors(source, factors, factor_bins, len(codes))
    arrays: dict[str, Any] = {"codes": codes, "log_var": log_var, "factors": binned}
    names = () if binned is None else binned.names
    active, collapsed = _activity(codes, log_var)
    entries: dict[str, Entry] = {}
    skipped: dict[str, str] = {}
    chosen = choose(metrics)
    for choice in chosen:
        metric, key = METRICS[choice.name], choice.key
        given = dict(arrays)
        if choice.protocol in metric.numbers_for and cut and numbers and numbers.known is None:
            given["factors"] = numbers
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
        if choice.protocol in metric.unit_for:
            keywords.setdefault("unit", "std" if log_var is None else "prior")
        if progress is not None:
            progress(key)
        start = time.perf_counter()
        try:
            result = metric.function(*(given[a] for a in metric.arguments), **keywords)
        except NotComputable as error:
            skipped[key] = str(error)
            continue
        except InputError as error:
            if choice.named:
                raise
            skipped[key] = str(error)
            continue
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            # A solver that the data are too poor for: the other metrics are kept.
            skipped[key] = (str(error) or type(error).__name__).splitlines()[0]
            continue
        seconds = time.perf_counter() - start
        result = _annotated(result, active, collapsed, reduction)
        entries[key] = Entry(choice.name, choice.protocol, result, seconds, metric.better)
    if not entries and any(choice.named for choice in chosen):
        raise InputError(
            "; ".join(f"{key} cannot be computed: {why}" for key, why in skipped.items())
        )
    return Results(
        entries=entries,
        skipped=skipped,
        n_rows=len(codes),
        n_latents=codes.shape[1],
        n_factors=len(names),
        factor_names=names,
        binned_factors=tuple(names[k] for k in cut),
        factor_bins=factor_bins,
        seed=int(rng),
        active_latents=active,
        collapsed=collapsed,
    )


def _read_factors(
    source: Any, factors: Any, bins: int, n_rows: int
) -> tuple[FactorTable | None, FactorTable | None, list[int]]:
    """Return the factors as numbers, the same in bins, and the columns that were cut."""
    raw = source.factors if factors is None else factors
    if raw is None:
        return None, None, []
    numbers = factor_table(raw)
    own = tuple(str(name) for name in getattr(source, "factor_names", ()) or ())
    if not numbers.named and len(own) == len(numbers.names):
        numbers = dataclasses.replace(numbers, names=own, named=True)
    check_rows(n_rows, numbers)
    values, cut = cut_factors(numbers, bins)
    lowest, highest = values.min(axis=0), values.max(axis=0)
    if (lowest == highest).all():
        raise InputError("factors must have a column of at least 2 values, got none")
    return numbers, dataclasses.replace(numbers, values=values, known=None), cut


def _activity(codes: Array, log_var: Any) -> tuple[int | None, bool | None]:
    """Count the active latents, and say whether there are none; None for what cannot be told."""
    if log_var is not None:
        active = int(active_latents(codes, log_var).sum())
        return active, active == 0
    return (0, True) if bool((codes == codes[0]).all()) else (None, None)


def _annotated(
    result: Scored, active: int | None, collapsed: bool | None, reduction: str
) -> Scored:
    """Put what only the whole representation tells into a metric's result."""
    about = dataclasses.replace(
        result.about,
        active_latents=active,
        collapsed=collapsed,
        reduction=reduction or result.about.reduction,
    )
    return dataclasses.replace(result, about=about)
