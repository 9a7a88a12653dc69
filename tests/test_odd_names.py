"""Names of all kinds, and terminals of few letters: what is printed, drawn and written is whole."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from betavae import figures
from betavae.__main__ import main
from betavae._system.files import read_json, write_json
from betavae._system.text import MARK
from betavae.app.explorer import open_explorer
from betavae.app.server import create_app
from betavae.cli import tables
from betavae.figures.files import FORMATS
from betavae.figures.style import plain
from betavae.metrics import evaluate
from betavae.runs.latent_names import write_names
from betavae.studies.benchmark_page import write_benchmark_page
from betavae.training.config_file import write_config
from betavae.training.run_folder import NAMES
from command_line import run_quietly

FACTORS = ("US$ of $x$", "x_y^{z}\\w", "\x1b[31mred\x07", "😀 [/] 名 \u202eabc")
FILES = (
    "a$b$.png",
    "[bold]c[].png",
    "\x1b[2Jd.png",
    "gr\udcc3\udcb6\udcc3\udc9fe.png",
    "\udcff.png",
)
ENCODINGS = ("cp1252", "latin-1", "ascii")


def pixels(count: int) -> np.ndarray:
    images = np.zeros((count, 32, 32), np.uint8)
    for row in range(count):
        y, x = divmod(row % 16, 4)
        images[row, 6 * y : 6 * y + 8, 6 * x : 6 * x + 8] = 255 - row
    return images


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on images with odd factor names and value names, one on files with odd names."""
    folder = tmp_path_factory.mktemp("größe $ 😀")
    factors = np.stack(np.unravel_index(np.arange(64), (4, 4, 2, 2)), axis=1)
    np.savez(folder / "set.npz", images=pixels(64), factors=factors, factor_names=FACTORS)
    pictures = folder / "pictures"
    pictures.mkdir()
    for name, image in zip(FILES, pixels(len(FILES)), strict=True):
        Image.fromarray(image).save(pictures / name)
    options = ("--beta", 0.01, "--latents", 2, "--images", 64, "--batch", 16, "--threads", 1)
    runs = (("a [b] $x$", "set.npz", 0), ("b", "set.npz", 1), ("files", "pictures", 0))
    for name, data, seed in runs:
        size = ("--size", 32) if data == "pictures" else ()
        out = folder / name
        run_quietly("train", folder / data, *options, *size, "--seed", seed, "--out", out)
    write_names(folder / "b", {0: "a$b$ 😀", 1: "\u202e^_\\ 名"}, 2)
    return folder


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    """Return a function that runs a command line under an encoding; it returns what is printed."""

    def act(encoding: str, *words: object) -> str:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding, "strict") for _ in range(2))
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            patched.setattr(sys, "argv", ["betavae", *map(str, words)])
            main()
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.detach().getvalue().decode(encoding))
        assert "\x1b" not in "".join(texts)
        assert "Traceback" not in "".join(texts)
        return texts[0]

    return act


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_commands_print_under_any_encoding(
    home: Path, tmp_path: Path, printed: Callable[..., str], encoding: str
) -> None:
    a, b = home / "a [b] $x$", home / "b"
    assert "irs" in printed(encoding, "score", a, "--metrics", "irs", "--out", tmp_path / "s.json")
    assert "US$ of $x$" in (tmp_path / "s.json").read_text(encoding="utf-8")
    listed = printed(encoding, "runs", home)
    assert "a [b] $x$" in listed
    near = printed(encoding, "neighbours", home / "files", home / "pictures" / FILES[0], "-k", 5)
    assert "[bold]c[].png" in near
    assert "a$b$.png" in near
    near = printed(encoding, "neighbours", b, home / "pictures" / FILES[0], "-k", 2)
    assert "US$ of" in near
    printed(encoding, "choose", a, b, "--rows", 32, "--out", tmp_path)
    assert (tmp_path / "choose.json").exists()
    printed(encoding, "encode", home / "files", "--out", tmp_path / "codes.csv")
    kept = (tmp_path / "codes.csv").read_bytes()
    assert "größe.png".encode() in kept
    assert b"\xff.png" in kept
    assert "US$ of $x$" in printed(encoding, "data", "info", home / "set.npz")
    if find_spec("pyarrow") is not None:
        printed(encoding, "encode", home / "files", "--out", tmp_path / "codes.parquet")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_of_studies_print_under_any_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "model": "größe 😀", "how": "1", "score": 0.9, "deviation": 0.1, "mig": 0.4, "shape": 0.9,
        "paper_percent": "99.23 ± 0.1", "orientation": 0.5, "distortion": 62.9, "rate": 11.61,
        "active_latents": 5, "images": 700, "training_seconds": 141.0, "n_pairs": 20,
        "protocol": "higgins2017", "report": "[a]/😀.html",
    }  # fmt: skip
    method = {
        "name": "β 😀 [/]", "better_half": 0.9, "better_half_deviation": 0.1, "mean_of_all": 0.8,
        "deviation_of_all": 0.1, "paper_percent": (99.2, 0.1), "replicas": 1, "scores": [0.9],
        "against_pairs": {"5": [0.9]}, "against_pairs_adagrad": {}, "network": "größe",
        "optimiser": "none", "images": 64, "seeds": [0], "fit_seconds": 1.0,
    }  # fmt: skip
    table = {
        "rows": [method], "data": "[/]größe", "protocol": "higgins2017", "n_pairs": 20,
        "missing": ["名"], "scaled_down": ["😀"],
    }  # fmt: skip
    out = io.TextIOWrapper(io.BytesIO(), encoding, "replace")
    monkeypatch.setattr(sys, "stdout", out)
    tables.print_demo({"runs": [row], "quick": True}, Path("runs/größe"))
    tables.print_methods(table)
    tables.print_benchmark(outcome_of_a_benchmark())
    out.flush()
    text = out.detach().getvalue().decode(encoding)
    assert "[a]/" in text
    assert "[/]gr" in text


