"""One training in several processes: real ones, started with torchrun, on the CPU."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from rank import TRAINED, trained_config
from test_loop import squares, weights

import betavae.training.loop as loop
from betavae._system.errors import InputError
from betavae.cli import run
from betavae.config import Config
from betavae.data import load
from betavae.objectives.ranks import Ranks
from betavae.training import checkpoint, distributed
from betavae.training.fit import train
from betavae.training.records import read_records
from betavae.training.session import resume_line

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assert_same_run(one: Path, two: Path) -> None:
    """The same noise, records and weights, to the rounding of sums in another order."""
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    assert torch.equal(a["generator"], b["generator"])
    for name in (name for name in a if name.startswith("model.")):
        # Adam takes whole steps where a gradient is rounding alone: single weights may differ.
        assert (a[name] - b[name]).norm() <= 1e-3 * a[name].norm(), name
    clocks = {"seconds", "images_per_second"}
    for first, second in zip(*(read_records(p / "metrics.jsonl") for p in (one, two)), strict=True):
        for key, value in vars(first).items():
            if key == "terms":
                assert second.terms == pytest.approx(value, rel=1e-2, abs=1e-3)
            elif key not in clocks and value is not None:
                assert vars(second)[key] == pytest.approx(value, rel=1e-4, abs=1e-4), key


@pytest.mark.slow
def test_two_nodes_train_as_one_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two agents that find each other by torchrun's rendezvous, a rank each; see rank.py."""
    line = [
        *TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-id", "test",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}",
        "--local-addr", "127.0.0.1", str(HERE / "rank.py"), str(tmp_path / "two"),
    ]  # fmt: skip
    nodes = [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [node.communicate(timeout=300)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(errors)
    monkeypatch.setattr(loop, "RECORD_STEPS", 5)
    for number, objective in enumerate(TRAINED):
        one, two = tmp_path / f"one-{number}", tmp_path / "two" / str(number)
        train(trained_config(objective), squares(), one, progress=False)
        assert_same_run(one, two)
    assert (tmp_path / "two" / "ended-1").exists()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "squares.npy"
    np.save(path, (squares().images[:].numpy()[:, 0] * 255).astype(np.uint8))
    return path


def start(*arguments: object) -> subprocess.Popen[str]:
    line = [*TORCHRUN, "--standalone", "--nproc-per-node", "2", "-m", "betavae", "train"]
    return subprocess.Popen(
        [*line, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(there: Path, process: subprocess.Popen[str]) -> None:
    while not there.exists() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()


def rank_of(agent: subprocess.Popen[str], rank: int) -> int:
    """The process id of a rank that an agent of torchrun has started."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    for child in children:
        if f"\0RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise LookupError(f"no rank {rank} among {children}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the ranks in /proc")
def test_a_killed_rank_ends_the_job_and_other_numbers_of_ranks_go_on(
    images: Path, tmp_path: Path
) -> None:
    """kill -9 of a rank, then two ranks again, stopped with SIGTERM, then one process."""
    line = [images, "--images", 8_000, "--batch", 16, "--checkpoint-every", 800, "--latents", 3]
    out = tmp_path / "cut"
    job = start(*line, "--out", out)
    until(out / checkpoint.NAME, job)
    os.kill(rank_of(job, 1), signal.SIGKILL)
    _, errors = job.communicate(timeout=120)
    assert job.returncode != 0
    assert "Signal 9 (SIGKILL)" in errors  # torchrun's report
    assert "betavae: lost the other processes of this training" in errors
    assert f"go on from the last checkpoint with: {resume(2, out)}" in errors
    assert "rank0]: Traceback" not in errors
    killed = checkpoint.read_header(out).steps

    job = start(*line, "--resume", "--out", out)
    first = (out / checkpoint.NAME).stat().st_mtime_ns
    while (out / checkpoint.NAME).stat().st_mtime_ns == first and job.poll() is None:
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate(timeout=120)
    stopped = checkpoint.read_header(out).steps
    assert killed < stopped < 500
    said = f"betavae: stopped at {16 * stopped:,} of 8,000 images, saved in {out}; "
    assert errors.count("betavae: stopped at") == errors.count(said + "go on with: torchrun") == 1

    config = checkpoint.read_header(out).config
    train(config, load(str(images)), out, resume=True, progress=False)
    train(config, load(str(images)), tmp_path / "whole", progress=False)
    seen = [record.images for record in read_records(out / "metrics.jsonl")]
    assert seen == sorted(set(seen))
    one, two = (read_records(path / "metrics.jsonl")[-1] for path in (out, tmp_path / "whole"))
    assert one.images == two.images == 8_000
    assert one.distortion == pytest.approx(two.distortion, rel=0.05)


def resume(processes: int, out: Path) -> str:
    return f"torchrun --nproc-per-node {processes} -m betavae train --resume --out {out}"


def as_rank(
    monkeypatch: pytest.MonkeyPatch, rank: int, count: int, local: int | None = None
) -> None:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(count))
    monkeypatch.setenv("LOCAL_RANK", str(rank if local is None else local))


def test_what_torchrun_says_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.ranks_here() == Ranks(0, 1)
    as_rank(monkeypatch, 3, 4)
    assert distributed.ranks_here() == Ranks(3, 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert resume_line(Path("runs/a")) == resume(2, Path("runs/a"))
    for rank in ("", "4", "one"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(InputError, match=f"needs RANK below it, got '{rank}'"):
            distributed.ranks_here()


def test_what_ranks_cannot_share_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    as_rank(monkeypatch, 0, 3)
    with pytest.raises(InputError, match=r"batch must be a multiple of the 3 processes .*, got 32"):
        train(Config(batch=32), squares(), tmp_path / "run", progress=False)
    with pytest.raises(InputError, match="on CUDA devices or on the CPU, got device mps"):
        train(Config(batch=30, device="mps"), squares(), tmp_path / "run", progress=False)
    for method in ("infogan", "dcign", "pca", "ica"):
        with pytest.raises(InputError, match=f"method {method} trains in one process, .* 3: start"):
            train(Config(method=method), squares(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_each_rank_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    as_rank(monkeypatch, 5, 6, local=1)
    assert distributed.device_of(Ranks(5, 6), "auto") == torch.device("cuda", 1)
    assert taken == [1]
    assert distributed.device_of(Ranks(5, 6), "cpu") == torch.device("cpu")
    as_rank(monkeypatch, 2, 6)
    with pytest.raises(distributed.RankFailed, match=r"no GPU is left for rank 2: .* 2; start 2"):
        distributed.device_of(Ranks(2, 6), "auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert distributed.device_of(Ranks(0, 6), "auto") == torch.device("cpu")


def test_parts_and_their_gradients_make_the_whole() -> None:
    """`part` after `gather`, as FactorVAE uses them, gives a rank its own gradient once."""
    whole = torch.arange(12.0).view(6, 2).requires_grad_()
    parts = [Ranks(rank, 3).part(whole) for rank in range(3)]
    torch.testing.assert_close(torch.cat(parts), whole.detach())
    torch.stack([part.sum() for part in parts]).sum().backward()
    assert torch.equal(whole.grad, torch.full((6, 2), 1 / 3))
    alone = Ranks()
    assert alone.part(whole) is alone.gather(whole) is alone.average(whole) is whole


def test_ranks_that_were_started_differently_say_in_what() -> None:
    class Two(Ranks):
        """Stands for two ranks of which the other one told `theirs`."""

        def gather(self, part: torch.Tensor) -> torch.Tensor:
            told.append(part)
            return torch.cat((part, theirs if theirs is not None else part))

    told: list[torch.Tensor] = []
    theirs: torch.Tensor | None = None
    config = Config()
    distributed._check_alike(Two(0, 2), config, 96, 5)
    for change, message in (
        ((config.replaced(seed=1), 96, 5), "rank 1 has other settings: start all nodes with the"),
        ((config, 95, 5), "rank 1 has other data: every node needs the same images"),
        ((config, 96, 0), "rank 1 has other checkpoints: --out must be one folder that all nodes"),
    ):
        theirs = None
        distributed._check_alike(Two(0, 2), *change)
        theirs = told[-1]
        with pytest.raises(InputError, match=message):
            distributed._check_alike(Two(0, 2), config, 96, 5)


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run the command line, which must refuse; return what it says on stderr."""
    with pytest.raises(SystemExit) as stop:
        run([str(word) for word in words])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_what_all_ranks_refuse_is_said_once_and_what_one_does_by_that_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], images: Path
) -> None:
    bad = ["train", images, "--batch", 5, "--out", images.parent / "run"]
    as_rank(monkeypatch, 0, 2)
    assert printed(capsys, *bad) == (
        "betavae: batch must be a multiple of the 2 processes that share it, got 5\n"
    )
    assert printed(capsys, "score", "runs/a") == (
        "betavae: torchrun started 2 processes, which only `betavae train` shares; run "
        "`betavae score` without torchrun\n"
    )
    as_rank(monkeypatch, 1, 2)
    assert printed(capsys, *bad) == printed(capsys, "train", "--bta", 4) == ""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    line = printed(capsys, "train", images, "--out", images.parent / "run")
    assert line.startswith("betavae: rank 1: no GPU is left for rank 1: this machine has 1; ")
