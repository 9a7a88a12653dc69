"""Many files in one place, a folder, a zip or a tar: read one by one, never unpacked to disk."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from betavae._system.errors import InputError
from betavae.data.readers.numpy_files import reading

LARGEST = 1 << 28  # bytes of one file; a small archive can claim to hold terabytes

Stream = Callable[[frozenset[str]], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Container:
    """A folder or an archive.

    Attributes:
        path: where it is.
        names: its plain files, relative with ``/``, hidden ones left out.
        stream: yields name and content of the files asked for, in the order they are stored.
    """

    path: Path
    names: tuple[str, ...]
    stream: Stream

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        return next(self.stream(frozenset([name])))[1]

    def ending(self, *suffixes: str) -> list[str]:
        """Return the sorted names that end so, upper or lower case."""
        return sorted(name for name in self.names if name.lower().endswith(suffixes))

    def named(self, name: str) -> str | None:
        """Return the first file of this name, in whatever folder, or None."""
        found = [one for one in self.names if one.rsplit("/", 1)[-1] == name]
        return min(found, default=None)


def open_container(path: Path) -> Container:
    """Open a folder, a .zip, or a .tar (also compressed).

    Raises:
        InputError: when it cannot be read, is damaged, or has members that point outside it or
            are no plain files.
    """
    if path.is_dir():
        return _folder(path)
    with reading(path):
        if zipfile.is_zipfile(path):
            return _zip(path)
        if path.suffix.lower() == ".zip":
            raise zipfile.BadZipFile("no end of the archive is found")
        return _tar(path)


def _check(path: Path, names: Iterable[str]) -> None:
    """Refuse names that point outside: nothing is unpacked, but no honest archive has them."""
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
            raise InputError(f"{path} names a file outside of itself, '{name}': refused")


def _shown(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in parts)


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST:
        raise InputError(f"{path}: '{name}' is larger than {LARGEST:,} bytes, got {size:,}")


def _folder(path: Path) -> Container:
    def files(folder: str, prefix: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    yield from files(entry.path, f"{prefix}{entry.name}/")
                else:
                    yield prefix + entry.name

    def stream(wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            if name in wanted:
                with reading(path / name):
                    _check_size(path, name, (path / name).stat().st_size)
                    yield name, (path / name).read_bytes()

    with reading(path):
        names = tuple(filter(_shown, files(str(path), "")))
    return Container(path, names, stream)


def _zip(path: Path) -> Container:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
    _check(path, (member.filename for member in members))
    members = [member for member in members if _shown(member.filename)]
    # In the order stored, which infolist's need not be.
    members.sort(key=lambda member: member.header_offset)

    def stream(wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        with reading(path), zipfile.ZipFile(path) as archive:
            for member in members:
                if member.filename in wanted:
                    _check_size(path, member.filename, member.file_size)
                    yield member.filename, archive.read(member)

    return Container(path, tuple(member.filename for member in members), stream)


def _tar(path: Path) -> Container:
    with tarfile.open(path) as archive:
        members = [member for member in archive if not member.isdir()]
        plain = isinstance(archive.fileobj, io.BufferedReader)
        if members and plain and archive.fileobj is not None:
            # tarfile takes a tar cut between two members for whole; compression has checksums.
            last = members[-1]
            archive.fileobj.seek(last.offset_data + -(-last.size // 512) * 512)
            if len(archive.fileobj.read(512)) < 512:
                raise EOFError("it is truncated: the mark of its end is missing")
    _check(path, (member.name for member in members))
    members = [member for member in members if _shown(member.name)]
    odd = next((member.name for member in members if not member.isfile()), None)
    if odd is not None:
        raise InputError(f"{path} must hold plain files, got a link or device, '{odd}'")
    names = {member.offset_data: member.name.removeprefix("./") for member in members}

    def stream(wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        # A compressed archive is read as a stream: going back a byte would unpack it all again.
        with reading(path), tarfile.open(path, "r:" if plain else "r|*") as archive:
            for member in archive:
                name = names.get(member.offset_data)
                if name in wanted and name is not None and (file := archive.extractfile(member)):
                    _check_size(path, name, member.size)
                    content = file.read()
                    if len(content) != member.size:
                        raise EOFError(f"it ends within '{name}'")
                    yield name, content

    return Container(path, tuple(names.values()), stream)
