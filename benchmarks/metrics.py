"""Every metric on all 737,280 x 10 codes of the 2D shapes: seconds, peak memory, and peers.

The codes are made up, so that nothing needs training: noisy, partly mixed functions of the factors
with four unused latents, and log variances as a trained model has them. Ours run in a fresh
process, each metric with its published settings; the clock is `evaluate`'s own.

Peers, in one process with ours, each on the same codes:

- disentanglement_lib's Higgins, FactorVAE and MIG through a lookup table as "representation
  function", with the settings of its study (10,000 / 5,000 points, batches of 64). Ours: the same
  counts, one classifier. MIG: both on the same rows, all of them, and on 10,000.
- chen2018's MIG from pairwise log densities, 10,000 samples for q(z_j) and for each factor value,
  as the authors' code has it: timed on a part (`PAIRWISE_SAMPLES` samples of one latent against
  all rows) and scaled to all latents and to the marginal and four factors.

Run: python -m benchmarks metrics
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZES = (3, 6, 40, 32, 32)
LIMIT_SECONDS = 180.0
LIMIT_EACH = 15.0
LIMIT_BYTES = 2 << 30
AGAINST_LIBRARY = 20.0
AGAINST_PAIRWISE = 100.0
EXEMPT = ("dci:locatello2019", "dci_es:eastwood2023")
PAIRWISE_SAMPLES = 100
ROOT = Path(__file__).resolve().parent.parent

CHILD = """
import json, resource, sys
from benchmarks.metrics import made_up_codes
from betavae.metrics import Codes, evaluate
mean, log_var, factors = made_up_codes()
note = lambda key: print(key, file=sys.stderr, flush=True)
results = evaluate(Codes(mean, factors, log_var), metrics="all", progress=note)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak *= 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
rows = {key: [entry.seconds, entry.score] for key, entry in results.entries.items()}
print(json.dumps({"metrics": rows, "skipped": results.skipped, "peak": peak}))
"""


def made_up_codes() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return means, log variances (N, 10) and factors (N, 5) of the whole grid."""
    rng = np.random.default_rng(0)
    rows = np.arange(int(np.prod(SIZES)))
    factors = np.stack(np.unravel_index(rows, SIZES), axis=1).astype(np.int64)
    shape, scale, turn, x, y = (factors[:, k].astype(np.float64) for k in range(5))
    angle = 2 * np.pi * turn / 39
    x, y = (x - 15.5) / 9.2, (y - 15.5) / 9.2
    size = 0.4 + 0.3 * shape
    parts = [0.95 * x - 0.31 * y, 0.31 * x + 0.95 * y, (scale - 2.5) / 1.7]
    parts += [1.4 * size * np.sin(angle), 1.2 * size * np.cos(2 * angle)]
    parts += [0.8 * (shape - 1) + 0.3 * np.sin(2 * angle), *[0 * x] * 4]
    noise = np.array([0.03, 0.03, 0.05, 0.1, 0.1, 0.2, *[0.01] * 4])
    mean = np.stack(parts, axis=1)
    mean += noise * rng.normal(size=mean.shape)
    deviation = np.array([0.06, 0.06, 0.15, 0.3, 0.35, 0.5, *[0.99] * 4])
    log_var = np.minimum(2 * np.log(deviation) + 0.25 * rng.normal(size=mean.shape), 0)
    return mean.astype(np.float32), log_var.astype(np.float32), factors


class Lookup:
    """The grid as disentanglement_lib's "ground-truth data": observations are row numbers."""

    num_factors = len(SIZES)
    factors_num_values = SIZES

    def sample_factors(self, n: int, random: np.random.RandomState) -> NDArray[np.int64]:
        """Draw factors (n, 5)."""
        return np.stack([random.randint(size, size=n) for size in SIZES], axis=1)

    def sample_observations_from_factors(self, factors: Any, random: Any) -> Any:
        """Return the row of each combination of factors."""
        return np.ravel_multi_index(factors.T, SIZES)

    def sample(self, n: int, random: np.random.RandomState) -> tuple[Any, Any]:
        """Draw factors and their rows."""
        factors = self.sample_factors(n, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, n: int, random: np.random.RandomState) -> Any:
        """Draw rows."""
        return self.sample(n, random)[1]


