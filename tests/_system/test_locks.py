"""One process at a time in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from betavae._system.errors import InputError
from betavae._system.locks import OWNER, only_one


def test_the_second_one_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with only_one(folder):
        with pytest.raises(InputError, match=rf"run is in use by process {os.getpid()} on "):
            only_one(folder).__enter__()
        (folder / OWNER).unlink()
        with pytest.raises(InputError, match="run is in use by another process; wait for it"):
            only_one(folder).__enter__()
    with only_one(folder, patience=5):
        pass


def test_a_folder_in_which_nothing_was_begun_goes(tmp_path: Path) -> None:
    with only_one(tmp_path / "empty"):
        assert (tmp_path / "empty").is_dir()
    assert not (tmp_path / "empty").exists()
    (tmp_path / "mine").mkdir()
    with only_one(tmp_path / "mine"), only_one(tmp_path / "begun"):
        (tmp_path / "begun" / "config.toml").touch()
    assert (tmp_path / "mine").is_dir()
    assert (tmp_path / "begun" / "config.toml").exists()


def test_an_error_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_one(tmp_path):
        raise ZeroDivisionError
    with only_one(tmp_path):
        assert (tmp_path / OWNER).exists()
    assert not (tmp_path / OWNER).exists()


def test_what_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file: "):
        only_one(tmp_path / "file").__enter__()