def outcome_of_a_benchmark() -> dict[str, Any]:
    names = ("mig", "psnr")
    rows = [
        {
            "data": "größe $ 😀", "title": title, "needs": "", "chosen": {}, "train_seconds": 1.0,
            "scores": {name: {"mean": 0.5, "half": 0.1} for name in names},
            "each": [dict.fromkeys(names, 0.4), dict.fromkeys(names, 0.6)], "peak_megabytes": None,
        }
        for title in ("β-VAE", "a$b$ 😀")
    ]  # fmt: skip
    settings = {
        "data": ["größe $ 😀"], "images": 64, "seeds": 2, "held_out": 8, "labels": 0, "quick": True,
        "points": 0,
    }  # fmt: skip
    return {"settings": settings, "rows": rows, "weights": {}}


def test_results_print_in_the_letters_of_their_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from a program of the user's own, which replaces nothing."""
    table = np.stack(np.divmod(np.arange(64), 8), axis=1)
    results = evaluate(table, table, metrics="irs", rng=0)
    assert "─" in str(results)
    for encoding in ENCODINGS:
        out = io.TextIOWrapper(io.BytesIO(), encoding, "strict")
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            print(results)
        assert b"irs" in out.detach().getvalue()


class Closed(io.TextIOWrapper):
    """A terminal that takes nothing."""

    def write(self, text: str) -> int:
        raise UnicodeEncodeError("ascii", text, 0, 1, "no letter is taken")


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (("score", "RUN", "--metrics", "irs", "--out", "OUT/s.json"), ("s.json",)),
        (("choose", "RUN", "RUN", "--rows", "32", "--out", "OUT"), ("choose.json", "choose.png")),
        (("encode", "RUN", "--out", "OUT/codes.npz"), ("codes.npz",)),
    ],
    ids=lambda found: found[0],
)
def test_files_are_written_before_anything_is_printed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, written: Any
) -> None:
    given = [w.replace("RUN", str(home / "b")).replace("OUT", str(tmp_path)) for w in words]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed(io.BytesIO(), "ascii"))
        with pytest.raises(UnicodeEncodeError):
            run_quietly(*given)
    assert all((tmp_path / name).exists() for name in written)


