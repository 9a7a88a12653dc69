"""Images a second on a CUDA card, against its matrix peak and memory bandwidth in the same run.

Both limits are measured, not read from a data sheet: a large matrix product in float32 and in
bfloat16, and a large copy on the card. Every training is the public loop's, as the command line
runs it: eager float32, bfloat16 (`--bf16`), and both compiled into CUDA graphs (`--compile`).
Measurements alternate with the limits for several rounds, and every figure is the median over
rounds of a ratio within the round.

"of the matrix peak" is the share of the product's flops that the training does; "memory" the
bytes a second that one step must read and write at least (weights, gradients and optimiser
state once, every layer's output twice forward and twice backward), as a share of the copy's.

PyTorch's defaults stand: float32 convolutions may use TF32, float32 matrix products do not.
Without a CUDA device it says so in one line and measures nothing.

Run: python -m benchmarks gpu, or python benchmarks/gpu.py [--rounds N] [--images N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import shapes
from benchmarks.throughput import LATENTS, training_flops

if TYPE_CHECKING:
    import torch

    from betavae.data.dataset import Dataset

NETWORKS = {"conv": "burgess", "fc": "fc"}
BATCHES = (64, 1024)
WAYS: dict[str, dict[str, bool]] = {
    "float32": {},
    "bf16": {"bf16": True},
    "float32 compiled": {"compile": True},
    "bf16 compiled": {"bf16": True, "compile": True},
}
PIXELS = 64 * 64


def fastest(work: Callable[[], object], repeats: int = 20) -> float:
    """Return the seconds that `work` takes on the card, the best of several, after a warm-up."""
    import torch

    work()
    seconds = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    return min(seconds)


def matrix_peak(dtype: torch.dtype, size: int = 8192) -> float:
    """Return the flops a second of a square matrix product on the card."""
    import torch

    a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2.0 * size**3 / fastest(lambda: torch.mm(a, b, out=out))


def bandwidth(size: int = 1 << 30) -> float:
    """Return the bytes a second that a copy on the card reads and writes."""
    import torch

    source = torch.empty(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2.0 * size / fastest(lambda: target.copy_(source))


def step_bytes(network: str, batch: int, *, wide: int) -> float:
    """Count the bytes that a step has to move at least.

    Args:
        network: its name.
        batch: images a step.
        wide: bytes of a number in a layer's output.
    """
    import torch
    from torch import nn

    from betavae.models.networks import build_network

    encoder, decoder = build_network(network, (1, 64, 64), 2 * LATENTS, LATENTS)
    outputs = 0

    def count(_: nn.Module, __: object, output: torch.Tensor) -> None:
        nonlocal outputs
        outputs += output[0].numel()

    for module in [*encoder.modules(), *decoder.modules()]:
        if hasattr(module, "weight"):
            module.register_forward_hook(count)
    with torch.no_grad():
        decoder(encoder(torch.zeros(1, 1, 64, 64))[:, :LATENTS])
    weights = sum(p.numel() for p in (*encoder.parameters(), *decoder.parameters()))
    # Adam reads weight, gradient and two moments, and writes all but the gradient, in float32;
    # forward and backward passes read the weights, and write their gradient.
    return 4.0 * weights * (7 + 3) + 4.0 * wide * outputs * batch + PIXELS / 8 * batch


def images_a_second(
    dataset: Dataset, network: str, batch: int, images: int, way: dict[str, bool]
) -> float:
    """Train through the public loop; return the median speed between records, warm-up left out."""
    from betavae.config import Config
    from betavae.training.fit import train

    options = {
        "network": network, "batch": batch, "images": images, "latents": LATENTS, "beta": 4.0,
        "device": "cuda", **way,
    }  # fmt: skip
    records = train(Config.from_mapping(options), dataset, progress=False).records
    return statistics.median(record.images_per_second for record in records[1:])


def main(*, rounds: int = 3, images: int = 8192) -> dict[str, Any] | None:
    """Measure every network, batch and way; print a line each; None without a card."""
    import torch

    if not torch.cuda.is_available():
        print("gpu: no CUDA device here, nothing measured")
        return None
    from betavae.data.dataset import Dataset
    from betavae.data.images import ImageStore

    dataset = Dataset("shapes2d sample", ImageStore.from_binary(shapes(images)))
    figures: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    for name, network in NETWORKS.items():
        flops = training_flops(network)
        for batch in BATCHES:
            rows: list[dict[str, float]] = []
            for _ in range(rounds):
                row = {
                    "float32_flops": matrix_peak(torch.float32),
                    "bf16_flops": matrix_peak(torch.bfloat16),
                    "bytes": bandwidth(),
                }
                for way, options in WAYS.items():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        # Ten records of 50 steps, the first of which compiles.
                        row[way] = images_a_second(dataset, network, batch, 500 * batch, options)
                rows.append(row)
            figures[f"{name}_{batch}"] = {"rounds": rows}
            for way, options in WAYS.items():
                half = "bf16" in options
                peak = "bf16_flops" if half else "float32_flops"
                moved = step_bytes(network, batch, wide=2 if half else 4) / batch
                speed = statistics.median(row[way] for row in rows)
                of_peak = statistics.median(row[way] * flops / row[peak] for row in rows)
                of_bytes = statistics.median(row[way] * moved / row["bytes"] for row in rows)
                figures[f"{name}_{batch}"][way] = {
                    "images_per_second": round(speed),
                    "of_matrix_peak": round(of_peak, 4),
                    "of_bandwidth": round(of_bytes, 4),
                }
                print(
                    f"{name} batch {batch} {way}: {speed:,.0f} images/s, {of_peak:.1%} of the "
                    f"matrix peak, {of_bytes:.1%} of the memory bandwidth",
                    flush=True,
                )
            last = rows[-1]
            print(
                f"  limits: {last['float32_flops'] / 1e12:.1f} TFLOP/s float32, "
                f"{last['bf16_flops'] / 1e12:.1f} bf16, {last['bytes'] / 1e9:,.0f} GB/s",
                flush=True,
            )
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Images a second on a GPU, against its limits.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=8192, help="images in the data set")
    main(**vars(parser.parse_args()))
