"""The Python of the documents runs, in order, in one namespace a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["objectives.md"])
def test_the_page_s_code_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, name, "exec"), namespace)
    assert "tc_estimate" in capsys.readouterr().out


def test_writing_one_s_own_takes_ten_lines() -> None:
    page = (DOCS / "objectives.md").read_text(encoding="utf-8")
    section = page.split("## Your own in ten lines")[1].split("\n## ")[0]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None
    assert sum(1 for line in block[1].splitlines() if line.strip()) <= 10


def test_the_table_s_toml_is_a_configuration(tmp_path: Path) -> None:
    from betavae.config import Config

    page = (DOCS / "objectives.md").read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    (tmp_path / "run.toml").write_text(block[1])
    assert Config.from_mapping(Config.from_toml(tmp_path / "run.toml")).objective.beta == 6.0
