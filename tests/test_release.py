"""What a release rests on: one version, a changelog, extras that say what is missing."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import release_check
import try_wheel
from packaging.requirements import Requirement
from packaging.version import Version

import betavae

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def test_the_version_is_written_once() -> None:
    assert betavae.__version__ in (ROOT / "src/betavae/__init__.py").read_text(encoding="utf-8")
    places = [
        *ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.cff"), *ROOT.glob("Makefile"),
        *(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("scripts/*.py"),
    ]  # fmt: skip
    version = re.compile(rf"(?<![\d.]){re.escape(betavae.__version__)}(?![\d.]*\d)")
    found = {p.name for p in places if version.search(p.read_text(encoding="utf-8"))}
    assert found <= {"__init__.py", "CHANGELOG.md"}


def test_the_changelog_s_newest_version_is_the_package_s() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    waiting = "CHANGELOG.md: [Unreleased] has entries: move them under a version"
    assert set(release_check.changelog_obstacles(text, betavae.__version__)) <= {waiting}


@pytest.mark.parametrize(
    ("text", "obstacle"),
    [
        ("## 1.0.0\n", "expected ## [Unreleased]"),
        ("## [Unreleased]\n\n## [0.9.0] - 2026-01-02\n", "newest version is 0.9.0"),
        ("## [Unreleased]\n- a\n\n## [1.0.0] - 2026-01-02\n", "[Unreleased] has entries"),
        ("## [Unreleased]\n\n## [1.0.0] - soon\n", "1.0.0 has no date"),
    ],
)
def test_obstacles_in_the_changelog_are_named(text: str, obstacle: str) -> None:
    (found,) = release_check.changelog_obstacles(text, "1.0.0")
    assert obstacle in found


def wheel(folder: Path, names: set[str], version: str = "1.0.0") -> None:
    with zipfile.ZipFile(folder / "betavae-1.0.0-py3-none-any.whl", "w") as archive:
        for name in names:
            archive.writestr(name, "")
        metadata = f"Metadata-Version: 2.4\nName: betavae\nVersion: {version}\n\n# betavae\n"
        archive.writestr("betavae-1.0.0.dist-info/METADATA", metadata)


def sdist(folder: Path, names: set[str]) -> None:
    with tarfile.open(folder / "betavae-1.0.0.tar.gz", "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"betavae-1.0.0/{name}"), io.BytesIO())


SOURCES = {
    path.relative_to(ROOT / "src").as_posix()
    for path in (ROOT / "src" / "betavae").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
LICENCE = "betavae-1.0.0.dist-info/licenses/LICENSE"
ROOT_FILES = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"}


def test_what_is_built_must_be_whole(tmp_path: Path) -> None:
    def found() -> str:
        return "; ".join(release_check.dist_obstacles(tmp_path, "1.0.0"))

    assert "run make dist" in found()
    wheel(tmp_path, SOURCES | {LICENCE})
    sdist(tmp_path, ROOT_FILES)
    assert found() == ""
    wheel(tmp_path, (SOURCES | {LICENCE}) - {"betavae/py.typed"})
    assert "lacks betavae/py.typed" in found()
    wheel(tmp_path, SOURCES | {LICENCE, "tests/conftest.py"})
    assert "holds tests/conftest.py" in found()
    wheel(tmp_path, SOURCES)
    assert "has no licence" in found()
    wheel(tmp_path, SOURCES | {LICENCE}, "0.9.0")
    assert "version or long description" in found()
    wheel(tmp_path, SOURCES | {LICENCE})
    sdist(tmp_path, ROOT_FILES - {"README.md"})
    assert "lacks README.md" in found()


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def test_every_lower_bound_is_installed_at_that_bound_in_one_job() -> None:
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    bounds: dict[str, Version] = {}
    for line in (line for group in groups for line in group):
        wanted = Requirement(line)
        for bound in wanted.specifier:
            if bound.operator == ">=":
                version = Version(bound.version)
                assert bounds.setdefault(wanted.name, version) == version, wanted.name
        if wanted.name != "betavae":
            assert any(b.operator in (">=", "==") for b in wanted.specifier), f"{line} has no floor"
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").split("\n# Not ours")
    pins = [Requirement(line) for line in lines[0].splitlines() if line[:1].isalpha()]
    held = {pin.name: Version(str(pin.specifier).removeprefix("==")) for pin in pins}
    assert held == bounds
    beyond = [Requirement(line) for line in lines[1].splitlines() if line[:1].isalpha()]
    assert not {pin.name for pin in beyond} & bounds.keys()
    assert project()["requires-python"] == ">=3.10"
    assert "OLDEST ?= python3.10\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_extra_that_is_tried_as_missing_exists() -> None:
    extras = project()["optional-dependencies"]
    tried = {*try_wheel.MISSING.values(), *try_wheel.MISSING_FROM_PYTHON.values()}
    assert tried == set(extras) - {"all", "datasets", "dev", "docs", "slurm"}
    brought = {re.split(r"[><=\[]", line)[0].replace("-", "_") for name, lines in extras.items()
               if name not in ("all", "dev", "docs", "datasets") for line in lines}  # fmt: skip
    assert brought == set(try_wheel.EXTRAS)


def test_workflows_call_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    steps = [ROOT / ".ci" / "run", *(ROOT / ".github" / "workflows").glob("*.yml")]
    called = {
        name
        for path in steps
        for name in re.findall(r"^(?: +- run: )?make ([a-z-]+)", path.read_text("utf-8"), re.M)
    }
    assert called <= targets
    assert {"lint", "test", "test-lowest", "docs", "docs-test", "dist"} <= called
