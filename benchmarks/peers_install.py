"""Other packages: on which Python pip can install them, and what their metrics say of known codes.

Each package goes, with all that it asks for, into a new environment of each Python. PyTorch is
installed once a Python, and shared. A package counts as installed when pip ends well and the
modules that hold its models or metrics can be imported.

The codes are of a full grid of four factors with four values each, and simple enough that what a
metric must say follows from its definition:

    identity   one latent a factor
    halves     each factor v, and beside it v // 2: MIG log 2 / log 4, SAP 1 - .8
    spare      identity and a latent that is always 0: nothing else may change

Run: python benchmarks/peers_install.py [--pythons PYTHON ...] [--torch REQUIREMENT]
    [--folder DIR] [--limit SECONDS]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve()
PACKAGES = {
    "betavae": (str(ROOT), ("betavae", "betavae.metrics", "betavae.training.fit")),
    "disent": ("disent", ("disent.metrics", "disent.frameworks.vae")),
    "pythae": ("pythae", ("pythae.models", "pythae.trainers")),
    "disentanglement_lib": (
        "disentanglement-lib",
        ("disentanglement_lib.evaluation.metrics.mig", "disentanglement_lib.methods.unsupervised"),
    ),
}
WITH_METRICS = ("betavae", "disent", "disentanglement_lib")
PYTHONS = ("python3.10", "python3.11", "python3.12", "python3.13")
FACTORS, VALUES = 4, 4
BY_DEFINITION = {
    "MIG": {"identity": 1.0, "halves": 0.5, "spare": 1.0},
    "SAP (R2)": {"identity": 1.0, "halves": 0.2, "spare": 1.0},
    "DCI disentanglement": {"identity": 1.0, "halves": 1.0, "spare": 1.0},
    "FactorVAE score": {"identity": 1.0, "halves": 1.0, "spare": 1.0},
    "Higgins score": {"identity": 1.0, "halves": 1.0, "spare": 1.0},
}
Values = dict[str, dict[str, float | None]]  # by metric and codes; None for no number


def codes_by_name() -> dict[str, Any]:
    """Return the codes, (256, M) each; row r is combination r of the grid."""
    import numpy as np

    factors = grid()
    plain = factors.astype(np.float64)
    return {
        "identity": plain,
        "halves": np.concatenate([plain, plain // 2], axis=1),
        "spare": np.concatenate([plain, np.zeros((len(plain), 1))], axis=1),
    }


def grid() -> Any:
    """Return every combination of the factors' values, (256, 4), the last factor fastest."""
    import numpy as np

    return np.stack(np.unravel_index(np.arange(VALUES**FACTORS), (VALUES,) * FACTORS), axis=1)


# Measured by a process in the package's own environment, so that each import stays where it is.


def measure_betavae(z: Any) -> dict[str, float]:
    """Return this package's scores by metric."""
    import numpy as np

    from betavae import metrics as m

    z, f = np.tile(z, (20, 1)), np.tile(grid(), (20, 1))
    return {
        "MIG": m.mig_score(z, f).score,
        "SAP (R2)": m.sap_score(z, f, protocol="kumar2018").score,
        "DCI disentanglement": m.dci_scores(z, f).disentanglement,
        "FactorVAE score": m.factor_vae_score(z, f).score,
        "Higgins score": m.higgins_score(z, f, protocol="locatello2019").score,
    }


def measure_disent(z: Any) -> dict[str, float]:
    """Return disent's scores by metric; it takes a data set, whose images are the codes here."""
    import torch
    from disent import metrics as m  # type: ignore[import-not-found]
    from disent.dataset import DisentDataset  # type: ignore[import-not-found]
    from disent.dataset.data import ArrayGroundTruthData  # type: ignore[import-not-found]

    names = tuple(f"factor{k}" for k in range(FACTORS))
    images = torch.from_numpy(z).reshape(len(z), 1, -1, 1).numpy()
    data = DisentDataset(ArrayGroundTruthData(images, names, (VALUES,) * FACTORS))

    def encode(x: Any) -> Any:
        return torch.as_tensor(x).reshape(len(x), -1)

    few = {"num_train": 1000, "num_test": 500}
    votes = {"num_train": 200, "num_eval": 100, "num_variance_estimate": len(z)}
    numbers = few | {"continuous_factors": True}
    found = {
        "MIG": (m.metric_mig, {"num_train": 2000}, "mig.discrete_score"),
        "SAP (R2)": (m.metric_sap, numbers, "sap.score"),
        "DCI disentanglement": (m.metric_dci, few, "dci.disentanglement"),
        "FactorVAE score": (m.metric_factor_vae, votes, "factor_vae.eval_accuracy"),
    }
    return {name: float(f(data, encode, **how)[key]) for name, (f, how, key) in found.items()}


