"""Files: whole or not there, and one line where they cannot be read or written."""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

import pytest

from betavae._system.errors import InputError
from betavae._system.files import file_bytes, read_json, sweep, write_beside, write_json


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    write_json(path, {"a": 1})
    with suppress(ZeroDivisionError), write_beside(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert read_json(path) == {"a": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")}, allow_nan=False)
    assert read_json(path) == {"a": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["score.json"]


def test_folders_are_made_and_what_is_no_folder_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b" / "c.json", {"héart": [1, 2.5]})
    assert read_json(tmp_path / "a" / "b" / "c.json") == {"héart": [1, 2.5]}
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file/c\.json: "):
        write_json(tmp_path / "file" / "c.json", {})


def test_only_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    here = platform.node()
    kept = [".notes.part", f".x.{here}.12ab.part", f"big.{here}.99999999.part"]
    kept += [f".x.{here}.{1 << 80}.part", ".x.elsewhere.99999999.part"]
    for name in [*kept, f".x.{here}.99999999.part"]:  # more than any process's number
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1, 2]", "must hold a JSON object, got a list"),
        (b"{", "is damaged: "),
        (b"\xff\xfe", "is damaged: "),
        (b"[" * 100_000, "is damaged: "),
    ],
)
def test_what_is_no_json_object_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_json(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InputError, match=rf"cannot read {path}: ") as error:
            file_bytes(path)
        assert "damaged" not in str(error.value)
