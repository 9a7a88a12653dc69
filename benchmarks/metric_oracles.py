"""Our metrics beside reference values on codes with known structure; the table is committed.

The codes are of a grid of five factors, 57,600 rows. The reference is disentanglement_lib 1.5
where it has the protocol, and elsewhere the recipe of the authors' code with scikit-learn's and
scipy's functions, written here in a few lines and without anything of ours. Where both sides draw
rows or points they draw their own, so the last digits differ.

Run: python -m benchmarks metric_oracles     (writes docs/findings/metrics-oracles.md)
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "findings" / "metrics-oracles.md"
SIZES = (3, 6, 10, 8, 8)
REPEATS = 5
SOME = 3000
Array = NDArray[Any]
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


class Lookup:
    """The grid as disentanglement_lib's data: observations are row numbers."""

    num_factors = len(SIZES)
    factors_num_values = SIZES

    def sample_factors(self, n: int, random: Any) -> Array:
        """Draw factors (n, 5)."""
        return np.stack([random.randint(size, size=n) for size in SIZES], axis=1)

    def sample_observations_from_factors(self, factors: Array, random: Any) -> Array:
        """Return a row for each combination of factors."""
        row = np.ravel_multi_index(tuple(factors.T), SIZES)
        return np.asarray(row * REPEATS + random.randint(REPEATS, size=len(row)))

    def sample(self, n: int, random: Any) -> tuple[Array, Array]:
        """Draw factors and their rows."""
        factors = self.sample_factors(n, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, n: int, random: Any) -> Array:
        """Draw rows."""
        return self.sample(n, random)[1]


def higgins(z: Array, f: Array) -> float:
    """Eq. 5 with L = 20 and scikit-learn's softmax regression, codes in the largest deviation."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    z = z / z.std(axis=0).max()
    groups = [[np.flatnonzero(f[:, k] == v) for v in range(SIZES[k])] for k in range(f.shape[1])]

    def points(n: int) -> tuple[Array, Array]:
        labels, features = rng.integers(f.shape[1], size=n), np.empty((n, z.shape[1]))
        for i, k in enumerate(labels):
            values = rng.integers(SIZES[k], size=20)
            pairs = np.array([rng.choice(groups[k][v], 2, replace=False) for v in values])
            features[i] = np.abs(z[pairs[:, 0]] - z[pairs[:, 1]]).mean(axis=0)
        return features, labels

    model = LogisticRegression(max_iter=5000).fit(*points(2000))
    x, y = points(2000)
    return float(model.score(x, y))


def explicitness(z: Array, f: Array) -> float:
    """Ridgeway & Mozer's: one against the rest, C = 1e10, shares of probability, area."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.multiclass import OneVsRestClassifier

    areas = []
    for y in f.T:
        model = OneVsRestClassifier(LogisticRegression(C=1e10, solver="liblinear")).fit(z, y)
        p = model.predict_proba(z)  # divided by their sum
        each = [roc_auc_score(y == v, p[:, i]) for i, v in enumerate(model.classes_)]
        areas.append(np.mean(each))
    return float(np.mean(areas))


def modularity(z: Array, f: Array) -> float:
    """Ridgeway & Mozer's: 20 bins, cells below 1e-4 left out, every latent counts."""
    scores = []
    for column in z.T:
        information = []
        for y in f.T:
            joint = np.histogram2d(column, y, bins=(20, int(y.max()) + 1))[0] / len(y)
            product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
            kept = joint > 1e-4
            information.append((joint[kept] * np.log2(joint[kept] / product[kept])).sum())
        squares = np.sort(np.square(information))
        scores.append(1 - squares[:-1].sum() / (squares[-1] * (len(squares) - 1)))
    return float(np.mean(scores))


def qedr(z: Array, f: Array) -> tuple[float, float]:
    """Eastwood & Williams' disentanglement and completeness: Lasso with penalty .02."""
    from scipy.stats import entropy
    from sklearn.linear_model import Lasso

    x = (z - z.mean(axis=0)) / z.std(axis=0)
    y = (f - f.mean(axis=0)) / f.std(axis=0)
    weights = np.stack([np.abs(Lasso(alpha=0.02).fit(x, t).coef_) for t in y.T], axis=1)
    each = np.array([1 - entropy(w, base=len(w)) if w.sum() else 0.0 for w in weights])
    disentanglement = float(each @ weights.sum(axis=1) / weights.sum())
    return disentanglement, float(np.mean([1 - entropy(w, base=len(w)) for w in weights.T]))


def infomec(z: Array, f: Array, discrete: bool) -> dict[str, float]:
    """Hsu et al.'s InfoM, InfoC and InfoE."""
    from sklearn.feature_selection import mutual_info_classif
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, mutual_info_score
    from sklearn.preprocessing import OneHotEncoder

    x = z if discrete else (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-12)
    span = np.ptp(z, axis=0)
    live = span > (0 if discrete else span.max() / 20)
    rows = []
    for y in f.T:
        if discrete:
            told = np.array([mutual_info_score(y, column) for column in x.T])
        else:
            told = mutual_info_classif(x, y, n_neighbors=10, random_state=0)
        rows.append(told / mutual_info_score(y, y))
    share = np.array(rows)[:, live]
    k, m = share.shape
    features = OneHotEncoder(sparse_output=False).fit_transform(z) if discrete else x
    kept = []
    for y in f.T:
        model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100).fit(features, y)
        kept.append(1 - log_loss(y, model.predict_proba(features)) / np.log(len(np.unique(y))))
    return {
        "infom": ((share.max(axis=0) / share.sum(axis=0)).mean() - 1 / k) / (1 - 1 / k),
        "infoc": ((share.max(axis=1) / share.sum(axis=1)).mean() - 1 / m) / (1 - 1 / m),
        "infoe": float(np.mean(kept)),
    }


def matched(z: Array, f: Array, rank: bool) -> float:
    """Mean absolute correlation of factors and latents matched one to one."""
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import spearmanr

    both = np.concatenate([f, z], axis=1)
    table = spearmanr(both).statistic if rank else np.corrcoef(both.T)
    table = np.nan_to_num(np.abs(table[: f.shape[1], f.shape[1] :]))
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / f.shape[1])


def loss_capacity(z: Array, f: Array) -> float:
    """Eastwood et al.'s explicitness: a random forest fitted at each depth, numbers throughout."""
    from sklearn.ensemble import RandomForestRegressor

    depths = np.array([1, 2, 3, 4, 8, 10, 12, 14, 16, 18, 20, 32])
    scores = []
    for y in f.T:
        losses = [
            1
            - RandomForestRegressor(max_depth=d, random_state=0, n_jobs=1)
            .fit(z[:1000], y[:1000])
            .score(z[1000:2000], y[1000:2000])
            for d in depths
        ]
        least = np.minimum.accumulate(losses)
        area = np.trapezoid(least - least.min(), depths)
        scores.append(1 - 2 * area / (depths[-1] - depths[0]))
    return float(np.mean(scores))


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
