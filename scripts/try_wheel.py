"""Installs the wheel in dist/ into a new environment without extras, and tries it there.

Run: python scripts/try_wheel.py PYTHON CONSTRAINTS
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What only an extra brings: none of it may be there, and nothing below may need it.
EXTRAS = (
    "h5py", "huggingface_hub", "onnx", "onnxscript", "pyarrow", "ray", "starlette", "submitit",
    "tensorboard", "uvicorn",
)  # fmt: skip

# Python that must run on a core install: images in; codes, scores and files out.
SMOKE = f"""
import importlib.util
import sys
from pathlib import Path

import betavae

assert not {{"torch", "sklearn", "matplotlib"}} & set(sys.modules), "import betavae is heavy"
found = [name for name in {EXTRAS!r} if importlib.util.find_spec(name)]
assert not found, f"a core install brought {{found}}"

import numpy as np
from betavae import BetaVAE, evaluate

place = np.arange(16).repeat(4)
images = np.zeros((64, 32, 32), np.uint8)
for image, k in zip(images, place):
    image[8 * (k // 4) : 8 * (k // 4) + 8, 8 * (k % 4) : 8 * (k % 4) + 8] = 255
vae = BetaVAE(latents=2, beta=4, images=640, batch=32, random_state=0).fit(images)
factors = np.stack([place // 4, place % 4], axis=1)
print(evaluate(vae.transform(images), factors, metrics="mig"))
np.savez("squares.npz", images=images, factors=factors)
assert (Path(betavae.__file__).parent / "py.typed").exists(), "py.typed is not in the wheel"
"""

# Command lines that must work there, and those that must say in one line which extra is missing.
WORKING = (
    "--version",
    "train squares.npz --beta 4 --images 640 --batch 32 --latents 2 --report --out runs/a",
    "score runs/a --metrics mig",
    "traverse runs/a",
    "figure curves runs/a -o curves.png",
    "encode runs/a squares.npz --out codes.npz",
    "export runs/a --to torch --out exported",
    "demo --quick --out runs/demo",
)
MISSING = {
    "explore runs/a --no-browser --port 0": "app",
    "export runs/a --to onnx --out exported": "onnx",
    "train squares.npz --images 64 --tensorboard --out runs/b": "tensorboard",
    "reproduce latent-size --quick --images 64 --engine ray --out runs/c": "ray",
    "data prepare shapes3d --from 3dshapes.h5": "hdf5",
}


def main() -> None:
    """Install, try, print what a core install costs; 1 and the failing line otherwise."""
    python, constraints = sys.argv[1], ROOT / sys.argv[2]
    (wheel,) = (ROOT / "dist").glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="betavae-wheel-") as name:
        folder = Path(name)
        subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        binaries = folder / "venv" / "bin"
        empty = size(folder / "venv")
        pip = [binaries / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        began = time.perf_counter()
        subprocess.run([*pip, "-c", constraints, wheel], check=True)
        seconds = time.perf_counter() - began
        megabytes = (size(folder / "venv") - empty) / 1e6
        print(f"{wheel.name}: {megabytes:.0f} MB installed in {seconds:.0f} s", flush=True)
        try_it(binaries, folder)
    print(f"{wheel.name} works without extras")


def size(folder: Path) -> int:
    """Return how many bytes the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def try_it(binaries: Path, folder: Path) -> None:
    """Run everything above in the new environment, away from the sources."""
    environment = {**os.environ, "BETAVAE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)

    def must(done: subprocess.CompletedProcess[str], what: str, held: bool) -> None:
        if not held:
            sys.exit(f"FAILED ({done.returncode}): {what}\n{done.stdout}{done.stderr}")

    done = run(binaries / "python", "-c", SMOKE)
    must(done, "the smoke test", done.returncode == 0)
    (folder / "3dshapes.h5").touch()
    for line in WORKING:
        began = time.perf_counter()
        done = run(binaries / "betavae", *line.split())
        must(done, f"betavae {line}", done.returncode == 0)
        print(f"betavae {line}: {time.perf_counter() - began:.1f} s", flush=True)
    for line, extra in MISSING.items():
        done = run(binaries / "betavae", *line.split())
        said = done.stderr.strip()
        one_line = re.search(rf"pip install '?[^']*betavae\[{extra}\]'?", said)
        held = done.returncode == 2 and one_line is not None and "Traceback" not in said
        must(done, f"betavae {line}: expected exit code 2 and the extra {extra}", held)
        print(f"betavae {line}: {said}", flush=True)


if __name__ == "__main__":
    main()
