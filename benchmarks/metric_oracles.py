"""Our metrics beside reference values on codes with known structure; the table is committed.

The codes are of a grid of five factors, 57,600 rows. The reference is disentanglement_lib 1.5
where it has the protocol, and elsewhere the recipe of the authors' code (`metric_references.py`).
Where both sides draw rows or points they draw their own, so the last digits differ.

Run: python -m benchmarks metric_oracles     (writes docs/findings/metrics-oracles.md)
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metric_references import (
    REPEATS,
    SIZES,
    Array,
    Lookup,
    explicitness,
    higgins,
    infomec,
    loss_capacity,
    matched,
    modularity,
    qedr,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "findings" / "metrics-oracles.md"
SOME = 3000
HEAD = """# Our metrics beside reference implementations

- Written by `python -m benchmarks metric_oracles`; do not edit.
- Each cell: ours / reference. They agree to sampling error; a reference of `-` cannot be computed.
- Codes: a grid of five factors ({sizes}), {rows:,} rows. Date {date}, scikit-learn {sklearn}.

`identity`: one latent a factor. `rotated`: those under a random rotation, with noise of .05.
`mixed`: pairs of them turned by 26 degrees, noise .1, two spare latents. `dead`: identity and four
latents of noise. `discrete`: `mixed` rounded to eight values a latent.

"""


def make_codes() -> tuple[dict[str, Array], Array]:
    """Return codes by name, (N, M) each, and the factors (N, 5)."""
    rng = np.random.default_rng(0)
    rows = np.arange(int(np.prod(SIZES))).repeat(REPEATS)
    factors = np.stack(np.unravel_index(rows, SIZES), axis=1)
    clean = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    mixed = clean.copy()
    pair = np.array([[0.9, 0.436], [-0.436, 0.9]])
    mixed[:, :2], mixed[:, 3:] = clean[:, :2] @ pair, clean[:, 3:] @ pair
    mixed = np.concatenate([mixed, np.zeros((len(rows), 2))], axis=1)
    mixed += np.array([0.1] * 5 + [0.01] * 2) * rng.normal(size=mixed.shape)
    low, high = mixed.min(axis=0), mixed.max(axis=0)
    return {
        "identity": clean,
        "rotated": clean @ turn + 0.05 * rng.normal(size=clean.shape),
        "mixed": mixed,
        "dead": np.concatenate([clean, rng.normal(size=(len(rows), 4))], axis=1),
        "discrete": np.floor((mixed - low) / (high - low) * 7.999),
    }, factors


def rows_of_table(modules: Any) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Return, by metric, our function and the reference: of codes and factors, all rows."""
    from betavae import metrics as m

    def library(function: Any, key: str, **options: Any) -> Callable[..., float]:
        return lambda z, f: float(
            function(Lookup(), lambda rows: z[rows], np.random.RandomState(0), **options)[key]
        )

    def some(function: Callable[..., Any]) -> Callable[..., Any]:
        picked = np.random.default_rng(2).permutation(int(np.prod(SIZES)) * REPEATS)[:SOME]
        return lambda z, f: function(z[picked], f[picked])

    counts = {"batch_size": 64, "num_train": 5000, "num_eval": 5000}
    fewer: dict[str, Any] = {"draws": m.Draws(1000, 1000)}
    sap, both = modules.sap_score, modules.modularity_explicitness
    dci = some(lambda z, f: modules.dci._compute_dci(z[:1000].T, f[:1000].T, z[1000:2000].T,
                                                     f[1000:2000].T))  # fmt: skip
    binned = modules.utils.make_discretizer
    shared = modules.utils.discrete_mutual_info
    rotation = modules.unsupervised_metrics.gaussian_total_correlation
    return {
        "higgins higgins2017": (lambda z, f: m.higgins_score(z, f).score, higgins),
        "higgins locatello2019": (
            lambda z, f: m.higgins_score(z, f, protocol="locatello2019").score,
            library(modules.beta_vae.compute_beta_vae_sklearn, "eval_accuracy", **counts),
        ),
        "factor_vae locatello2019": (
            lambda z, f: m.factor_vae_score(z, f).score,
            library(modules.factor_vae.compute_factor_vae, "eval_accuracy",
                    num_variance_estimate=57_600, **counts),
        ),
        "mig locatello2019": (
            lambda z, f: m.mig_score(z, f).score,
            lambda z, f: modules.mig._compute_mig(z.T, f.T)["discrete_mig"],
        ),
        "sap kumar2018": (
            lambda z, f: m.sap_score(z, f, protocol="kumar2018").score,
            lambda z, f: sap._compute_sap(z.T, f.T, z.T, f.T, True)["SAP_score"],
        ),
        "sap locatello2019": (
            some(lambda z, f: m.sap_score(z, f).score),
            some(lambda z, f: sap._compute_sap(z[:2000].T, f[:2000].T, z[2000:].T, f[2000:].T,
                                               False)["SAP_score"]),
        ),
        "dci locatello2019, D": (
            some(lambda z, f: m.dci_scores(z, f, **fewer).disentanglement),
            lambda z, f: dci(z, f)["disentanglement"],
        ),
        "dci eastwood2018, D": (
            lambda z, f: m.dci_scores(z, f, protocol="eastwood2018").disentanglement,
            lambda z, f: qedr(z, f)[0],
        ),
        "dci eastwood2018, C": (
            lambda z, f: m.dci_scores(z, f, protocol="eastwood2018").completeness,
            lambda z, f: qedr(z, f)[1],
        ),
        "dci_es eastwood2023, E": (
            some(lambda z, f: m.dci_es_scores(z, f, classes=(), **fewer).explicitness),
            some(loss_capacity),
        ),
        "modularity ridgeway2018": (lambda z, f: m.modularity_score(z, f).score, modularity),
        "modularity locatello2019": (
            lambda z, f: m.modularity_score(z, f, protocol="locatello2019").score,
            lambda z, f: both.modularity(shared(binned(z.T), f.T)),
        ),
        "explicitness ridgeway2018": (
            some(lambda z, f: m.explicitness_score(z, f).score),
            some(explicitness),
        ),
        "explicitness locatello2019": (
            lambda z, f: m.explicitness_score(z, f, protocol="locatello2019").score,
            library(both.compute_modularity_explicitness, "explicitness_score_test",
                    num_train=5000, num_test=5000, batch_size=64),
        ),
        "irs locatello2019": (
            lambda z, f: m.irs_score(z, f).score,
            lambda z, f: modules.irs.scalable_disentanglement_score(f, z, 0.99)["avg_score"],
        ),
        "mcc linear": (
            lambda z, f: m.mcc_score(z, f).score, lambda z, f: matched(z, f, rank=False),
        ),
        "mcc spearman": (
            lambda z, f: m.mcc_score(z, f, protocol="spearman").score,
            lambda z, f: matched(z, f, rank=True),
        ),
        **{
            f"infomec {protocol}, Info{part.upper()}": (
                some(lambda z, f, p=protocol, a=f"info{part}": getattr(
                    m.infomec_scores(z, f, protocol=p, repeats=1), a)),
                some(lambda z, f, p=protocol, a=f"info{part}": infomec(
                    z, f, p == "hsu2023-discrete")[a]),
            )
            for protocol in ("hsu2023-100", "hsu2023-discrete")
            for part in "mce"
        },
        "gaussian_tc locatello2019": (
            lambda z, f: m.gaussian_total_correlation(z).score,
            lambda z, f: rotation(np.cov(z.T)),
        ),
    }  # fmt: skip


