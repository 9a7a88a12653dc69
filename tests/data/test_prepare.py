"""The prepared file: its header, its second preparation, and everything that can go wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import originals
import pytest
from safetensors.numpy import load_file
from written import file_content, noise, write_zip

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.cli import run
from betavae.data import cache, prepared, sets
from betavae.data.factors import Factors
from betavae.data.prepare import prepare
from betavae.data.readers import arrays
from betavae.data.recipe import Options, Reading
from betavae.data.sets import mpi3d
from command_line import fails

pytestmark = pytest.mark.usefixtures("own_cache")


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
    write_zip(original.path, members)
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
        content = file_content(noise(k, 32, 32))
        (tmp_path / "faces" / f"{k}.png").write_bytes(content)
    with pytest.raises(InputError, match="faces is not prepared yet"):
        datasets.load("faces")
    assert len(datasets.load("./faces").images) == 2


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


@pytest.mark.slow
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


def test_pages_let_go_keep_what_was_written(tmp_path: Path) -> None:
    data = np.memmap(tmp_path / "data", np.uint8, "w+", shape=(1 << 20,), offset=4096)
    for first in range(0, len(data), 10_000):
        data[first : first + 10_000] = first % 251
        cache.let_go(data)
    data.flush()
    expected = np.arange(len(data)) // 10_000 * 10_000 % 251
    np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "data", np.uint8, offset=4096), expected)
    cache.let_go(np.zeros(3, np.uint8))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_a_set_is_written_in_little_memory(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpi3d, "GRIDS", (Factors(mpi3d.NAMES, (1, 1, 1, 1, 1, 160, 100)),))
    path = folder / "mpi3d_toy.npz"
    np.savez(path, images=np.broadcast_to(noise(0, 1, 64, 64, 3), (16_000, 64, 64, 3)))
    held: list[int] = []

    def written_pages(out: np.ndarray) -> None:
        let_go(out)
        lines = Path("/proc/self/smaps").read_text().split("\n")
        start = next(k for k, line in enumerate(lines) if "mpi3d-toy-64" in line)
        held.append(next(int(line.split()[1]) for line in lines[start:] if "Rss:" in line))

    let_go = cache.let_go
    monkeypatch.setattr(arrays, "let_go", written_pages)
    prepare("mpi3d-toy", path)
    assert max(held) < 60_000  # kB, of 192,000 in the file
