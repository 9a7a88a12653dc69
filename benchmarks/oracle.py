"""disentanglement_lib, installed once beside the project and shimmed, for oracles and benchmarks.

The package pins TensorFlow 1 and cannot be installed with its dependencies; the metrics need none
of them. It goes to a folder of its own, so that nothing of it is in the environment.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PACKAGES = ("disentanglement-lib==1.5", "gin-config==0.5.0", "absl-py>=2,<3", "six>=1.16,<2")
METRICS = ("beta_vae", "factor_vae", "mig", "sap_score", "dci", "modularity_explicitness", "irs",
           "utils", "unsupervised_metrics")  # fmt: skip
# The values of its locatello2019 study that gin would otherwise have to be given.
GIN = """
discretizer.discretizer_fn = @histogram_discretizer
discretizer.num_bins = 20
"""


def install(folder: Path) -> str:
    """Install into `folder` unless it is there; returns why not, or nothing."""
    done, lock = folder / "complete", folder / "lock"
    deadline = time.monotonic() + 300
    while not done.exists():
        try:
            lock.mkdir()  # one worker installs, the others wait for it
        except FileExistsError:
            if time.monotonic() > deadline:
                return "another worker's install did not end; remove .pytest_cache and try again"
            time.sleep(0.2)
            continue
        try:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--target", str(folder / "packages")]
            ran = subprocess.run([*command, *PACKAGES], capture_output=True, text=True, timeout=240)
            if ran.returncode:
                return f"pip could not install it: {ran.stderr.strip().splitlines()[-1:]}"
            done.touch()
        except subprocess.TimeoutExpired:
            return "the package registry did not answer within four minutes"
        finally:
            lock.rmdir()
    return ""


@contextmanager
def imported(folder: Path) -> Iterator[Any]:
    """Import the metric modules of an installed package, by name, for a while."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder / "packages"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # code of 2018: deprecated escapes and aliases
            gin = importlib.import_module("gin")
            _shim(gin)
            root = "disentanglement_lib.evaluation.metrics"
            modules = {name: importlib.import_module(f"{root}.{name}") for name in METRICS}
            gin.parse_config(GIN)
        yield SimpleNamespace(**modules)
    finally:
        sys.path.remove(str(folder / "packages"))
        for name in set(sys.modules) - before:
            if name.split(".")[0] in ("gin", "absl", "six", "disentanglement_lib"):
                del sys.modules[name]


def _shim(gin: Any) -> None:
    """Make today's gin answer to what the package calls: gin.tf, and blacklist for denylist."""
    gin.tf = gin
    sys.modules["gin.tf"] = gin
    configurable = gin.configurable

    def accepting_blacklist(*args: Any, blacklist: Any = None, **options: Any) -> Any:
        if blacklist is not None:
            options["denylist"] = blacklist
        return configurable(*args, **options)

    gin.configurable = accepting_blacklist
