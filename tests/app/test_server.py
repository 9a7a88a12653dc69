"""The explorer's answers, and what it refuses, without a browser."""

from __future__ import annotations

import base64
import io
import json
import socket
from pathlib import Path

import anyio
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.requests import Request
from starlette.testclient import TestClient

from betavae._system.errors import InputError
from betavae.app.connections import listen
from betavae.app.explorer import Explorer, open_explorer
from betavae.app.guard import TooLarge, body, refused
from betavae.app.server import MOST_UPLOAD, create_app, serve
from betavae.runs.latent_names import read_names, write_names
from small_runs import synthetic


@pytest.fixture
def client(explorer: Explorer) -> TestClient:
    return TestClient(create_app(explorer), base_url="http://127.0.0.1:8600")


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def drawn(explorer: Explorer, code: list[float]) -> np.ndarray:
    with torch.inference_mode():
        image = explorer.runs[0].model.decode(torch.tensor([code]))[0, 0]
    return np.rint(image.numpy() * 255).astype(np.uint8)


def file(kind: str = "PNG", size: tuple[int, int] = (40, 30), colour: int = 200) -> bytes:
    content = io.BytesIO()
    Image.new("L", size, colour).save(content, kind)
    return content.getvalue()


def test_the_session_lists_latents_by_rate(client: TestClient, explorer: Explorer) -> None:
    session = client.get("/api/session").json()
    assert session["rows"] == 240
    assert session["shape"] == [1, 32, 32]
    (run,) = session["runs"]
    rates = [latent["amount"] for latent in run["latents"]]
    assert rates == sorted(explorer.runs[0].rates.tolist(), reverse=True)
    assert [latent["index"] for latent in run["latents"]] == np.argsort(
        -explorer.runs[0].rates, kind="stable"
    ).tolist()


def test_an_image_comes_with_its_code_and_its_factors(
    client: TestClient, explorer: Explorer
) -> None:
    found = client.get("/api/image", params={"row": 7}).json()
    data = synthetic()
    assert found["factors"] == dict(
        zip(data.factor_names, data.factors(np.array([7]))[0].tolist(), strict=True)
    )
    with torch.inference_mode():
        code = explorer.runs[0].model.encode(data.images[[7]]).mean[0].tolist()
    assert found["codes"] == [pytest.approx(code)]
    shown = base64.b64decode(found["picture"].partition(",")[2])
    assert np.array_equal(pixels(shown), np.rint(data.images[[7]][0, 0].numpy() * 255))


def test_a_code_becomes_the_models_picture(client: TestClient, explorer: Explorer) -> None:
    for code in ([0.0, 0, 0, 0], [1.5, -2, 0.25, 3]):
        answer = client.post("/api/decode", json={"run": 0, "code": code})
        assert answer.headers["content-type"] == "image/png"
        assert np.abs(pixels(answer.content).astype(int) - drawn(explorer, code)).max() <= 1


def test_films_show_the_codes_in_order(client: TestClient, explorer: Explorer) -> None:
    codes = [[value, 0.0, 0, 0] for value in (-3, 0, 3)]
    strip = pixels(client.post("/api/film", json={"run": 0, "codes": codes, "kind": "png"}).content)
    assert strip.shape == (128, 3 * 128 + 2 * 8, 3)
    for place, code in enumerate(codes):
        cell = strip[::4, 136 * place : 136 * place + 128 : 4, 0].astype(int)
        assert np.abs(cell - drawn(explorer, code)).max() <= 1
    loop = client.post("/api/film", json={"run": 0, "codes": codes, "kind": "gif"}).content
    assert Image.open(io.BytesIO(loop)).n_frames == 4  # there and back


