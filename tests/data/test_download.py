"""Downloads, from a server in this process: whole, resumed, redirected, cut off, and wrong."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import originals
import pytest

from betavae import data as datasets
from betavae._system.errors import InputError
from betavae.cli import run
from betavae.data import download, sets
from betavae.data.download import fetch
from betavae.data.recipe import Remote

CONTENT = np.random.default_rng(0).bytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What the handler does, and what it was asked."""

    def __init__(self) -> None:
        self.files = {"/file.bin": CONTENT}
        self.stop_after: int | None = None
        self.ranges = True
        self.tag: str | None = '"one"'
        self.say_length = True
        self.asked: list[dict[str, str]] = []
        self.moved: dict[str, str] = {}


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.asked.append(dict(self.headers.items()))
            if self.path in state.moved:
                self.send_response(302)
                self.send_header("Location", state.moved[self.path])
                self.end_headers()
                return
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = 0
            asked = self.headers.get("Range", "")
            same = self.headers.get("If-Range") == state.tag
            if state.ranges and asked and same:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
            else:
                self.send_response(200)
            if state.say_length:
                self.send_header("Content-Length", str(len(content) - start))
            if state.tag:
                self.send_header("ETag", state.tag)
            self.end_headers()
            end = len(content) if state.stop_after is None else start + state.stop_after
            self.wfile.write(content[start:end])

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield state, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_is_not_fetched_twice(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    state, address = server
    path = tmp_path / "sub" / "file.bin"
    for _ in range(2):
        assert fetch(f"{address}/file.bin", path, sha256=DIGEST, nbytes=len(CONTENT)) == path
        assert path.read_bytes() == CONTENT
    assert len(state.asked) == 1
    assert names(path.parent) == ["file.bin"]
    path.write_bytes(b"damaged")
    fetch(f"{address}/file.bin", path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["none", "new tag", "no ranges", "no tag", "same length"])
def test_a_download_that_was_cut_off_goes_on_or_starts_again(
    server: tuple[Server, str], tmp_path: Path, change: str
) -> None:
    state, address = server
    path = tmp_path / "file.bin"
    state.tag = None if change == "no tag" else '"one"'
    state.stop_after = 100_000
    with pytest.raises(InputError, match="stopped"):
        fetch(f"{address}/file.bin", path, sha256=DIGEST)
    assert not path.exists()
    assert (tmp_path / ".file.bin.part").stat().st_size == 100_000
    state.stop_after = None
    if change == "new tag":
        state.tag = '"two"'
    state.ranges = change != "no ranges"
    if change == "same length":  # a part as long as the file: the server answers 416
        (tmp_path / ".file.bin.part").write_bytes(b"x" * len(CONTENT))
    fetch(f"{address}/file.bin", path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]
    asked = state.asked[1]
    assert asked.get("Range") == {"no tag": None, "same length": f"bytes={len(CONTENT)}-"}.get(
        change, "bytes=100000-"
    )


def test_wrong_content_is_one_line_and_is_removed(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    state, address = server
    path = tmp_path / "file.bin"
    url = f"{address}/file.bin"
    for options, message in (
        ({"sha256": "0" * 64}, f"must have the SHA-256 {'0' * 64}, got {DIGEST}"),
        ({"nbytes": 5}, "must have 5 bytes, got 300,000"),
        ({"nbytes": 300_001}, "must have 300,001 bytes, got 300,000"),
    ):
        with pytest.raises(InputError) as error:
            fetch(url, path, **options)
        assert message in str(error.value)
        assert names(tmp_path) in ([], [".file.bin.tag"])
    state.say_length = False
    with pytest.raises(InputError, match="must have 5 bytes, got more"):
        fetch(url, path, nbytes=5)
    assert not path.exists()
    with pytest.raises(InputError, match="stopped after 300,000 of 300,001 bytes; run again"):
        fetch(url, path, nbytes=300_001)
    assert not path.exists()


def test_more_than_any_set_is_refused(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, address = server
    monkeypatch.setattr(download, "MOST", 1000)
    for state.say_length in (True, False):
        with pytest.raises(InputError, match="must have 1,000 bytes, got"):
            fetch(f"{address}/file.bin", tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / ".file.bin.part").exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "x"])
def test_only_the_web(server: tuple[Server, str], tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="must come over http or https"):
        fetch(url, tmp_path / "x")
    state, address = server
    if ":" in url:
        state.moved["/moved"] = url
        with pytest.raises(InputError, match=r"must come over http or https|cannot download"):
            fetch(f"{address}/moved", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_redirects_on_the_web_are_followed(server: tuple[Server, str], tmp_path: Path) -> None:
    state, address = server
    state.moved["/moved"] = f"{address}/file.bin"
    assert fetch(f"{address}/moved", tmp_path / "x").read_bytes() == CONTENT


def test_addresses_that_do_not_answer_are_one_line(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    _, address = server
    with pytest.raises(InputError, match=r"cannot download .*/none: 404 Not Found"):
        fetch(f"{address}/none", tmp_path / "x")
    with pytest.raises(InputError, match=r"cannot download .*Connection refused"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write"):
        fetch(f"{address}/file.bin", tmp_path / "file" / "x")


def test_prepare_downloads_from_the_recipes_addresses(
    server: tuple[Server, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state, address = server
    monkeypatch.setenv("BETAVAE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mnist").mkdir()
    original = originals.mnist(tmp_path / "mnist")
    remotes = []
    for file in sorted(original.path.iterdir()):
        content = file.read_bytes()
        state.files[f"/{file.name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        remotes.append(Remote(f"{address}/{file.name}", len(content), digest))
    recipe = sets.SETS["mnist"]
    here = type(recipe)(**{**recipe.__dict__, "remotes": tuple(remotes)})
    monkeypatch.setitem(sets.SETS, "mnist", here)
    for _ in range(2):
        run(["data", "prepare", "mnist", "--download"])
    np.testing.assert_array_equal(datasets.load("mnist").images.data, original.images)
    assert len(state.asked) == 4
