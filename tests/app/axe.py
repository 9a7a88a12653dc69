"""axe-core in a page: what it finds of serious or moderate kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BAD = ("moderate", "serious", "critical")


def violations(page: Any) -> list[str]:
    """Return what axe-core holds against the page as it stands; skips without axe-core-python."""
    package = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    source = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    # Through the debugger, which a page's security policy does not bind.
    page.execute_cdp_cmd("Runtime.evaluate", {"expression": source})
    found = page.execute_async_script(
        "const done = arguments[0]; axe.run().then(result => done(result.violations))"
    )
    return [
        f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found
        if one["impact"] in BAD
    ]


def shade(page: Any, kind: str) -> None:
    """Give the page a light or a dark scheme."""
    features = [{"name": "prefers-color-scheme", "value": kind}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
