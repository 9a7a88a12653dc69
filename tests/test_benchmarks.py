"""What a benchmark says where it cannot measure, and what it counts."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
import torch
from benchmarks import gpu


def test_without_a_card_it_is_one_line_and_no_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() is None
    assert capsys.readouterr().out == "gpu: no CUDA device here, nothing measured\n"


def test_a_step_moves_weights_once_and_outputs_by_the_image() -> None:
    """The paper's FC network: 4096-1200-1200-20, then 10-1200-1200-1200-4096."""
    sizes = [(4096, 1200), (1200, 1200), (1200, 20), (10, 1200), (1200, 1200), (1200, 1200)]
    sizes.append((1200, 4096))
    weights = sum((inputs + 1) * outputs for inputs, outputs in sizes)
    one, two = (gpu.step_bytes("fc", batch, wide=4) for batch in (1, 2))
    assert two - one == 4 * 4 * sum(outputs for _, outputs in sizes) + 4096 / 8
    assert 2 * one - two == 4 * 10 * weights


@pytest.mark.parametrize(
    "path", sorted(Path(gpu.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_every_benchmark_still_imports_what_it_measures(path: Path) -> None:
    """Imports inside functions too: they name things of the package that may have moved."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "betavae":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
