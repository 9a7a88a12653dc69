"""Run every benchmark and write benchmarks/results.json with the machine described.

Run: python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
from pathlib import Path

from betavae._system.files import read_json, write_json

HERE = Path(__file__).parent
NAMES = (
    "render",
    "data",
    "throughput",
    "objectives",
    "metrics",
    "metric_oracles",
    "explore",
    "gpu",
    "time_to_score",
)


def machine() -> dict[str, object]:
    """Describe the machine, since no figure means anything without it."""
    import torch

    names = (
        [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        if Path("/proc/cpuinfo").exists()
        else [platform.processor()]
    )
    return {
        "processor": names[0],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def main() -> None:
    """Run the named benchmarks, all by default; keep the others' results as they are."""
    names = sys.argv[1:] or [name for name in NAMES if (HERE / f"{name}.py").exists()]
    path = HERE / "results.json"
    results = read_json(path) if path.exists() else {}
    for name in names:
        print(f"== {name}", flush=True)
        figures = importlib.import_module(f"benchmarks.{name}").main()
        if figures is None:  # not to be measured here: what another machine gave stays
            continue
        date = time.strftime("%Y-%m-%d")
        results[name] = {"date": date, "machine": machine(), "figures": figures}
        write_json(path, results)


if __name__ == "__main__":
    main()
