"""What holds when processes are killed, meet in one folder, or find files of other weights."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae._system.interrupts import stop_signals
from betavae._system.locks import LOCK, only_one
from betavae.config import Config
from betavae.data.kept_images import kept_images
from betavae.runs.latent_names import read_names, write_names
from betavae.runs.representation import Representation
from betavae.runs.scores import kept_scores, read_scores, stale_scores
from betavae.runs.traversals import sweep
from betavae.studies import restarts
from betavae.studies import run_cells as run_cells_module
from betavae.studies.cells import Cell
from betavae.studies.run_cells import run_cells
from betavae.training import checkpoint, loop
from betavae.training.fit import train
from betavae.training.records import read_records
from betavae.training.session import Interrupted
from command_line import fails, run_quietly
from small_runs import grid_images, synthetic

OPTIONS = ("--objective", "beta", "--latents", 3, "--batch", 16, "--threads", 1)


@pytest.fixture
def squares(tmp_path: Path) -> str:
    dataset = grid_images()
    images = (dataset.images[:].numpy() * 255).astype(np.uint8)
    factors = dataset.factors(np.arange(len(images)))
    np.savez(tmp_path / "squares.npz", images=images[:, 0], factors=factors)
    return str(tmp_path / "squares.npz")


def test_results_of_earlier_weights_are_not_shown(
    squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    run_quietly("train", squares, *OPTIONS, "--images", 64, "--out", out)
    run_quietly("score", out, "--metrics", "mig")
    run_quietly("encode", out, "--out", out / "codes.npz")
    run_quietly("encode", out)
    write_names(out, {0: "width"}, 3)
    assert len(read_scores(out) or []) == 1
    assert read_names(out) == {0: "width"}
    run_quietly("train", squares, *OPTIONS, "--images", 96, "--out", out, "--resume")
    assert read_scores(out) == []
    assert stale_scores(out) == list(kept_scores(out))
    capsys.readouterr()
    assert read_names(out) == {}
    assert "names the latents of other weights" in capsys.readouterr().err
    assert not (out / "representation.npz").exists()
    with pytest.raises(InputError, match="is of earlier weights of this run; renew it with"):
        Representation.load(out / "codes.npz")
    assert "is of earlier weights" in fails(capsys, "score", "--codes", out / "codes.npz")
    run_quietly("score", out, "--metrics", "irs")
    said = " ".join(capsys.readouterr().out.split())
    assert "scores of other weights were taken out: mig" in said
    assert [score.metric for score in read_scores(out) or []] == ["irs"]


def test_a_second_training_in_a_folder_is_refused(
    squares: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with only_one(out):
        line = fails(capsys, "train", squares, *OPTIONS, "--images", 64, "--out", out)
        assert f"{out} is in use by process {os.getpid()}" in line
        line = fails(
            capsys, "train", squares, *OPTIONS, "--images", 64, "--out", out, "--restarts", 2
        )
        assert "is in use by process" in line
        assert [path.name for path in out.glob("*") if path.name[0] != "."] == []
    assert not out.exists()  # nothing was begun
    run_quietly("train", squares, *OPTIONS, "--images", 64, "--out", out)
    with only_one(out):
        assert (out / LOCK).exists()


def test_handlers_take_no_lock() -> None:
    """A second signal in the middle of the first one's handler does not wait for ever."""
    with stop_signals(second_kills=False) as asked:
        for _ in range(200):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
        assert asked()
    with stop_signals() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert asked()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stopped_training_leaves_no_other_records(tmp_path: Path, number: int) -> None:
    config = Config(objective="beta", network="patch", latents=3, images=800, batch=8, threads=1)
    whole = train(config, synthetic(), tmp_path / "whole", progress=False)

    def ask(model: Any, record: Any) -> bool:
        if record.images == 400:
            timer = threading.Timer(0.01, signal.raise_signal, [number])
            timer.start()
        return False

    with pytest.raises(Interrupted):
        train(config, synthetic(), tmp_path / "stopped", progress=False, watch=ask)
    resumed = train(config, synthetic(), tmp_path / "stopped", resume=True, progress=False)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    images = [
        [record.images for record in read_records(tmp_path / name / "metrics.jsonl")]
        for name in ("whole", "stopped")
    ]
    assert images[0] == images[1]


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


