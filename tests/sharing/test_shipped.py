"""Models that come with the package: found by name, offline, as good as their cards say."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betavae import from_pretrained, load
from betavae.config import Config
from betavae.data import shapes2d
from betavae.report.settings_words import command
from betavae.runs.pretrained_folder import CONFIG, WEIGHTS, read_pretrained
from betavae.runs.scores import SCORES
from betavae.sharing.pretrained import CARD, PICTURE
from betavae.sharing.shipped import CARD_JSON, shipped_folder, shipped_names
from betavae.studies.five_factors import five_factors
from betavae.training.records import RECORDS, read_records
from command_line import fails, run_quietly

NAMES = shipped_names()
FILES = {CONFIG, WEIGHTS, CARD, PICTURE, CARD_JSON, RECORDS, SCORES}


def card(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shipped_folder(name) / CARD_JSON).read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_in_the_package(name: str) -> None:
    folder = shipped_folder(name)
    assert {path.name for path in folder.iterdir()} == FILES
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
    config = read_pretrained(folder).config
    told = card(name)
    assert told["command"] == " ".join(command(config, Path("runs") / name))
    assert (told["seed"], told["images"]) == (config.seed, config.images)
    assert read_records(folder / RECORDS)[-1].images == config.images


def test_it_is_loaded_by_its_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    vae = from_pretrained("shapes2d-settle")
    assert vae.config_ == Config(seed=card("shapes2d-settle")["seed"])  # the default recipe
    classes = [[shape, 5, 0, 15, 15] for shape in (0, 1, 2)]
    images = shapes2d.render(np.array(classes))
    codes = vae.transform(images)
    drawn = vae.inverse_transform(codes)[:, 0] > 0.5
    assert codes.shape == (3, 10)
    wrong = (drawn != images.reshape(drawn.shape).astype(bool)).mean(axis=(1, 2))
    assert wrong.max() < 0.02  # square, ellipse and heart are drawn as what they are


def test_a_name_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, "traverse", "--pretrained", "shapes2d-setle")
    assert line.endswith("got 'shapes2d-setle'; did you mean 'shapes2d-settle'?")
    for words in (["explore"], ["traverse"], ["report"]):
        assert fails(capsys, *words).endswith("give a run folder or --pretrained, got neither")
    both = fails(capsys, "traverse", "runs/b4", "--pretrained", "shapes2d-settle")
    assert both.endswith("got both")


@pytest.mark.slow
@pytest.mark.usefixtures("rendered")
@pytest.mark.parametrize("name", NAMES)
def test_it_scores_what_its_card_says(name: str, tmp_path: Path) -> None:
    found = five_factors(read_pretrained(shipped_folder(name)).model, load("shapes2d"))
    told = card(name)["measures"]
    assert found.keys() == told.keys()
    for measure, value in told.items():  # other CPUs round otherwise, which DCI's trees amplify
        room = 0.1 if measure.startswith("dci") else 0.01
        assert found[measure] == pytest.approx(value, abs=room), measure
    run_quietly("traverse", "--pretrained", name, "--out", tmp_path, "--steps", 3)
    assert {path.name for path in tmp_path.iterdir()} >= {"traversal.png", "traversal.gif"}
