"""Many clients at the explorer at once: sliders, dropped uploads, slow and silent connections.

    python benchmarks/torture.py explorer --clients 200 --rounds 20

A run is trained for a moment and served by `betavae explore`. Every client moves a slider, asks
for the next picture once it has one, and waits a second where it is refused. Then uploads are
dropped in their middle, heads of requests come a byte at a time, and more connections are opened
than are held. Bounded in number and time; everything stays on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LONGEST = 60.0  # seconds that an answer, or the end of a connection, is waited for


@dataclass
class Found:
    """What the clients saw.

    Attributes:
        seconds: of each picture that came.
        counts: refusals and connections by what became of them.
    """

    seconds: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def at(self, share: float) -> float:
        """Return the seconds within which a share of the pictures came."""
        return float(np.quantile(self.seconds, share)) if self.seconds else math.nan


@dataclass(frozen=True)
class Target:
    """A server of the explorer.

    Attributes:
        port: on loopback.
        latents: of its run.
        token: the secret of its address; empty where it has none.
    """

    port: int
    latents: int
    token: str = ""

    def request(self, method: str, path: str, body: bytes = b"", length: int = -1) -> bytes:
        """Return a request's bytes; `length` is what it says of its body, where that is untrue."""
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Content-Length: {len(body) if length < 0 else length}",
        ]
        if self.token:
            head.append(f"Cookie: betavae-{self.port}={self.token}")
        return "\r\n".join([*head, "", ""]).encode() + body


async def load(
    target: Target,
    *,
    clients: int = 200,
    rounds: int = 20,
    dropped: int = 50,
    slow: int = 20,
    crowd: int = 300,
    pause: float = 1.0,
) -> Found:
    """Put a load on a server; return what was seen.

    Args:
        target: the server.
        clients: that move a slider at once.
        rounds: pictures that each asks for.
        dropped: uploads that end in their middle.
        slow: connections whose request comes a byte at a time.
        crowd: connections that say nothing, opened at once.
        pause: seconds between the bytes of a slow one, and before asking again when refused.
    """
    found = Found()
    await asyncio.gather(*(_slider(target, rounds, pause, found) for _ in range(clients)))
    await asyncio.gather(*(_drop(target, k % 2 == 0, found) for k in range(dropped)))
    await asyncio.gather(*(_creep(target, pause, found) for _ in range(slow)))
    await asyncio.gather(*(_stay(target, found) for _ in range(crowd)))
    await _slider(target, 1, pause, found)  # it still answers
    return found


async def _slider(target: Target, rounds: int, pause: float, found: Found) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    rng = random.Random(id(writer))
    done = 0
    until = time.monotonic() + LONGEST
    while done < rounds and time.monotonic() < until:
        code = [rng.gauss(0, 1) for _ in range(target.latents)]
        body = json.dumps({"run": 0, "code": code}).encode()
        began = time.perf_counter()
        writer.write(target.request("POST", "/api/decode", body))
        status, _ = await asyncio.wait_for(_answer(reader), LONGEST)
        if status == 200:
            found.seconds.append(time.perf_counter() - began)
            done += 1
        elif status == 503:
            found.counts["refused politely"] += 1
            await asyncio.sleep(pause * (0.5 + rng.random()))
        else:
            found.counts[f"answered {status}"] += 1
            break
    found.counts["pictures missing"] += rounds - done
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    body = await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(maxsplit=2)[1]), body


async def _drop(target: Target, reset: bool, found: Found) -> None:
    """Send a part of an upload, and go: by a reset, or as a page that is left."""
    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(target.request("POST", "/api/upload", b"x" * 1000, length=1_000_000))
    await writer.drain()
    if reset:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    found.counts["uploads dropped"] += 1


async def _creep(target: Target, pause: float, found: Found) -> None:
    """Send a request a byte at a time, until the server ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    until = time.monotonic() + LONGEST
    closed = asyncio.ensure_future(reader.read())
    for byte in target.request("GET", "/"):
        if closed.done() or time.monotonic() > until:
            break
        writer.write(bytes([byte]))
        await asyncio.wait([closed], timeout=pause)
    found.counts["slow ones closed" if closed.done() else "slow ones kept"] += 1
    closed.cancel()
    writer.close()


async def _stay(target: Target, found: Found) -> None:
    """Open a connection and say nothing, until the server refuses or ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    try:
        said = await asyncio.wait_for(reader.read(), LONGEST)
    except TimeoutError:
        found.counts["silent ones kept"] += 1
    except ConnectionResetError:
        found.counts["silent ones closed"] += 1
    else:
        what = "connections refused" if b" 503 " in said[:20] else "silent ones closed"
        found.counts[what] += 1
    writer.close()


def main(words: Sequence[str]) -> int:
    """Serve a run, put the load on it, and print what was seen; return 1 where anything broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["explorer"])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="betavae-load-") as name:
        run = _trained(Path(name))
        line = [sys.executable, "-m", "betavae", "explore", run, "--port", "0", "--no-browser"]
        process = subprocess.Popen(
            [*map(str, line)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        address = re.search(r":(\d+)/\?token=(\S+);", process.stdout.readline())
        assert address is not None
        target = Target(int(address[1]), 10, address[2])
        try:
            found = asyncio.run(load(target, clients=given.clients, rounds=given.rounds))
        finally:
            process.terminate()
            _, said = process.communicate(timeout=LONGEST)
    print(
        f"explorer: {given.clients} clients, {len(found.seconds):,} pictures: median "
        f"{1000 * found.at(0.5):.0f} ms, p99 {1000 * found.at(0.99):.0f} ms; "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(found.counts.items()))
        + f"; {len(said.splitlines())} lines printed"
    )
    print(said[-2000:], end="")
    counts = found.counts
    broken = counts["pictures missing"] + counts["slow ones kept"] + counts["silent ones kept"]
    return int(bool(broken or "Traceback" in said or found.at(0.99) > 1.0))


def _trained(folder: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 2, (128, 64, 64)).astype(np.uint8)
    np.save(folder / "noise.npy", images)
    words = ("--network", "patch", "--images", "640", "--beta", "0.01", "--out", folder / "run")
    line = [sys.executable, "-m", "betavae", "train", folder / "noise.npy", *words]
    subprocess.run([*map(str, line)], check=True, capture_output=True)
    return folder / "run"
