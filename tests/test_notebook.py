"""What a notebook is shown, with a stand-in for its kernel: one bar that moves, and figures."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from betavae._system.notebook import NotebookBar, in_notebook, show_figures
from betavae._system.progress import wanted
from betavae.report.shown_run import shown
from betavae.training.progress_bar import ProgressBar
from betavae.training.records import Record


class ZMQInteractiveShell:
    def __init__(self) -> None:
        self.kinds: dict[type, Any] = {}
        self.display_formatter = SimpleNamespace(formatters={"image/png": self})

    def lookup_by_type(self, kind: type) -> Any:
        return self.kinds[kind]

    def for_type(self, kind: type, how: Any) -> None:
        self.kinds[kind] = how


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What was displayed and what replaced it, in order."""
    found: list[tuple[str, dict[str, str]]] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        found.append(("new", data))
        return SimpleNamespace(update=lambda data, raw: found.append(("moved", data)))

    ipython, shell = ModuleType("IPython"), ZMQInteractiveShell()
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    ipython.version_info = (9, 0)  # type: ignore[attr-defined]  # matplotlib asks
    below = ModuleType("IPython.display")
    below.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", below)
    return found


def test_outside_a_notebook_nothing_is_displayed() -> None:
    assert not in_notebook()
    show_figures(Figure, lambda figure: b"")


def test_a_training_has_one_bar_that_ends_full(
    states: list[tuple[str, dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted("auto")
    terms = {"distortion": 105.4, "rate": 15.73, "beta": 4.0}
    with ProgressBar(1000, 0, "patch <beta 4>") as bar:
        for images in (10, 20, 1000):  # the second comes too soon to be drawn
            bar.show(Record(images, 1.0, 2912.0, 1e-3, 120.0, terms, [1.0] * 10))
    assert [kind for kind, _ in states] == ["new", "moved"]
    last = states[-1][1]
    assert last["text/plain"].startswith("patch <beta 4>  100%  distortion 105.4  rate 15.73")
    assert 'patch &lt;beta 4&gt; <progress value="1.000"' in last["text/html"]
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_anew_after_a_while(
    states: list[tuple[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bar = NotebookBar()
    for now in (10.0, 10.1, 10.3):
        bar.show("reading", now / 20, "")
    assert [kind for kind, _ in states] == ["new", "moved"]


def test_figures_are_shown_unless_the_notebook_has_its_own_way(
    states: list[tuple[str, dict[str, str]]],
) -> None:
    kinds = sys.modules["IPython"].get_ipython().kinds
    figure = Figure(figsize=(1, 1))
    assert shown(figure) is figure
    assert kinds[Figure](figure).startswith(b"\x89PNG")
    kinds[Figure] = own = object()
    shown(figure)
    assert kinds[Figure] is own
