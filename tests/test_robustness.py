"""What holds when processes are killed, meet in one folder, or find files of other weights."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
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
from betavae.training import checkpoint
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


@pytest.mark.slow
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
