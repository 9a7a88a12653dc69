"""Milliseconds from a slider's move to the new picture in the explorer, against 50 ms.

A headless Chromium moves a slider a hundred times on images of 64 x 64, for two networks, and
times each move until the picture is on the canvas: request, decoding, PNG and drawing included.
Needs chromium and chromedriver.

Run: python -m benchmarks explore
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_MILLISECONDS = 50.0
NETWORKS = ("patch", "fc")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

MOVES = """
const done = arguments[arguments.length - 1];
const range = document.querySelector("[data-latent]"), canvas = document.querySelector("canvas");
(async () => {
  const times = [];
  for (let k = 0; k < 100; k += 1) {
    const before = canvas.dataset.drawn, begun = performance.now();
    range.value = 3 * Math.sin(k / 7);
    range.dispatchEvent(new Event("input"));
    while (canvas.dataset.drawn === before) await new Promise((go) => setTimeout(go, 1));
    times.push(performance.now() - begun);
    await new Promise((go) => setTimeout(go, 20));
  }
  done(times);
})();
"""


def main() -> dict[str, Any]:
    """Time both networks and print a line each."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="betavae-bench-") as folder:
        for network in NETWORKS:
            times = measure(trained(Path(folder), network), Path(folder) / f"profile-{network}")
            found = {
                "median": float(np.median(times)),
                "p95": float(np.percentile(times, 95)),
                "largest": float(np.max(times)),
            }
            print(
                f"explore: {network}: {found['median']:.0f} ms a picture, 95 % within "
                f"{found['p95']:.0f} ms (limit {LIMIT_MILLISECONDS:.0f} ms)"
            )
            figures[network] = found
    return figures


def trained(folder: Path, network: str) -> Path:
    """Train a run for a moment: what it draws does not matter here, only how long it takes."""
    from betavae.cli import run

    images = np.random.default_rng(0).integers(0, 2, (128, 64, 64)).astype(np.uint8)
    np.save(folder / "noise.npy", images)
    out = folder / network
    options = ["--network", network, "--images", "640", "--beta", "0.01", "--out", str(out)]
    run(["train", str(folder / "noise.npy"), *options])
    return out


def measure(run: Path, profile: Path) -> list[float]:
    """Move a slider in the browser; return milliseconds, one a move."""
    import uvicorn
    from selenium import webdriver

    from betavae.app.connections import listen
    from betavae.app.explorer import open_explorer
    from betavae.app.server import create_app

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    server = uvicorn.Server(
        uvicorn.Config(create_app(open_explorer([run])), log_level="warning", lifespan="off")
    )
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        page = webdriver.Chrome(options=options, service=service)
        try:
            page.set_script_timeout(120)
            page.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            time.sleep(2)  # the first picture, and the caches behind it
            return [float(value) for value in page.execute_async_script(MOVES)]
        finally:
            page.quit()
            server.should_exit = True
            thread.join(30)
