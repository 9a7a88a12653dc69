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
from betavae.data.readers.files import check_plain, reading

MACHINES = ("__MACOSX", "@eaDir")  # folders of previews that macOS and Synology's disks write
LARGEST = 1 << 28  # bytes of one file; a small archive can claim to hold terabytes

Stream = Callable[[frozenset[str]], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Container:
    """A folder or an archive.

    Attributes:
        path: where it is.
        names: its plain files, relative with ``/``, hidden ones left out.
        stream: yields name and content of the files asked for, in the order they are stored.
        marks: of every file, what changes when it does: its length, its time.
        odd: names of pipes, sockets and devices, which are never opened.
    """

    path: Path
    names: tuple[str, ...]
    stream: Stream
    marks: tuple[object, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether files can be opened in place."""
        return self.path.is_dir()

    def shown(self, name: str) -> str:
        """Return what messages call a file."""
        return str(self.path / name) if self.is_folder else f"{self.path}: {name}"

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
    check_plain(path)
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
    return not any((part.startswith(".") and part != ".") or part in MACHINES for part in parts)


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST:
        raise InputError(f"{path}: '{name}' is larger than {LARGEST:,} bytes, got {size:,}")


def _folder(path: Path) -> Container:
    entered: set[tuple[int, int]] = set()
    odd: list[str] = []

    def files(folder: str, prefix: str) -> Iterator[tuple[str, tuple[int, int]]]:
        there = Path(folder).stat()
        if (there.st_dev, there.st_ino) in entered:  # a linked folder is entered once
            return
        entered.add((there.st_dev, there.st_ino))
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name)):
                if entry.name.startswith(".") or entry.name in MACHINES:
                    continue
                if entry.is_dir():
                    yield from files(entry.path, f"{prefix}{entry.name}/")
                elif entry.is_file():
                    found = entry.stat()
                    yield prefix + entry.name, (found.st_size, found.st_mtime_ns)
                elif entry.is_symlink() and not Path(entry.path).exists():
                    yield prefix + entry.name, (-1, -1)  # whoever opens it says that it is gone
                else:
                    odd.append(prefix + entry.name)

    def stream(wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            if name in wanted:
                with reading(path / name):
                    _check_size(path, name, (path / name).stat().st_size)
                    yield name, (path / name).read_bytes()

    with reading(path):
        found = [(name, mark) for name, mark in files(str(path), "") if _shown(name)]
    names = tuple(name for name, _ in found)
    return Container(path, names, stream, tuple(mark for _, mark in found), tuple(odd))


def _marks(path: Path, sizes: Iterable[int]) -> tuple[object, ...]:
    """Return the marks of an archive's members: they change with the archive."""
    stat = path.stat()
    return tuple((stat.st_size, stat.st_mtime_ns, size) for size in sizes)


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

    marks = _marks(path, (member.file_size for member in members))
    return Container(path, tuple(member.filename for member in members), stream, marks)


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

    marks = _marks(path, (member.size for member in members))
    return Container(path, tuple(names.values()), stream, marks)
