"""Says whether this commit can be released as the version it carries.

Run: python scripts/release_check.py, after make dist
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import date
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
SECTION = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?$", re.MULTILINE)


def main() -> int:
    """Print every obstacle, or what is left to do by hand; 1 when there is an obstacle."""
    source = (ROOT / "src" / "betavae" / "__init__.py").read_text(encoding="utf-8")
    (version,) = VERSION.findall(source)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    obstacles = [
        *changelog_obstacles(changelog, version),
        *tree_obstacles(version),
        *dist_obstacles(ROOT / "dist", version),
    ]
    for obstacle in obstacles:
        print(f"not ready: {obstacle}")
    if not obstacles:
        print(f"{version} is ready: git tag v{version}, push it, upload dist/")
    return 1 if obstacles else 0


def changelog_obstacles(text: str, version: str) -> list[str]:
    r"""Return what is wrong with the changelog for a release of this version.

    >>> changelog_obstacles("## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\n- a\n", "1.0.0")
    []
    >>> changelog_obstacles("## [Unreleased]\n\n- b\n\n## [1.0.0]\n\n- a\n", "1.1.0")
    ... # doctest: +NORMALIZE_WHITESPACE
    ['CHANGELOG.md: [Unreleased] has entries: move them under a version',
     'CHANGELOG.md: the newest version is 1.0.0, the package says 1.1.0',
     'CHANGELOG.md: 1.0.0 has no date (YYYY-MM-DD)']
    """
    found = list(SECTION.finditer(text))
    if len(found) < 2 or found[0][1] != "Unreleased":
        return ["CHANGELOG.md: expected ## [Unreleased], then ## [VERSION] - DATE"]
    waiting, newest = found[:2]
    obstacles = []
    if text[waiting.end() : newest.start()].strip():
        obstacles.append("CHANGELOG.md: [Unreleased] has entries: move them under a version")
    if newest[1] != version:
        told = f"the newest version is {newest[1]}, the package says {version}"
        obstacles.append(f"CHANGELOG.md: {told}")
    try:
        date.fromisoformat(newest[2] or "")
    except ValueError:
        obstacles.append(f"CHANGELOG.md: {newest[1]} has no date (YYYY-MM-DD)")
    return obstacles


def tree_obstacles(version: str) -> list[str]:
    """Return what is wrong with the git tree: changes that no commit holds, a tag that exists."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    obstacles = []
    if git("status", "--porcelain"):
        obstacles.append("git: there are changes that are not committed")
    if git("tag", "--list", f"v{version}"):
        obstacles.append(f"git: the tag v{version} exists; raise __version__")
    return obstacles


def dist_obstacles(folder: Path, version: str) -> list[str]:
    """Return what is wrong with what `make dist` has built."""
    wheel = folder / f"betavae-{version}-py3-none-any.whl"
    sdist = folder / f"betavae-{version}.tar.gz"
    missing = [path.name for path in (wheel, sdist) if not path.exists()]
    if missing:
        return [f"dist/: {' and '.join(missing)} missing: run make dist"]
    obstacles = []
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        metadata = message_from_bytes(archive.read(f"betavae-{version}.dist-info/METADATA"))
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "betavae").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    if absent := sources - held:
        obstacles.append(f"{wheel.name} lacks {', '.join(sorted(absent)[:5])}: run make dist")
    if extra := {name for name in held if not name.startswith(("betavae/", "betavae-"))}:
        obstacles.append(f"{wheel.name} holds {', '.join(sorted(extra)[:5])}")
    if not any(name.endswith("licenses/LICENSE") for name in held):
        obstacles.append(f"{wheel.name} has no licence")
    if metadata["Version"] != version or not str(metadata.get_payload()).strip():
        obstacles.append(f"{wheel.name}: version or long description missing from its metadata")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"}
    if absent := wanted - inside:
        obstacles.append(f"{sdist.name} lacks {', '.join(sorted(absent))}")
    return obstacles


if __name__ == "__main__":
    sys.exit(main())