def attempt(function: Callable[..., Any], z: Array, f: Array) -> float | None:
    """Return a value, or None where the function refuses or gives no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # code of 2018, and probes that stop early
        try:
            value = float(np.real(function(z, f)))
        except (ValueError, IndexError, np.linalg.LinAlgError):
            return None
    return value if np.isfinite(value) else None


def main() -> dict[str, Any]:
    """Measure, print a line a metric, write the page; returns the figures."""
    import sklearn

    from benchmarks.oracle import imported, install

    folder = ROOT / ".peer" / "disentanglement_lib"
    folder.mkdir(parents=True, exist_ok=True)
    if why_not := install(folder):
        raise RuntimeError(f"disentanglement_lib is not available: {why_not}")
    codes, factors = make_codes()
    found: dict[str, dict[str, list[float | None]]] = {}
    with imported(folder) as modules:
        for name, pair in rows_of_table(modules).items():
            found[name] = {
                kind: [attempt(function, z, factors) for function in pair]
                for kind, z in codes.items()
                if kind == "discrete" or "discrete" not in name
            }
            print(name, found[name], flush=True)
    lines = [
        HEAD.format(
            sizes=" x ".join(map(str, SIZES)), rows=len(factors),
            date=time.strftime("%Y-%m-%d"), sklearn=sklearn.__version__,
        ),
        "| metric, protocol | " + " | ".join(codes) + " |\n",
        "| --- |" + " --- |" * len(codes) + "\n",
    ]  # fmt: skip
    for name, cells in found.items():
        shown = [
            " / ".join("-" if v is None else f"{v:.3f}" for v in cells[kind])
            if kind in cells else ""
            for kind in codes
        ]  # fmt: skip
        lines.append(f"| `{name}` | " + " | ".join(shown) + " |\n")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("".join(lines), encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
