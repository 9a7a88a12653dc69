"""What a signal, a kill or a lost parent leaves, and when things are on the disk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.locks import only_one
from betavae.config import Config
from betavae.studies import run_cells as run_cells_module
from betavae.studies.cells import Cell
from betavae.studies.run_cells import run_cells
from betavae.training import checkpoint, loop
from betavae.training.fit import train
from betavae.training.records import read_records
from small_runs import synthetic


def test_signals_that_come_faster_than_they_are_handled_end_the_work(tmp_path: Path) -> None:
    """Handlers that took a lock waited for ever in 4 of 200 tries."""
    work = (
        "import sys, time; from betavae._system.interrupts import stop_signals\n"
        "with stop_signals(second_kills=False) as asked:\n"
        "    print('here', flush=True)\n"
        "    while not asked(): pass\n"
        "    until = time.monotonic() + 0.3\n"
        "    while time.monotonic() < until: asked()\n"
        "print('saved', flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", work], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGHUP)
    try:
        assert child.communicate(timeout=30) == ("saved\n", None)
    finally:
        child.kill()


def test_records_after_the_checkpoint_go_when_a_killed_training_goes_on(tmp_path: Path) -> None:
    config = Config(objective="beta", network="patch", latents=3, images=1200, batch=8, threads=1)
    whole = train(config, synthetic(), tmp_path / "whole", progress=False)

    def die(model: Any, record: Any) -> bool:
        if record.images == 800:
            raise MemoryError  # as SIGKILL: nothing is saved
        return False

    every = config.replaced(checkpoint_every=400)
    with pytest.raises(MemoryError):
        train(every, synthetic(), tmp_path / "killed", progress=False, watch=die)
    log = tmp_path / "killed" / "metrics.jsonl"
    assert [record.images for record in read_records(log)] == [400, 800]
    with log.open("a") as file:
        file.write('{"images": 850, "sec')  # torn in its middle
    train(every, synthetic(), tmp_path / "killed", resume=True, progress=False)
    assert [record.images for record in read_records(log)] == [
        record.images for record in whole.records
    ]


def test_a_checkpoint_is_written_by_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(objective="beta", network="patch", latents=3, images=1200, batch=8, threads=1)
    steps: list[int] = []

    def look(model: Any, record: Any) -> bool:
        there = (tmp_path / checkpoint.NAME).exists()
        steps.append(checkpoint.read_header(tmp_path).steps if there else 0)
        return False

    every = config.replaced(checkpoint_every=10**9)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    train(every, synthetic(), tmp_path, progress=False, watch=look)
    assert steps == [0, 50, 100]


def test_a_file_is_on_the_disk_before_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with write_beside(tmp_path / "one") as beside:
        beside.write_text("1")
    assert done == ["file", "name", "folder"]


def test_a_study_and_its_cells_are_of_one_process(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "study"),
        pytest.raises(InputError, match=f"is in use by process {os.getpid()}"),
    ):
        run_cells(tmp_path / "study", [Cell("a", {})], lambda folder, options: {}, progress=False)


def test_a_worker_whose_parent_died_before_it_began_does_nothing(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    cell, share = Cell("a", {}), False
    done = run_cells_module._one(tmp_path, cell, lambda folder, options: {}, share, dead.pid)
    assert done == ("a", None, None)
    assert list(tmp_path.iterdir()) == []
    done = run_cells_module._one(tmp_path, cell, lambda folder, options: {}, share, os.getpid())
    assert done[1] is not None
