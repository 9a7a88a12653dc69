"""Seconds and peak memory of rendering all 737,280 2D shapes, against 10 s and 1 GiB.

A fresh process renders into an empty cache folder: what a user's first `betavae train shapes2d`
waits for. It renders, writes 377 MB, and checks the digests; importing Python is not counted.
The limits hold on two cores.

Run: python -m benchmarks render
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

LIMIT_SECONDS = 10.0
LIMIT_BYTES = 1 << 30

CHILD = """
import json, resource, sys, time
from betavae.data import shapes2d
started = time.perf_counter()
images = len(shapes2d.load())
seconds = time.perf_counter() - started
started = time.perf_counter()
shapes2d.load()
again = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak *= 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
print(json.dumps({"images": images, "seconds": seconds, "again": again, "peak": peak}))
"""


def main() -> dict[str, Any]:
    """Render once and print the summary line."""
    with tempfile.TemporaryDirectory(prefix="betavae-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            env={**os.environ, "BETAVAE_CACHE": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout)
    time_share, memory_share = found["seconds"] / LIMIT_SECONDS, found["peak"] / LIMIT_BYTES
    print(
        f"render: {found['images']:,} images in {found['seconds']:.2f} s, peak memory "
        f"{found['peak'] / 2**20:,.0f} MiB, loaded again in {found['again']:.2f} s: "
        f"{time_share:.2f}x of the 10 s limit, {memory_share:.2f}x of the 1 GiB limit"
    )
    return {
        "images": found["images"],
        "seconds": round(found["seconds"], 2),
        "seconds_again": round(found["again"], 2),
        "peak_bytes": found["peak"],
        "seconds_share_of_limit": round(time_share, 3),
        "memory_share_of_limit": round(memory_share, 3),
    }


if __name__ == "__main__":
    main()
