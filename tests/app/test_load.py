"""The explorer under many clients at once: benchmarks/explorer_load.py, short."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import uvicorn
from benchmarks.explorer_load import Target, load

from betavae.app import connections
from betavae.app.connections import listen
from betavae.app.explorer import open_explorer
from betavae.app.server import create_app
from betavae.app.turns import Busy, Turns

MOST = 24


@pytest.fixture
def target(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    monkeypatch.setattr(connections, "MOST", MOST)
    explorer = open_explorer([small_run])
    listening = listen("127.0.0.1", 0)
    app = create_app(explorer, token="secret")
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", http=connections.Patient
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield Target(listening.getsockname()[1], explorer.runs[0].model.latents, "secret")
    server.should_exit = True
    thread.join(20)
    listening.close()


def test_many_clients_are_answered_or_refused_and_nothing_is_printed(
    target: Target, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    found = asyncio.run(
        load(target, clients=20, rounds=5, dropped=10, slow=5, crowd=3 * MOST, pause=0.1)
    )
    counts = found.counts
    assert len(found.seconds) == 20 * 5 + 1
    assert counts["pictures missing"] == 0
    assert counts["uploads dropped"] == 10
    assert counts["slow ones closed"] == 5
    assert counts["connections refused"] == 2 * MOST
    assert counts["silent ones closed"] == MOST
    assert set(counts) <= {
        "pictures missing", "uploads dropped", "slow ones closed", "connections refused",
        "silent ones closed", "refused politely",
    }  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_what_would_wait_too_long_is_refused() -> None:
    """Pieces take 50 ms each: behind a handful of them the next is refused, none is lost."""
    done: list[int] = []

    async def all_at_once() -> int:
        turns, refused = Turns(patience=0.2), 0

        async def ask(number: int) -> None:
            nonlocal refused
            try:
                await turns.run(lambda: (time.sleep(0.05), done.append(number)))
            except Busy:
                refused += 1

        for _ in range(3):  # it knows by then how long they take
            await ask(-1)
        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(ask, number)
        await ask(40)
        return refused

    refused = anyio.run(all_at_once)
    assert 0 < refused < 40
    assert done[:3] == [-1] * 3
    assert done[3:] == sorted(done[3:])
    assert done[-1] == 40
    assert len(done) + refused == 44


def test_a_busy_server_says_so(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    async def busy(self: Turns, *given: object, **options: object) -> object:
        raise Busy

    monkeypatch.setattr(Turns, "run", busy)
    client = TestClient(create_app(open_explorer([small_run])), base_url="http://127.0.0.1:8600")
    answer = client.post("/api/decode", json={"run": 0, "code": [0, 0, 0, 0]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "busy" in answer.json()["error"]