def test_an_upload_is_encoded_like_the_same_image_of_the_set(client: TestClient) -> None:
    image = np.rint(synthetic().images[[3]][0, 0].numpy() * 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    there = client.get("/api/image", params={"row": 3}).json()
    sent = client.post("/api/upload", content=content.getvalue()).json()
    assert sent["row"] is None
    assert sent["codes"] == [pytest.approx(there["codes"][0], abs=1e-5)]
    inverted = client.post("/api/upload?invert=1", content=content.getvalue()).json()
    shown = base64.b64decode(inverted["picture"].partition(",")[2])
    assert np.array_equal(pixels(shown), 255 - image)


def test_uploads_of_another_size_or_kind_are_fitted(client: TestClient) -> None:
    for content in (file(), file("JPEG", (200, 100)), file("PNG", (8, 8))):
        assert client.post("/api/upload", content=content).status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an image that can be read"),
        (b"<svg onload='alert(1)'/>", "not an image that can be read"),
        (file()[:60], "damaged"),
        (file("PNG", (12000, 12000)), "decompression bomb"),
    ],
)
def test_bad_uploads_are_refused_in_one_line(client: TestClient, content: bytes, said: str) -> None:
    answer = client.post("/api/upload", content=content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert "the uploaded file" in answer.json()["error"]


def test_uploads_are_never_stored(client: TestClient, small_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.iterdir()}
    client.post("/api/upload", content=file())
    assert {path: path.stat().st_mtime_ns for path in small_run.iterdir()} == before


def test_large_bodies_are_not_read(client: TestClient) -> None:
    answer = client.post("/api/upload", content=b"x" * (MOST_UPLOAD + 1))
    assert answer.status_code == 413
    assert "limit" in answer.json()["error"]


def test_bodies_without_a_length_are_counted_while_they_come() -> None:
    parts = 0

    async def receive() -> dict[str, object]:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(TooLarge):
        anyio.run(body, request, 4500)
    assert parts == 5


def test_names_are_kept_with_the_run(client: TestClient, small_run: Path) -> None:
    said = client.put("/api/names", json={"run": 0, "names": {"2": "  height ", "0": "β/\n<b>"}})
    assert said.json() == {"names": {"0": "β/ <b>", "2": "height"}}
    kept = json.loads((small_run / "latent_names.json").read_text(encoding="utf-8"))
    assert kept.pop("weights")
    assert kept == {
        "0": "β/ <b>",
        "2": "height",
    }
    again = client.get("/api/session").json()["runs"][0]["latents"]
    assert {latent["index"]: latent["name"] for latent in again}[2] == "height"
    client.put("/api/names", json={"run": 0, "names": {"2": ""}})
    assert read_names(small_run) == {0: "β/ <b>"}


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/api/image?row=240", None),
        ("GET", "/api/image?row=-1", None),
        ("GET", "/api/image", None),
        ("GET", "/api/image?row=1e3", None),
        ("POST", "/api/decode", {"run": 1, "code": [0, 0, 0, 0]}),
        ("POST", "/api/decode", {"run": -1, "code": [0, 0, 0, 0]}),
        ("POST", "/api/decode", {"run": 0, "code": [0, 0]}),
        ("POST", "/api/decode", {"run": 0, "code": [0, 0, 0, "x"]}),
        ("POST", "/api/decode", {"run": 0, "code": [0, 0, 0, 0], "path": "/etc/passwd"}),
        ("POST", "/api/film", {"run": 0, "codes": [[0, 0, 0, 0]], "kind": "png"}),
        ("POST", "/api/film", {"run": 0, "codes": [[0, 0, 0, 0]] * 2, "kind": "exe"}),
        ("POST", "/api/film", {"run": 0, "codes": [[0, 0, 0, 0]] * 500, "kind": "png"}),
        ("PUT", "/api/names", {"run": 0, "names": {"4": "no"}}),
        ("PUT", "/api/names", {"run": 0, "names": {"0": "x" * 41}}),
        ("PUT", "/api/names", {"run": 3, "names": {}}),
    ],
)
def test_nonsense_is_refused(
    client: TestClient, method: str, path: str, sent: dict[str, object] | None
) -> None:
    answer = client.request(method, path, json=sent)
    assert answer.status_code == 400
    assert len(answer.json()["error"].splitlines()) == 1


def test_infinite_numbers_are_refused(client: TestClient) -> None:
    sent = '{"run": 0, "code": [0, 0, 0, NaN]}'
    assert client.post("/api/decode", content=sent).status_code == 400


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("127.0.0.1:8600", None, True),
        ("localhost:8600", "http://localhost:8600", True),
        ("[::1]:8600", "http://[::1]:8600", True),
        ("192.168.1.5:8600", None, False),
        ("workstation:8600", None, False),
        ("attacker.example", None, False),
        ("127.0.0.1.attacker.example:8600", None, False),
        ("", None, False),
        ("[", None, False),
        ("127.0.0.1:8600", "https://attacker.example", False),
        ("127.0.0.1:8600", "http://127.0.0.1:9999", False),
        ("127.0.0.1:8600", "null", False),
    ],
)
def test_only_this_server_s_own_pages_are_served(
    host: str, origin: str | None, allowed: bool
) -> None:
    assert (refused(host, origin, "127.0.0.1") == "") is allowed


def test_foreign_hosts_and_origins_get_nothing(client: TestClient, small_run: Path) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert client.get("/api/session", headers=headers).status_code == 403
        names = {"run": 0, "names": {"0": "theirs"}}
        assert client.put("/api/names", json=names, headers=headers).status_code == 403
    assert read_names(small_run) == {}


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/explore.js", "/runs.js", "/explore.css", "/icon.svg"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        text = answer.text.replace('"http://www.w3.org/2000/svg"', "")
        assert "http:" not in text
        assert "https:" not in text
        assert "style=" not in text
    assert client.get("/../server.py").status_code == 404
    assert client.get("/api/nothing").status_code == 404


def test_runs_that_do_not_fit_are_refused(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one run or two, got 3"):
        open_explorer([small_run] * 3)
    with pytest.raises(InputError, match="is not a run folder"):
        open_explorer([tmp_path / "nothing"])
    (small_run / "latent_names.json").write_text("[1]")
    with pytest.raises(InputError, match=r"cannot read .*latent_names.json"):
        open_explorer([small_run])


def test_small_answers_are_sent_at_once() -> None:
    """Without a named protocol asyncio leaves Nagle's delay on: 40 ms a picture."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_taken_port_is_one_line(small_run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}"):
            serve([small_run], port=port, browser=False)
    with pytest.raises(InputError, match="port must be in"):
        serve([small_run], port=70000, browser=False)


def test_names_are_checked_before_they_are_written(tmp_path: Path) -> None:
    assert write_names(tmp_path, {1: "scale"}, 3) == {1: "scale"}
    with pytest.raises(InputError, match=r"latents must be in 0\.\.2, got 3"):
        write_names(tmp_path, {3: "x"}, 3)
    assert read_names(tmp_path) == {1: "scale"}