@pytest.mark.parametrize("read", ["checkpoint", "records", "scores", "names", "images"])
def test_a_file_that_cannot_be_read_is_not_called_damaged(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    run = rewritten(small, tmp_path / "run")
    calls: dict[str, tuple[str, Callable[[], Any]]] = {
        "checkpoint": (checkpoint.NAME, lambda: checkpoint.load_model(run)),
        "records": ("metrics.jsonl", lambda: read_records(run / "metrics.jsonl")),
        "scores": ("score.json", lambda: kept_scores(run)),
        "names": ("latent_names.json", lambda: read_names(run)),
        "images": ("images.safetensors", lambda: kept_images(run)),
    }
    name, call = calls[read]
    (run / name).touch()
    real = Path.open

    def refused(self: Path, *given: Any, **options: Any) -> Any:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *given, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"cannot read .*Permission denied") as error:
        call()
    assert "damaged" not in str(error.value)


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


def test_only_a_seed_trained_to_its_end_is_kept(small: Path, tmp_path: Path) -> None:
    half = rewritten(small, tmp_path / "half", lambda said: said.update(steps=1))
    with pytest.raises(InputError, match="is not trained to its end"):
        restarts._keep(half, tmp_path / "best")
    assert not (tmp_path / "best" / checkpoint.NAME).exists()


def test_a_training_that_finds_another_checkpoint_at_its_end_says_so(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoint.save

    def other(folder: Path, header: checkpoint.Header, *given: Any) -> None:
        real(folder, dataclasses.replace(header, steps=1), *given)

    monkeypatch.setattr(checkpoint, "save", other)
    config = checkpoint.read_header(small).config
    with pytest.raises(InputError, match="something else writes to the folder"):
        train(config, synthetic(), tmp_path / "run", progress=False)


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = platform.node()
    old = tmp_path / f".big.npz.{here}.{dead.pid}.part"
    alive = tmp_path / f".other.{here}.{os.getppid()}.part"
    elsewhere = tmp_path / f".other.not-{here}.{dead.pid}.part"  # a shared folder's other machine
    aside = tmp_path / "below" / f".seeds.{here}.{dead.pid}.part"
    for path in (old, alive, elsewhere):
        path.write_bytes(b"half")
    (aside / "seed").mkdir(parents=True)
    umask = os.umask(0o027)
    try:
        with write_beside(tmp_path / "new") as beside:
            beside.unlink()
            descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600)
            os.close(descriptor)
    finally:
        os.umask(umask)
    assert not old.exists()
    assert alive.exists()
    assert elsewhere.exists()
    assert aside.exists()
    with only_one(tmp_path):
        assert not aside.exists()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    config = Config(objective="beta", network="patch", latents=3, images=64, batch=16, threads=1)
    train(config, synthetic(), out, progress=False)
    return out


def rewritten(
    source: Path,
    target: Path,
    fields: Callable[[dict[str, Any]], None] = lambda found: None,
    tensors: Callable[[dict[str, torch.Tensor]], None] = lambda found: None,
) -> Path:
    """Copy a checkpoint, with its header or its tensors changed."""
    with safetensors.safe_open(source / checkpoint.NAME, "pt") as file:
        said = json.loads(file.metadata()["betavae"])
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    fields(said)
    tensors(found)
    target.mkdir(exist_ok=True)
    content = safetensors.torch.save(found, metadata={"betavae": json.dumps(said)})
    (target / checkpoint.NAME).write_bytes(content)
    return target


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", 3), ("config", {"latents": "many"}), ("config", None), ("image_shape", [1, 2]),
        ("image_shape", "abc"), ("image_shape", [1, 1 << 40, 1]), ("steps", "x"), ("steps", -1),
        ("steps", 1 << 80), ("seconds", None), ("dataset_rows", 2.5), ("more", 1),
    ],
)  # fmt: skip
def test_an_edited_header_is_one_line(small: Path, tmp_path: Path, name: str, value: Any) -> None:
    edited = rewritten(small, tmp_path / "run", lambda fields: fields.update({name: value}))
    with pytest.raises(InputError, match=r"checkpoint.safetensors is damaged: ") as error:
        checkpoint.load_model(edited)
    assert len(str(error.value).splitlines()) == 1
    missing = rewritten(small, tmp_path / "run", lambda fields: fields.pop("steps"))
    with pytest.raises(InputError, match=r"steps: Field required"):
        checkpoint.read_header(missing)