def measure_disentanglement_lib(z: Any) -> dict[str, float]:
    """Return disentanglement_lib's scores by metric; its data are row numbers here."""
    import numpy as np

    sys.path.insert(0, str(ROOT))
    from benchmarks.oracle import imported, install

    class Rows:
        num_factors, factors_num_values = FACTORS, (VALUES,) * FACTORS

        def sample_factors(self, n: int, random: Any) -> Any:
            return random.randint(VALUES, size=(n, FACTORS))

        def sample_observations_from_factors(self, factors: Any, random: Any) -> Any:
            return np.ravel_multi_index(tuple(factors.T), (VALUES,) * FACTORS)

        def sample(self, n: int, random: Any) -> tuple[Any, Any]:
            factors = self.sample_factors(n, random)
            return factors, self.sample_observations_from_factors(factors, random)

        def sample_observations(self, n: int, random: Any) -> Any:
            return self.sample(n, random)[1]

    folder = ROOT / ".peer" / "disentanglement_lib"
    folder.mkdir(parents=True, exist_ok=True)
    if why_not := install(folder):
        raise RuntimeError(why_not)
    counts = {"batch_size": 64, "num_train": 2000, "num_eval": 1000}
    tests = {"num_train": 2000, "num_test": 1000, "batch_size": 64}
    with imported(folder) as m:
        found = {
            "MIG": (m.mig.compute_mig, {"num_train": 5000}, "discrete_mig"),
            "SAP (R2)": (m.sap_score.compute_sap, tests | {"continuous_factors": True},
                         "SAP_score"),
            "DCI disentanglement": (m.dci.compute_dci, tests, "disentanglement"),
            "FactorVAE score": (m.factor_vae.compute_factor_vae,
                                counts | {"num_variance_estimate": 5000}, "eval_accuracy"),
            "Higgins score": (m.beta_vae.compute_beta_vae_sklearn, counts, "eval_accuracy"),
        }  # fmt: skip
        return {
            name: float(f(Rows(), lambda rows: z[rows], np.random.RandomState(0), **how)[key])
            for name, (f, how, key) in found.items()
        }


def measure(package: str) -> None:
    """Print a package's scores of every kind of codes, as JSON on the last line."""
    import warnings

    import numpy as np

    warnings.simplefilter("ignore")  # code of 2018
    np.random.seed(0)  # noqa: NPY002 - disent draws from the global generator
    functions = {
        "betavae": measure_betavae,
        "disent": measure_disent,
        "disentanglement_lib": measure_disentanglement_lib,
    }
    found: Values = {}
    for kind, z in codes_by_name().items():
        for metric, value in functions[package](z).items():
            found.setdefault(metric, {})[kind] = value if value == value else None
    print(json.dumps(found))


def make_environment(python: str, folder: Path, beside: Path | None) -> Path:
    """Make a virtual environment, which sees what another one has; return its interpreter."""
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
        if beside is not None:
            (site,) = folder.glob("lib/python*/site-packages")
            (other,) = beside.glob("lib/python*/site-packages")
            (site / "beside.pth").write_text(f"{other}\n")
    return inside


def pip(inside: Path, what: str, limit: float) -> str:
    """Install; return why it did not work, in a line, or nothing."""
    command = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", what]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"not within {limit:.0f} s"
    errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    return (errors or ["pip failed"])[0].strip()[:120] if done.returncode else ""


def imports(inside: Path, modules: tuple[str, ...]) -> str:
    """Import modules in an environment; return why it did not work, in a line, or nothing."""
    code = "import " + ", ".join(modules)
    done = subprocess.run([inside, "-W", "ignore", "-c", code], capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1][:120] if done.returncode else ""


def version(inside: Path, package: str) -> str:
    """Return the installed version of a package."""
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([inside, "-c", code], capture_output=True, text=True).stdout.strip()


def try_python(python: str, folder: Path, torch: str, limit: float) -> dict[str, Path]:
    """Print a line a package; return the environments of those that import."""
    name = Path(python).name
    beside = folder / f"{name}-torch"
    why_not = pip(make_environment(python, beside, None), torch, limit)
    if why_not:
        print(f"{name}: no {torch}: {why_not}", flush=True)
        return {}
    working = {}
    for package, (what, modules) in PACKAGES.items():
        began = time.perf_counter()
        inside = make_environment(python, folder / f"{name}-{package}", beside)
        why_not = pip(inside, what, limit) or imports(inside, modules)
        if not why_not:
            working[package] = inside
        said = why_not or f"installs and imports, {version(inside, package)}"
        print(f"{name} {package}: {said} ({time.perf_counter() - began:.0f} s)", flush=True)
    return working


def print_metrics(found: dict[str, Values]) -> None:
    """Print a Markdown table: every metric and kind of codes, by definition and by package."""
    print(f"\n| metric | codes | by definition | {' | '.join(found)} |")
    print("| --- | --- | --- |" + " --- |" * len(found))
    for metric, expected in BY_DEFINITION.items():
        for kind, value in expected.items():
            cells = [values.get(metric, {}).get(kind, "-") for values in found.values()]
            shown = ["no number" if v is None else v if v == "-" else f"{v:.3f}" for v in cells]
            print(f"| {metric} | {kind} | {value:.3f} | {' | '.join(shown)} |")


def main() -> None:
    """Try every package on every Python, then measure the metrics of those that have some."""
    parser = argparse.ArgumentParser(description="Where other packages install; their metrics.")
    parser.add_argument("--pythons", nargs="*", default=PYTHONS, help="interpreters to try")
    parser.add_argument(
        "--torch", default="torch", help="what pip is asked for, such as torch==2.9"
    )
    parser.add_argument("--folder", type=Path, help="keep the environments here; else they go")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one package")
    parser.add_argument("--measure", choices=WITH_METRICS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="betavae-peers-"))
    folder.mkdir(parents=True, exist_ok=True)
    inside: dict[str, Path] = {"disentanglement_lib": Path(sys.executable)}  # by the oracle's shim
    try:
        for python in given.pythons:
            if shutil.which(python) is None:
                print(f"{python} is not on this machine", flush=True)
                continue
            inside = try_python(python, folder, given.torch, given.limit) | inside
        found = {}
        for package in (name for name in WITH_METRICS if name in inside):
            command = [inside[package], HERE, "--measure", package]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{package}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            found[package] = json.loads(done.stdout.splitlines()[-1])
        print_metrics(found)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
