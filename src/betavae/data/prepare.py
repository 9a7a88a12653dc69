"""Preparing a named data set once, from the files that users download, and loading it after."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from stat import S_ISREG

from betavae._system.errors import InputError
from betavae.data import prepared
from betavae.data.dataset import Dataset
from betavae.data.download import fetch
from betavae.data.load_options import LARGEST, SMALLEST
from betavae.data.readers.files import check_plain
from betavae.data.recipe import Chosen, Options, Recipe
from betavae.data.sets import SETS, recipe_of

HASH_PIECE = 1 << 20  # bytes read at a time


def prepare(name: str, source: Path, options: Options | None = None) -> Path:
    """Read a data set into the cache, unless the same files were read with the same options.

    Args:
        name: one of `betavae.data.sets.SETS`.
        source: what was downloaded; `betavae data info NAME` says what that is.
        options: how to prepare; the set's own choices if None.

    Returns:
        The prepared file. One is kept for each set and size: other options replace it.

    Raises:
        InputError: when the source is missing, damaged or not what it should be, an option means
            nothing to this set, or the cache cannot be written; nothing is left half-written.
    """
    recipe = recipe_of(name)
    chosen = choose(name, recipe, options or Options())
    path = prepared.path_of(name, chosen.size)
    files = _files(source)
    fingerprint = _fingerprint(files)
    preprocessing = asdict(chosen) | {"grid": list(chosen.grid)}
    if path.exists():
        try:
            there = prepared.read_header(path)
        except InputError:  # damaged, or of another version: it is made again
            there = None
        if there is not None and (there.source["fingerprint"], there.preprocessing) == (
            fingerprint,
            preprocessing,
        ):
            return path
    reading = recipe.read(source, chosen)
    described = {
        "path": str(source.resolve()),
        "bytes": sum(size for _, _, size, _ in files),
        "fingerprint": fingerprint,
    }
    header = prepared.Header(
        prepared.VERSION, name, reading.shape, reading.packed, (), None, described, preprocessing
    )
    stop: list[bool] = []
    with ThreadPoolExecutor(1) as beside:  # the digest is computed while the images are read
        digest = beside.submit(_digest, source, files, stop)
        try:
            prepared.write(
                path, reading, header, lambda: _unchanged(digest.result(), source, files)
            )
        finally:
            stop.append(True)
    return path


def download(name: str, folder: Path) -> Path:
    """Download a set's files into `folder`, which is then what `prepare` reads.

    Args:
        name: of the set.
        folder: where to; files that are there and complete are not downloaded again.

    Raises:
        InputError: when the set has no stable public address, or the download fails.
    """
    recipe = recipe_of(name)
    if not recipe.remotes:
        raise InputError(
            f"{name} has no stable public address: {recipe.no_remote}; get it from {recipe.site}, "
            f"then: betavae data prepare {name} --from PATH"
        )
    for remote in recipe.remotes:
        fetch(remote.url, folder / remote.name, sha256=remote.sha256, nbytes=remote.nbytes)
    return folder


def load(name: str, size: int | None = None) -> Dataset:
    """Open a prepared set.

    Args:
        name: of the set.
        size: side of its images; the only one prepared, or the set's own, if None.

    Raises:
        InputError: when it is not prepared yet: the message says how.
    """
    recipe = recipe_of(name)
    there = prepared.find(name)
    wanted = size
    if wanted is None:
        wanted = next(iter(there)) if len(there) == 1 else recipe.size
    if wanted not in there:
        here = f" (there is size {', '.join(map(str, there))})" if there else ""
        sized = "" if size is None else f" --size {size}"
        raise InputError(
            f"{name} is not prepared{sized.replace(' --', ' with ')} yet{here}; do: "
            f"betavae data prepare {name} --from PATH{sized}, where PATH is {recipe.source}; "
            f"it comes from {recipe.site}"
        )
    return prepared.load(there[wanted], name)


def choose(name: str, recipe: Recipe, options: Options) -> Chosen:
    """Make every choice that `options` leave to the set.

    Raises:
        InputError: for a bad value, or an option that means nothing to this set.

    >>> choose("mnist", recipe_of("mnist"), Options(colour=True))
    Chosen(size=32, channels=3, crop=None, grid=(), cameras=None)
    """
    for field in fields(options):
        given = getattr(options, field.name)
        if given is not None and field.name != "size" and field.name not in recipe.takes:
            those = ", ".join(key for key in SETS if field.name in SETS[key].takes)
            raise InputError(f"{field.name} is no option of {name}, only of {those}")
        if isinstance(given, int) and given < 1 and field.name not in ("colour", "size"):
            raise InputError(f"{field.name} must be >= 1, got {given}")
    size = options.size or recipe.size
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"size must be in {SMALLEST}..{LARGEST}, got {size}")
    channels = recipe.channels if options.colour is None else 3 if options.colour else 1
    crop = recipe.crop if options.crop is None else options.crop
    asked = (options.identities, options.azimuths, options.elevations, options.lights)
    grid = tuple(own if one is None else one for own, one in zip(recipe.grid, asked, strict=False))
    return Chosen(size, channels, crop, grid, options.cameras or recipe.cameras)


File = tuple[str, Path, int, int]  # relative name, path, bytes, time of the last change in ns


def _files(source: Path) -> list[File]:
    """Return the files of a source, sorted by name.

    Raises:
        InputError: when it is not there or cannot be read.
    """
    try:
        if not source.is_dir():
            check_plain(source)
            stat = source.stat()
            with source.open("rb"):
                return [(source.name, source, stat.st_size, stat.st_mtime_ns)]
        found = []
        for folder, _, names in os.walk(source, onerror=_raise):
            for name in names:
                path = Path(folder) / name
                stat = path.stat()
                if not S_ISREG(stat.st_mode):  # a pipe or a device is never opened
                    continue
                relative = path.relative_to(source).as_posix()
                found.append((relative, path, stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _fingerprint(files: list[File]) -> str:
    key = repr([(name, size, changed) for name, _, size, changed in files])
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _digest(source: Path, files: list[File], stop: list[bool]) -> str:
    """Return a file's SHA-256; a folder's is that of a ``sha256sum`` listing of its files."""
    listing = hashlib.sha256()
    digest = ""
    for name, path, _, _ in files:
        one = hashlib.sha256()
        with path.open("rb") as file:
            while (piece := file.read(HASH_PIECE)) and not stop:
                one.update(piece)
        digest = one.hexdigest()
        listing.update(f"{digest}  {name}\n".encode("utf-8", "surrogateescape"))
    return listing.hexdigest() if source.is_dir() else digest


def _unchanged(digest: str, source: Path, files: list[File]) -> str:
    if _files(source) != files:
        raise InputError(f"{source} changed while it was read; prepare it again")
    return digest
