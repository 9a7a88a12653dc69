"""The import graph: light names stay light, and every arrow points left."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(__file__).parents[1] / "src" / "betavae"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Data flows left to right; a part may import itself and what stands before it.
ORDER = [
    "_system", "metrics", "figures", "data", "models", "objectives", "config",
    "training", "runs", "report", "studies", "app", "sharing", "cli", "estimator",
]  # fmt: skip
FORBIDDEN = {
    "metrics": {"torch", "betavae.data", "betavae.models", "betavae.training"},
    "figures": {"torch", "betavae.data", "betavae.models", "betavae.training"},
}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "betavae":
                names |= {f"betavae.{alias.name}" for alias in node.names}
    return names


@pytest.mark.slow
def test_no_module_imports_itself_through_others() -> None:
    """Imports for typing count too."""
    names = {
        ".".join(("betavae", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in SOURCES
    }
    arrows: dict[str, set[str]] = {}
    for name, path in names.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= inner & names.keys() or {node.module} & names.keys()
        # A package's front names what is inside, on first use.
        arrows[name] = {other for other in found if not other.startswith(f"{name}.")}
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        state[name] = 1
        for other in arrows[name]:
            assert state.get(other) != 1, " -> ".join((*path, name, other))
            if other not in state:
                visit(other, (*path, name))
        state[name] = 2

    for name in names:
        if name not in state:
            visit(name, ())


def part(module: str) -> str | None:
    pieces = module.split(".")
    return pieces[1] if pieces[0] == "betavae" and len(pieces) > 1 else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_left(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    for module in imported(path):
        other = part(module)
        if other is None or other == own or other == "__version__":
            continue
        assert ORDER.index(other) < ORDER.index(own), f"{own} imports {module}"
        assert not any(module.startswith(bad) for bad in FORBIDDEN.get(own, ()))


def test_what_is_imported_is_declared() -> None:
    """Not only brought by something else that is."""
    text = PACKAGE.parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {Requirement(line).name.replace("-", "_") for lines in groups for line in lines}
    called = {"PIL": "pillow", "sklearn": "scikit_learn"}
    tops = {module.split(".")[0] for path in SOURCES for module in imported(path)}
    tops -= {*sys.stdlib_module_names, "betavae", "tomllib"}  # which 3.10 lacks
    assert {called.get(top, top) for top in tops} <= declared


@pytest.mark.parametrize("part_name", FORBIDDEN)
def test_metrics_and_figures_import_no_torch(part_name: str) -> None:
    for path in (PACKAGE / part_name).rglob("*.py"):
        assert "torch" not in {module.split(".")[0] for module in imported(path)}


@pytest.mark.parametrize("code", ["import betavae", "from betavae.cli import app"])
def test_light_imports_stay_light(code: str) -> None:
    script = (
        f"import sys\n{code}\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'scipy', 'huggingface_hub', 'onnx'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, f"`{code}` imports {done.stderr}"


def test_public_names_resolve() -> None:
    import betavae

    assert all(getattr(betavae, name) is not None for name in betavae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = betavae.nothing
