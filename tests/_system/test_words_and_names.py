"""Notes, names on first use, progress, and what torchrun says."""

from __future__ import annotations

import sys

import pytest

from betavae._system import notes
from betavae._system.errors import InputError, closest
from betavae._system.launch import Launch, check_command, launched
from betavae._system.lazy import lazy
from betavae._system.progress import progress, wanted


def test_a_note_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notes, "_said", set())
    notes.note_once(["one", "two", "one"])
    notes.note_once(["two", "three"])
    assert capsys.readouterr().err == "note: one\nnote: two\nnote: three\n"


def test_names_come_from_their_modules_on_first_use() -> None:
    get, names = lazy("json", {"loads": "decoder:JSONDecoder", "JSONEncoder": "encoder"})
    import json

    assert get("loads") is json.JSONDecoder
    assert get("JSONEncoder") is json.JSONEncoder
    assert names() == ["JSONEncoder", "loads"]
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'nothing'"):
        get("nothing")


def test_the_closest_of_equally_close_words_begins_alike() -> None:
    assert closest("--bata", ["--data", "--beta"]) == "--beta"
    assert closest("bata", ["zata", "beta", "data"]) == "beta"


def test_short_work_shows_no_bar_and_long_work_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[str, int, int]] = []
    monkeypatch.setattr(
        "betavae._system.progress._bar",
        lambda stack, title, count: lambda done: shown.append((title, count, done)),
    )
    with progress("reading", 2) as advance:
        advance(1)
    assert shown == []
    monkeypatch.setattr("betavae._system.progress.AFTER", 0.0)
    with progress("reading", 2) as advance:
        advance(1)
        advance(2)
    assert shown == [("reading", 2, 1), ("reading", 2, 2)]


def test_verbose_is_yes_no_or_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted(True)
    assert not wanted(False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert wanted("auto")
    with pytest.raises(InputError, match="verbose must be True, False or 'auto', got 2"):
        wanted(2)  # type: ignore[arg-type]


def place(monkeypatch: pytest.MonkeyPatch, **said: str) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
        if name in said:
            monkeypatch.setenv(name, said[name])


def test_a_process_s_place_among_those_that_train_together(monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch)
    assert launched() == Launch()
    place(monkeypatch, WORLD_SIZE="4", RANK="3", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    assert launched() == Launch(3, 4, 1, 2)
    place(monkeypatch, WORLD_SIZE="4", RANK="3")
    assert launched() == Launch(3, 4, 3, 4)
    check_command("train")
    with pytest.raises(InputError, match="run `betavae score` without torchrun"):
        check_command("score")


@pytest.mark.parametrize(
    "said",
    [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "RANK": "2"}, {"WORLD_SIZE": "two", "RANK": "0"},
     {"WORLD_SIZE": "2", "RANK": "-1"}, {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "x"}],
)  # fmt: skip
def test_a_place_that_does_not_fit_is_one_line(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    place(monkeypatch, **said)
    with pytest.raises(InputError, match="start them with torchrun, or unset WORLD_SIZE"):
        launched()