@pytest.mark.parametrize("name", ["responses", "importance", "information", "score-pairs"])
def test_figures_draw_names_as_they_stand(home: Path, tmp_path: Path, name: str) -> None:
    run_quietly("figure", name, home / "a [b] $x$", "-o", tmp_path / "f.png", "--rows", 64)
    assert (tmp_path / "f.png").stat().st_size > 1000


def test_titles_and_given_names_are_drawn_as_they_stand(home: Path, tmp_path: Path) -> None:
    runs = (home / "a [b] $x$", home / "b")
    run_quietly("figure", "traversals", *runs, "-o", tmp_path / "t.svg", "--steps", 3)
    odd = "a$b$_^\\ \x00 🦊 \ud800"
    lines = {odd: [([1, 2, 3], [3, 2, 1])], "$$": [([1, 2, 3], [3, 2, 1])]}
    drawn = [
        figures.runs_on_shared_axes(odd, lines),
        figures.factor_table(np.eye(2), [odd, "$"], title="t", unit="u"),
        figures.score_against_pairs([1, 20], {odd: [0.5, 0.9], "pairs": [0.4, 0.8]}),
        figures.table_of_scores([odd], [[84.0]], [84.0], [[84.9, 0.4]]),
        figures.sheets_side_by_side([np.zeros((1, 2, 1, 8, 8))], [f"1. {odd}\nUDR 1"]),
    ]
    for figure in drawn:
        for kind in FORMATS:
            assert figures.to_bytes(figure, kind)
    assert plain(odd) == rf"a\$b\$_^\ {MARK} {MARK} ?"
    write_benchmark_page(outcome_of_a_benchmark(), tmp_path)
    assert "a$b$ 😀" in (tmp_path / "benchmark.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["b", "files"])
def test_the_report_is_text_without_what_turns_its_writing(
    home: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("betavae.report.parts.figure_address", lambda figure: "data:image/svg+xml,")
    run_quietly("report", home / name, "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not set(page) & {"\u202e", "\x1b", "\x00"}
    if name == "b":
        assert "a$b$ 😀" in page
        assert f"{MARK}^_\\ 名" in page


def test_the_explorer_answers_with_any_name(home: Path) -> None:
    for name in ("b", "files"):
        app = create_app(open_explorer([home / name]))
        client = TestClient(app, base_url="http://127.0.0.1:8600", raise_server_exceptions=True)
        assert client.get("/api/session").status_code == 200
        for row in range(len(FILES)):
            found = client.get("/api/image", params={"row": row}).json()
            assert set(found["factors"]) == (set(FACTORS) if name == "b" else set())
        assert client.get("/api/map", params={"run": 0}).status_code == 200
    sent = client.put("/api/names", json={"run": 0, "names": {"0": "US$ \u202e\x1b 名 😀"}})
    assert sent.json()["names"] == {"0": "US$ \u202e\x1b 名 😀"}


def test_names_that_are_no_text_are_kept_as_they_are(home: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "n.json", {"a\udcff": "\ud800"})
    assert read_json(tmp_path / "n.json") == {"a\udcff": "\ud800"}
    from betavae.config import Config

    text = write_config(tmp_path, Config(data="gr\udcc3\udcb6\udcc3\udc9fe")).read_text("utf-8")
    assert 'data = "größe"' in text
    assert json.loads((home / "b" / NAMES).read_text("utf-8"))["0"] == "a$b$ 😀"


@pytest.mark.slow
def test_the_c_locale_takes_everything(home: Path, tmp_path: Path) -> None:
    """A process of its own: the locale is read when Python starts."""
    plain_c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = home / "ausgabe-größe"
    words = ("score", home / "b", "--metrics", "irs", "--out", out / "é.json")
    done = subprocess.run(
        [sys.executable, "-m", "betavae", *map(os.fsencode, words)],
        env={**os.environ, **plain_c}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "US$ of $x$" in (out / "é.json").read_text(encoding="utf-8")