def seconds(function: Callable[[], Any], times: int = 1) -> float:
    """Return the wall time of a call, the median of several."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def all_metrics() -> dict[str, Any]:
    """Run every metric in a fresh process; returns seconds and score by metric, and the peak."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def against_library(
    mean: NDArray[np.float32], factors: NDArray[np.int64], modules: Any
) -> dict[str, list[float]]:
    """Seconds of disentanglement_lib and of ours, by metric."""
    from betavae.metrics import Draws, factor_vae_score, higgins_score, mig_score

    def theirs(function: Any, **options: Any) -> float:
        random = np.random.RandomState(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return seconds(lambda: function(Lookup(), lambda rows: mean[rows], random, **options))

    counts = {"batch_size": 64, "num_train": 10_000, "num_eval": 5_000}
    some = np.random.default_rng(0).permutation(len(mean))[:10_000]
    options = {"protocol": "locatello2019", "draws": Draws(repeats=1)}
    return {
        "higgins": [
            theirs(modules.beta_vae.compute_beta_vae_sklearn, **counts),
            seconds(lambda: higgins_score(mean, factors, **options), 3),
        ],
        "factor_vae": [
            theirs(modules.factor_vae.compute_factor_vae, num_variance_estimate=10_000, **counts),
            seconds(lambda: factor_vae_score(mean, factors), 3),
        ],
        "mig, all rows": [
            seconds(lambda: modules.mig._compute_mig(mean.T, factors.T)),
            seconds(lambda: mig_score(mean, factors), 3),
        ],
        "mig, 10,000 rows": [
            theirs(modules.mig.compute_mig, num_train=10_000),
            seconds(lambda: mig_score(mean[some], factors[some]), 3),
        ],
    }


def pairwise_seconds(mean: NDArray[np.float32], log_var: NDArray[np.float32]) -> float:
    """Time a part of the pairwise sums and scale it to all of them."""
    import torch

    m, v = torch.from_numpy(mean[:, 0].copy()), torch.from_numpy(log_var[:, 0].copy())
    rows = torch.randperm(len(m), generator=torch.Generator().manual_seed(0))[:PAIRWISE_SAMPLES]
    z = m[rows] + torch.exp(v[rows] / 2) * torch.randn(PAIRWISE_SAMPLES)
    precision = torch.exp(-v)

    def part() -> float:
        total = 0.0
        for sample in z.split(10):  # ten at a time: 30 MB of log densities
            log = -0.5 * ((sample[:, None] - m) ** 2 * precision + v + np.log(2 * np.pi))
            total += float(torch.logsumexp(log, dim=1).sum())
        return total

    part()
    # q(z_j), and for each of four factors q(z_j | v) over all its values, together N rows again.
    return seconds(part, 3) * (10_000 / PAIRWISE_SAMPLES) * mean.shape[1] * 5


def main() -> dict[str, Any]:
    """Measure, print a line a metric and a summary, and return the figures."""
    from benchmarks.oracle import imported, install
    from betavae.metrics import mig_score

    found = all_metrics()
    rows = found["metrics"]
    for key, (taken, score) in rows.items():
        print(f"{key:28s} {taken:6.1f} s   score {score:.4f}", flush=True)
    total = sum(taken for taken, _ in rows.values())
    slowest = max((key for key in rows if key not in EXEMPT), key=lambda key: rows[key][0])
    mean, log_var, factors = made_up_codes()
    folder = ROOT / ".peer" / "disentanglement_lib"
    folder.mkdir(parents=True, exist_ok=True)
    if why_not := install(folder):
        raise RuntimeError(f"disentanglement_lib is not available: {why_not}")
    with imported(folder) as modules:
        library = against_library(mean, factors, modules)
    pairwise = pairwise_seconds(mean, log_var)
    gridded = seconds(lambda: mig_score(mean, factors, protocol="chen2018", log_var=log_var), 3)
    ratios = {name: theirs / ours for name, (theirs, ours) in library.items()}
    print(
        f"metrics: {len(rows)} in {total:.0f} s (limit {LIMIT_SECONDS:.0f}), peak "
        f"{found['peak'] / 2**20:,.0f} MiB (limit {LIMIT_BYTES / 2**20:,.0f}), slowest but for "
        f"{', '.join(EXEMPT)}: {slowest} {rows[slowest][0]:.1f} s (limit {LIMIT_EACH:.0f}); "
        "against disentanglement_lib: "
        + ", ".join(f"{name} {ratio:.1f}x" for name, ratio in ratios.items())
        + f" (bar {AGAINST_LIBRARY:.0f}x); chen2018 MIG against pairwise: "
        f"{pairwise / gridded:,.0f}x (bar {AGAINST_PAIRWISE:.0f}x)"
    )
    return {
        "seconds": {key: round(taken, 2) for key, (taken, _) in rows.items()},
        "scores": {key: round(score, 4) for key, (_, score) in rows.items()},
        "total_seconds": round(total, 1),
        "peak_bytes": found["peak"],
        "slowest": slowest,
        "library_and_own_seconds": {k: [round(x, 3) for x in v] for k, v in library.items()},
        "against_library": {name: round(ratio, 1) for name, ratio in ratios.items()},
        "pairwise_scaled_seconds": round(pairwise),
        "gridded_seconds": round(gridded, 2),
        "against_pairwise": round(pairwise / gridded),
    }


if __name__ == "__main__":
    main()