def test_weights_that_are_not_finite_are_refused(small: Path, tmp_path: Path) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        next(v for k, v in tensors.items() if k.startswith("model.")).view(-1)[0] = torch.nan

    with pytest.raises(InputError, match="are not finite"):
        checkpoint.load_model(rewritten(small, tmp_path / "run", tensors=spoil))


@pytest.mark.parametrize("lost", ["optimiser.", "optimiser.0.", "optimiser.0.exp_avg", "generator"])
def test_a_checkpoint_without_its_optimiser_does_not_begin_afresh(
    small: Path, tmp_path: Path, lost: str
) -> None:
    def drop(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.startswith(lost)]:
            del tensors[name]

    edited = rewritten(small, tmp_path / "run", tensors=drop)
    longer = checkpoint.read_header(small).config.replaced(images=128)
    with pytest.raises(InputError, match=r"cannot go on with .* its checkpoint lacks"):
        train(longer, synthetic(), edited, resume=True, progress=False)


def test_resuming_keeps_no_file_open(small: Path, tmp_path: Path) -> None:
    edited = rewritten(small, tmp_path / "run")
    held: list[str] = []
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc")

    def look(model: Any, record: Any) -> bool:
        opened = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()]
        maps = Path("/proc/self/maps").read_text().splitlines()
        held.extend(one for one in (*opened, *maps) if checkpoint.NAME in one)
        return False

    config = checkpoint.read_header(small).config
    longer = config.replaced(images=1600, checkpoint_every=800)
    train(longer, synthetic(), edited, resume=True, progress=False, watch=look)
    assert held == []


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A worker whose parent was killed is gone in a moment."""
    worker = (
        "import os, sys, time; from betavae._system.locks import end_with_parent; "
        "end_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', {worker!r}, str(os.getpid())]).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    number = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            break
        state = Path(f"/proc/{number}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        os.kill(number, signal.SIGKILL)
        pytest.fail("the worker outlived its parent")


def test_replacing_seeds_keeps_the_run_until_a_better_one_is_there(
    squares: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, config = (
        tmp_path / "best",
        Config(objective="beta", data=squares, latents=3, images=64, batch=16),
    )
    restarts.train_restarts(config, out, 2, jobs=1, progress=False)
    before = checkpoint.digest_of_run(out)
    longer = config.replaced(images=96)

    def fail(*given: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(restarts, "run_cells", fail)
        with pytest.raises(KeyboardInterrupt):
            restarts.train_restarts(longer, out, 2, jobs=1, progress=False, overwrite=True)
    assert checkpoint.digest_of_run(out) == before
    assert restarts.under_way(out)
    restarts.train_restarts(longer, out, 2, jobs=1, progress=False, overwrite=True)
    assert checkpoint.read_header(out).config.images == 96
    assert not restarts.under_way(out)


@pytest.mark.parametrize(
    "words",
    [("--seed", -1), ("--seed", 1 << 70), ("--pairs", 10**9), ("--pairs", 0), ("--factor-bins", 1)],
)
def test_numbers_out_of_range_are_one_line(
    small: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, int]
) -> None:
    line = fails(capsys, "score", small, *words)
    assert "must be in" in line
    assert len(line) < 300


@pytest.mark.parametrize("steps", [1, 10**9])
def test_steps_have_a_range(steps: int) -> None:
    with pytest.raises(InputError, match="steps must be"):
        sweep(3.0, steps)
