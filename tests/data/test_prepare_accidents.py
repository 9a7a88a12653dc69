"""Preparing a set when files are damaged, the disk is full, or somebody stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import originals
import pytest
from written import left_behind

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae._system.threads import on_all_cores
from betavae.data import cache, sets
from betavae.data.prepare import prepare
from betavae.data.recipe import Options, Reading

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "text", "version", "shape", "key"])
def test_a_damaged_prepared_file_is_one_line_and_can_be_prepared_again(
    folder: Path, damage: str
) -> None:
    original = originals.mnist(folder)
    path = prepare("mnist", original.path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    said = json.loads(header["__metadata__"]["betavae"])
    if damage == "version":
        said["version"] = 99
    elif damage == "shape":
        said["image_shape"] = [1, 64, 64]
    elif damage == "key":
        said["surprise"] = 1
    header["__metadata__"]["betavae"] = json.dumps(said)
    changed = content[:8] + json.dumps(header).encode().ljust(length) + content[8 + length :]
    path.write_bytes(
        {"cut": content[:-100], "longer": content + b"x", "empty": b"", "text": b"hello" * 99}.get(
            damage, changed
        )
    )
    with pytest.raises(InputError, match=r"is damaged .*; remove it and prepare again"):
        datasets.load("mnist")
    prepare("mnist", original.path)
    assert path.read_bytes() == content


def test_a_full_disk_is_one_line_and_leaves_nothing(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "reserve", full)
    with pytest.raises(InputError, match=r"No space left on device; BETAVAE_CACHE=FOLDER moves"):
        prepare("mnist", originals.mnist(folder).path)
    assert left_behind(own_cache) == []


@pytest.mark.slow
def test_a_disk_that_is_really_too_small_is_one_line(folder: Path, own_cache: Path) -> None:
    """A limit on file sizes stands in for it, in a process of its own."""
    resource = pytest.importorskip("resource")
    original = originals.chairs(folder)
    done = subprocess.run(
        [sys.executable, "-m", "betavae", "data", "prepare", "chairs", "--from", original.path],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("betavae: cannot write")
    assert len(done.stderr.splitlines()) == 1
    assert left_behind(own_cache) == []


def test_places_that_cannot_be_written_or_read_are_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = originals.mnist(folder)
    with pytest.raises(InputError, match=r"cannot read .*: No such file or directory"):
        prepare("mnist", tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot write .*BETAVAE_CACHE=FOLDER moves the cache"):
        prepare("mnist", original.path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_source_without_permission_is_one_line(folder: Path) -> None:
    path = originals.chairs(folder).path
    path.chmod(0)
    with pytest.raises(InputError, match=r"cannot read .*: Permission denied"):
        prepare("chairs", path)


def test_a_source_that_changes_meanwhile_is_one_line_and_leaves_nothing(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = originals.mnist(folder)
    recipe = sets.SETS["mnist"]

    def read_slowly(path: Path, chosen: Any) -> Reading:
        reading = recipe.read(path, chosen)
        (path / "train-labels-idx1-ubyte.gz").touch()
        os.utime(path / "train-labels-idx1-ubyte.gz", ns=(1, 1))
        return reading

    changed = type(recipe)(**{**recipe.__dict__, "read": read_slowly})
    monkeypatch.setitem(sets.SETS, "mnist", changed)
    with pytest.raises(InputError, match="changed while it was read; prepare it again"):
        prepare("mnist", original.path)
    assert left_behind(own_cache) == []


@pytest.mark.slow
def test_kill_9_leaves_a_clean_restart(folder: Path, own_cache: Path) -> None:
    """The part of a killed process is swept away by the next preparation, no other's is."""
    path = originals.morphable_model(folder)
    command = [sys.executable, "-m", "betavae", "data", "prepare", "faces", "--from", str(path)]
    process = subprocess.Popen([*command, "--identities", "5"], stderr=subprocess.DEVNULL)
    while not left_behind(own_cache) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (part,) = left_behind(own_cache)
    assert part.endswith(".part")
    other = own_cache / "sets" / f".faces-64.safetensors.{os.getppid()}.part"
    other.write_text("of a process that runs")
    with pytest.raises(InputError, match="faces is not prepared yet"):
        datasets.load("faces")
    small = Options(identities=2, azimuths=1, elevations=1, lights=1)
    prepare("faces", path, small)
    assert sorted(left_behind(own_cache)) == [other.name, "faces-64.safetensors"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(folder: Path, own_cache: Path) -> None:
    path = originals.morphable_model(folder)
    command = [sys.executable, "-m", "betavae", "data", "prepare", "faces", "--from", str(path)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # A suite started in the background of a shell hands on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not left_behind(own_cache) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "betavae: stopped"
    assert "Traceback" not in errors
    assert left_behind(own_cache) == []


def test_ctrl_c_while_work_is_handed_out_cancels_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    hand_out = ThreadPoolExecutor.submit

    def interrupted(pool: ThreadPoolExecutor, *job: Any) -> Any:
        if job[-1] == 300:
            os.kill(os.getpid(), signal.SIGINT)
        return hand_out(pool, *job)

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.02)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        on_all_cores(work, 1000, "working", unit=1)
    assert len(begun) < 200
