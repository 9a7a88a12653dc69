"""The prepared file: its header, its second preparation, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import originals
import pytest
from safetensors.numpy import load_file

from betavae import data as datasets
from betavae.cli import run
from betavae.data import cache, mpi3d, prepared, sets
from betavae.data.factors import Factors
from betavae.data.prepare import prepare
from betavae.data.recipe import Options, Reading
from betavae.errors import InputError

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    return tmp_path / "original"


def left_behind(own_cache: Path) -> list[str]:
    return [path.name for path in own_cache.rglob("*") if path.is_file()]


# ---------------------------------------------------------------- the file


def test_the_file_is_plain_safetensors_with_everything_in_its_header(folder: Path) -> None:
    original = originals.celeba(folder)
    path = prepare("celeba", original.path)
    tensors = load_file(path)
    assert tensors["images"].shape == (12, 3, 64, 64)
    np.testing.assert_array_equal(tensors["factors"], original.factors)
    header = prepared.read_header(path)
    assert header.factor_names == original.names
    assert header.grid is None
    assert header.source["path"] == str(original.path)
    assert header.source["bytes"] == original.path.stat().st_size
    digest = subprocess.run(["sha256sum", original.path], capture_output=True, text=True).stdout
    assert header.source["sha256"] == digest.split()[0]
    assert header.preprocessing == {
        "size": 64,
        "channels": 3,
        "crop": 148,
        "grid": [],
        "cameras": None,
    }
    data = datasets.load("celeba").images.data
    assert isinstance(data, np.memmap)
    assert not data.flags.writeable
    assert data.offset % 4096 == 0


def test_a_folders_digest_is_that_of_its_sha256sum_listing(folder: Path) -> None:
    originals.mnist(folder)
    header = prepared.read_header(prepare("mnist", folder))
    listing = subprocess.run(
        "sha256sum $(ls | LC_ALL=C sort) | sha256sum",
        shell=True, cwd=folder, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert header.source["sha256"] == listing.split()[0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["grid", "labels", "none"])
def test_written_and_loaded_again(own_cache: Path, packed: bool, kind: str) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (6, 3, 32, 32), dtype=np.uint8)

    def fill(out: np.ndarray) -> str:
        out[...] = np.packbits(bits.reshape(6, -1), axis=1) if packed else bits
        return "a remark of ü"

    labels = np.array([[0, -1], [1, 0], [2, 5], [0, 1], [1, 1], [2, 1]])
    reading = Reading(
        6, (3, 32, 32), fill, packed,
        labels if kind == "labels" else None, ("a", "b") if kind == "labels" else (),
        Factors(("x", "y"), (2, 3)) if kind == "grid" else None,
    )  # fmt: skip
    header = prepared.Header(1, "s", (3, 32, 32), packed, (), None, {}, {})
    path = prepared.path_of("s", 32)
    prepared.write(path, reading, header, lambda: "digest")
    dataset = prepared.load(path, "s")
    np.testing.assert_array_equal(dataset.images[:].numpy() * (1 if packed else 255), bits)
    if kind == "labels":
        np.testing.assert_array_equal(dataset.labels, labels)
        assert dataset.factor_names == ("a", "b")
    else:
        assert dataset.labels is None
        assert dataset.grid == (reading.grid if kind == "grid" else None)
    assert prepared.read_header(path).remark == "a remark of ü"
    assert set(load_file(path)) == {"images", "factors"} if kind == "labels" else {"images"}


# ---------------------------------------------------------------- preparing again


def test_a_second_preparation_reads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = originals.chairs(folder)
    first = prepare("chairs", original.path)
    before = first.stat().st_mtime_ns
    recipe = sets.SETS["chairs"]
    read_again = type(recipe)(**{**recipe.__dict__, "read": lambda *a: pytest.fail("read again")})
    monkeypatch.setitem(sets.SETS, "chairs", read_again)
    assert prepare("chairs", original.path) == first
    assert first.stat().st_mtime_ns == before


def test_other_options_or_other_files_replace_it_and_sizes_stand_beside(folder: Path) -> None:
    original = originals.celeba(folder)
    path = prepare("celeba", original.path)
    assert prepare("celeba", original.path, Options(colour=False)) == path
    assert datasets.load("celeba").images.image_shape == (1, 64, 64)
    other = prepare("celeba", original.path, Options(size=32))
    assert other != path
    assert datasets.load("celeba", size=32).images.image_shape == (3, 32, 32)
    assert datasets.load("celeba").images.image_shape == (1, 64, 64)  # the set's own size
    members, _, _ = originals.celeba_members(6)
    originals.write_zip(original.path, members)
    prepare("celeba", original.path)
    assert len(datasets.load("celeba").images) == 6


def test_what_is_not_prepared_says_how(folder: Path) -> None:
    with pytest.raises(InputError) as error:
        datasets.load("mnist")
    assert str(error.value).startswith(
        "mnist is not prepared yet; do: betavae data prepare mnist --from PATH, where PATH is"
    )
    prepare("mnist", originals.mnist(folder).path)
    with pytest.raises(InputError, match=r"with size 64 yet \(there is size 32\); do: .*--size 64"):
        datasets.load("mnist", size=64)
    assert datasets.load("mnist").images.image_shape == (1, 32, 32)


def test_a_set_wins_over_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    for k in range(2):
        content = originals.file_content(originals.noise(k, 32, 32))
        (tmp_path / "faces" / f"{k}.png").write_bytes(content)
    with pytest.raises(InputError, match="faces is not prepared yet"):
        datasets.load("faces")
    assert len(datasets.load("./faces").images) == 2


# ---------------------------------------------------------------- damage and accidents


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

    monkeypatch.setattr(prepared, "reserve", full)
    with pytest.raises(InputError, match=r"No space left on device; BETAVAE_CACHE=FOLDER moves"):
        prepare("mnist", originals.mnist(folder).path)
    assert left_behind(own_cache) == []


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


# ---------------------------------------------------------------- the command line


NAMES = {
    "dsprites": originals.dsprites_npz,
    "chairs": originals.chairs,
    "celeba": originals.celeba,
    "shapes3d": originals.shapes3d,
    "cars3d": originals.cars3d,
    "smallnorb": originals.smallnorb,
    "mpi3d-toy": originals.mpi3d,
    "mnist": originals.mnist,
    "fashionmnist": originals.mnist,
}


@pytest.mark.parametrize("name", [*NAMES, "faces"])
def test_every_set_prepares_and_trains_by_its_name(
    name: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(mpi3d, "GRIDS", (originals.MPI3D_GRID,))
    extra = []
    if name == "faces":
        path = originals.morphable_model(folder)
        extra = ["--identities", "3", "--azimuths", "2", "--elevations", "2", "--lights", "2"]
    else:
        path = NAMES[name](folder).path
    run(["data", "prepare", name, "--from", str(path), "--size", "32", *extra])
    said = capsys.readouterr().out
    assert f"; next: betavae train {name}" in said
    run(["data", "list"])
    assert "(prepared, size 32)" in capsys.readouterr().out
    run(["data", "info", name])
    said = capsys.readouterr().out
    for part in ("where: http", "licence: ", f"prepared from {path}", f"\n{name}: "):
        assert part in said
    out = tmp_path / "run"
    run(["train", name, "--images", "32", "--batch", "8", "--latents", "2", "--out", str(out)])
    assert "saved in" in capsys.readouterr().out
    run(["encode", str(out)])
    with np.load(out / "representation.npz", allow_pickle=False) as codes:
        assert codes["mean"].shape == (len(datasets.load(name).images), 2)


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run([str(argument) for argument in arguments])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_wrong_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = originals.mnist(folder).path
    for arguments, message in (
        (("prepare", "mnst", "--from", path), "did you mean 'mnist'?"),
        (("prepare", "mnist", "--from", path, "--download"), "give --from or --download, not"),
        (("prepare", "mnist", "--grey"), "these options need --from PATH"),
        (("prepare", "mnist"), "mnist is not prepared yet"),
        (("prepare", "celeba", "--download"), "celeba has no stable public address"),
        (("prepare", "shapes2d", "--download"), "data set must be one of dsprites, chairs"),
        (("prepare", "mnist", "--from", path, "--crop", "9"), "crop is no option of mnist, only"),
        (("prepare", "chairs", "--from", path, "--lights", "2"), "lights is no option of chairs"),
        (("prepare", "chairs", "--from", path, "--cameras", "both"), "cameras is no option of"),
        (("prepare", "mpi3d-complex", "--download"), "through Google Drive only; get it from"),
    ):
        assert message in fails(capsys, "data", *arguments)
    assert not cache.cache_folder().exists()


def test_every_recipe_says_what_it_must(capsys: pytest.CaptureFixture[str]) -> None:
    for name, recipe in sets.SETS.items():
        run(["data", "info", name])
        said = capsys.readouterr().out
        assert recipe.site.startswith("http")
        assert "not prepared yet" in said
        for remote in recipe.remotes:
            assert remote.url.startswith("http")
            assert remote.sha256 is None or len(remote.sha256) == 64
