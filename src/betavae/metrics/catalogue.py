"""The metrics that `evaluate` knows: their names, protocols, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from betavae._system.errors import InputError, did_you_mean
from betavae.metrics import (
    dci,
    dci_es,
    downstream,
    elbo,
    explicitness,
    factor_vae,
    gaussian_tc,
    higgins,
    infomec,
    irs,
    jemmig,
    mcc,
    mig,
    modularity,
    rate,
    sap,
    units,
)


@dataclass(frozen=True)
class Metric:
    """How `evaluate` calls a metric.

    Attributes:
        function: the metric.
        protocols: its protocols, the default one first.
        arguments: which arrays it takes, in order: codes, factors, log_var.
        better: "higher", "lower" or "" where neither is.
        log_var_for: protocols that need `log_var` as a keyword.
        unit_for: protocols that take the codes' unit as a keyword.
        numbers_for: protocols that take factors as numbers, without bins.
    """

    function: Callable[..., Any]
    protocols: tuple[str, ...]
    arguments: tuple[str, ...] = ("codes", "factors")
    better: str = "higher"
    log_var_for: tuple[str, ...] = ()
    unit_for: tuple[str, ...] = ()
    numbers_for: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "higgins": Metric(
        higgins.higgins_score, higgins.PROTOCOLS, unit_for=("higgins2017", "higgins2017-adagrad")
    ),
    "factor_vae": Metric(factor_vae.factor_vae_score, factor_vae.PROTOCOLS),
    "mig": Metric(mig.mig_score, mig.PROTOCOLS, log_var_for=("chen2018",)),
    "jemmig": Metric(jemmig.jemmig_score, jemmig.PROTOCOLS, log_var_for=("do2020",)),
    "sap": Metric(sap.sap_score, sap.PROTOCOLS, numbers_for=("kumar2018",)),
    "dci": Metric(dci.dci_scores, dci.PROTOCOLS),
    "dci_es": Metric(dci_es.dci_es_scores, dci_es.PROTOCOLS),
    "modularity": Metric(modularity.modularity_score, modularity.PROTOCOLS),
    "explicitness": Metric(explicitness.explicitness_score, explicitness.PROTOCOLS),
    "irs": Metric(irs.irs_score, irs.PROTOCOLS),
    "infomec": Metric(infomec.infomec_scores, infomec.PROTOCOLS),
    "mcc": Metric(mcc.mcc_score, mcc.PROTOCOLS, numbers_for=mcc.PROTOCOLS),
    "downstream": Metric(downstream.downstream_score, downstream.PROTOCOLS),
    "gaussian_tc": Metric(
        gaussian_tc.gaussian_total_correlation, gaussian_tc.PROTOCOLS, ("codes",), "lower"
    ),
    "active_units": Metric(units.active_units, units.PROTOCOLS, ("codes",), ""),
    "rate": Metric(rate.rate_per_latent, rate.PROTOCOLS, ("codes", "log_var"), ""),
    "total_correlation": Metric(elbo.elbo_terms, elbo.PROTOCOLS, ("codes", "log_var"), "lower"),
}
SLOW = ("dci:locatello2019", "dci_es:eastwood2023", "infomec:hsu2023-100")
"""Left out of "fast": about a minute, where every other metric takes seconds."""
GROUPS = ("all", "fast")
WITHOUT_PROTOCOL = ("active_units", "rate", "total_correlation")
WITHOUT_RNG = ("active_units", "rate")


@dataclass(frozen=True)
class Choice:
    """One metric to compute.

    Attributes:
        name: the metric.
        protocol: the protocol.
        named: asked for by name, so that it must be computed; else it came with a group, and is
            skipped where it cannot be.
    """

    name: str
    protocol: str
    named: bool

    @property
    def key(self) -> str:
        """``"metric:protocol"``."""
        return f"{self.name}:{self.protocol}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The arrays it cannot do without."""
        metric = METRICS[self.name]
        log_var = ("log_var",) if self.protocol in metric.log_var_for else ()
        return metric.arguments + log_var


def evaluate_names() -> tuple[str, ...]:
    """List what `evaluate` takes as `metrics`: groups, metrics, and metrics with a protocol.

    >>> "mig" in evaluate_names(), "mig:chen2018" in evaluate_names()
    (True, True)
    """
    keys = [f"{name}:{protocol}" for name, m in METRICS.items() for protocol in m.protocols]
    return (*GROUPS, *METRICS, *keys)


def choose(
    metrics: str | Sequence[str | Choice], protocol: str | Mapping[str, str] | None = None
) -> list[Choice]:
    """Turn what was asked for into metrics with protocols, each once, in the order asked.

    Args:
        metrics: as `evaluate` takes them, in capitals or not; what `choose`
            returned stays as it is.
        protocol: for metrics named without one: a protocol, used by each metric that has it, or a
            protocol by metric.

    Raises:
        InputError: for unknown names, and for a protocol that none of the metrics has.

    >>> [choice.key for choice in choose("MIG,dci:fast", "chen2018")]
    ['mig:chen2018', 'dci:fast']
    """
    given = [
        name.strip().lower() if isinstance(name, str) else name
        for name in (metrics.split(",") if isinstance(metrics, str) else metrics)
    ]
    asked = [name for name in given if not isinstance(name, Choice)]
    valid = evaluate_names()
    if not given:
        raise InputError(f"metrics must name at least one of {', '.join((*GROUPS, *METRICS))}")
    for name in asked:
        if name not in valid:
            raise InputError(
                f"metrics must be among {', '.join((*GROUPS, *METRICS))} "
                f"(or metric:protocol), got {name!r}{did_you_mean(str(name), valid)}"
            )
    wanted = _wanted(asked, protocol)
    found: dict[str, Choice] = {}
    for request in given:
        if isinstance(request, Choice):
            found[request.key] = request
            continue
        name = request
        metric, _, which = name.partition(":")
        named = name not in GROUPS
        for choice in (
            [Choice(metric, which or wanted.get(metric, METRICS[metric].protocols[0]), True)]
            if named
            else _group(name, wanted)
        ):
            if named or choice.key not in found:
                found[choice.key] = choice
    return list(found.values())


def _group(name: str, wanted: Mapping[str, str]) -> list[Choice]:
    every = [
        Choice(metric, protocol, False)
        for metric, spec in METRICS.items()
        for protocol in ([wanted[metric]] if metric in wanted else spec.protocols)
    ]
    return [choice for choice in every if name == "all" or choice.key not in SLOW]


def _wanted(asked: Sequence[str], protocol: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the protocol by metric, for metrics that are asked for without one."""
    open_to_it = set(METRICS) if set(asked) & set(GROUPS) else set(asked) & set(METRICS)
    if isinstance(protocol, str):
        known = {p for metric in METRICS.values() for p in metric.protocols}
        if protocol not in known:
            raise InputError(
                f"protocol must be one of {', '.join(sorted(known))}, "
                f"got {protocol!r}{did_you_mean(protocol, known)}"
            )
        wanted = {n: protocol for n in METRICS if protocol in METRICS[n].protocols}
        if not open_to_it & wanted.keys():
            raise InputError(
                f"protocol must be one that the metrics {', '.join(asked)} have, "
                f"got {protocol!r}, which is for {', '.join(wanted)}"
            )
        return wanted
    for name, value in (protocol or {}).items():
        if name not in METRICS or value not in METRICS[name].protocols:
            raise InputError(
                f"protocol must map metrics to protocols they have, got {name!r}: {value!r}"
                + did_you_mean(f"{name}:{value}", evaluate_names())
            )
    return dict(protocol or {})
