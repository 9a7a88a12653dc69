"""Downloading a file over http or https: resumed, checked, never half-written."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from betavae._system.errors import InputError
from betavae._system.progress import progress

PIECE = 1 << 20
MOST = 1 << 35  # bytes: more than any set here; what no length is known for ends there
TIMEOUT = 60.0  # seconds without a byte


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Redirects stay on the web; urllib alone would also follow one to ftp."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        _check_scheme(arguments[-1])
        return super().redirect_request(*arguments)


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"downloads must come over http or https, got {url}")


def fetch(url: str, path: Path, *, sha256: str | None = None, nbytes: int | None = None) -> Path:
    """Download `url` to `path`, going on where an earlier download of the same file stopped.

    The file grows beside as ``.NAME.part`` and is renamed when it is complete and its digest is
    right. Going on needs the server's word that the file is still the same (If-Range); without
    it, and on a server without ranges, the download starts again.

    Args:
        url: http or https, also after redirects.
        path: where to; a file that is there already, with the right digest, is kept.
        sha256: of the content; not checked if None.
        nbytes: length of the content; not checked if None.

    Raises:
        InputError: when the address cannot be reached, the content is not what was expected, or
            the disk is full; an incomplete download is kept to go on with, a wrong one is removed.
    """
    _check_scheme(url)
    part, tag = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.tag")
    try:
        if path.exists() and (sha256 is None or _sha256(path) == sha256):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part, tag, nbytes)
        digest = _sha256(part) if sha256 is not None else None
        if digest != sha256:
            part.unlink()
            raise InputError(f"{url} must have the SHA-256 {sha256}, got {digest}")
        part.replace(path)
        tag.unlink(missing_ok=True)
    except urllib.error.HTTPError as error:
        raise InputError(f"cannot download {url}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise InputError(f"cannot download {url}: {error.reason}") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise InputError(f"{url} stopped: {error or type(error).__name__}; run again") from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def _download(url: str, part: Path, tag: Path, nbytes: int | None) -> None:
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "betavae"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    opener = urllib.request.build_opener(_OnlyHttp)
    try:
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        with suppress(OSError):  # what is there is no beginning of that file: start again
            part.unlink()
        _download(url, part, tag, nbytes)
        return
    with response:
        if response.status != 206:
            have = 0
        left = response.headers.get("Content-Length")
        whole = None if left is None else have + int(left)
        if whole is not None and (whole > MOST or nbytes not in (None, whole)):
            raise InputError(f"{url} must have {nbytes or MOST:,} bytes, got {whole:,}")
        expected = whole if whole is not None else nbytes
        same = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if same and not same.startswith("W/"):
            tag.write_text(same, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        with part.open("ab" if have else "wb") as file:
            name = part.name.strip(".").removesuffix(".part")
            long = f", {expected / 1e6:,.0f} MB" if expected else ""
            done = _copy(response, file, have, expected or MOST, f"downloading {name}{long}")
    if done > (expected or MOST):
        part.unlink()
        raise InputError(f"{url} must have {expected or MOST:,} bytes, got more")
    if expected is not None and done < expected:
        raise InputError(f"{url} stopped after {done:,} of {expected:,} bytes; run again to go on")


def _copy(response: IO[bytes], file: IO[bytes], done: int, most: int, title: str) -> int:
    """Copy what comes, at most one piece more than `most` bytes; return the length reached."""
    with progress(title, most) as advance:
        while done <= most and (piece := response.read(PIECE)):
            file.write(piece)
            done += len(piece)
            advance(done)
    return done


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
