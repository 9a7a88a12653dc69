"""Who is answered by the explorer, and for how long it listens to those who say nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from betavae.app import connections
from betavae.app.connections import listen
from betavae.app.explorer import Explorer
from betavae.app.guard import refused
from betavae.app.server import create_app
from betavae.runs.latent_names import read_names


def test_only_who_has_the_token_reads_or_renames(explorer: Explorer, small_run: Path) -> None:
    app = create_app(explorer, token="secret")
    other = TestClient(app, base_url="http://127.0.0.1:8600")
    for path in ("/", "/api/session", "/?token=wrong", "/?token="):
        assert other.get(path).status_code == 403
    names = {"run": 0, "names": {"0": "theirs"}}
    assert other.put("/api/names", json=names).status_code == 403
    assert read_names(small_run) == {}
    assert "with its token" in other.get("/").json()["error"]
    page = TestClient(app, base_url="http://127.0.0.1:8600")
    first = page.get("/?token=secret")
    assert first.status_code == 200
    cookie = first.headers["set-cookie"]
    assert cookie == "betavae-8600=secret; Path=/; HttpOnly; SameSite=Strict"
    assert page.get("/api/session").status_code == 200
    assert other.get("/", headers={"Cookie": b"betavae-8600=wr\xf6ng"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "bound", "answered"),
    [
        ("127.0.0.1:8600", "127.0.0.1", True),
        ("localhost:8600", "127.0.0.1", True),
        ("[::1]:8600", "127.0.0.1", True),
        ("10.0.0.1:8600", "127.0.0.1", False),
        ("10.0.0.1:8600", "0.0.0.0", True),
        ("10.0.0.1:8600", "10.0.0.1", True),
        ("localhost:8600", "10.0.0.1", False),
        ("evil.example", "0.0.0.0", False),
        ("my.machine:8600", "my.machine", True),
    ],
)
def test_a_server_answers_under_its_own_host_only(host: str, bound: str, answered: bool) -> None:
    assert (refused(host, None, bound) == "") is answered


def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)

    async def answer(request: object) -> PlainTextResponse:
        return PlainTextResponse("here")

    app = Starlette(routes=[Route("/", answer)])
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="error", lifespan="off", http=connections.Patient)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        place = listening.getsockname()
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            with socket.create_connection(place, timeout=20) as slow:
                slow.sendall(sent)
                assert slow.recv(100) == b""
        with socket.create_connection(place, timeout=20) as quick:
            quick.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert quick.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
