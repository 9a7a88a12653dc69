"""Several runs in one report, and what the report says of factors that are not learned."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from betavae.figures import runs_on_shared_axes
from betavae.report.together import by_setting, differing_settings
from betavae.report.write import write_report
from betavae.runs.matched_latents import match_latents
from betavae.runs.opened import OpenRun, open_run
from betavae.runs.read_factors import read_factors
from html_page import page
from small_runs import find_synthetic


@pytest.fixture
def run(small_run: Path) -> OpenRun:
    return open_run(small_run, whole=False)


def changed(run: OpenRun, **options: object) -> OpenRun:
    config = run.header.config.replaced(**options)
    return dataclasses.replace(run, header=dataclasses.replace(run.header, config=config))


class Says(torch.nn.Module):
    """Codes that are the place of what is drawn, and nothing of its shape."""

    latents = 2

    def code_means(self, images: torch.Tensor) -> torch.Tensor:
        inked = images[:, 0] > 0
        rows = inked.any(dim=2).float().argmax(dim=1)
        columns = inked.any(dim=1).float().argmax(dim=1)
        return torch.stack((columns, rows), dim=1).float()


def test_what_is_in_the_codes_reads_well_and_what_is_not_does_not(
    run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        one.name: one.share
        for one in read_factors(dataclasses.replace(run, model=Says()))  # type: ignore[arg-type]
    }
    assert found["posX"] > 0.9
    assert found["posY"] > 0.7
    assert found["shape"] < found["posY"]


def test_runs_that_differ_in_their_seed_alone_are_one_setting(run: OpenRun) -> None:
    runs = [changed(run, seed=0), changed(run, seed=1), changed(run, beta=2, seed=0)]
    assert differing_settings(runs) == {"beta": ["0.01", "0.01", "2"], "seed": ["0", "1", "0"]}
    assert {label: len(own) for label, own in by_setting(runs, "abc").items()} == {
        "beta 0.01": 2, "beta 2": 1,
    }  # fmt: skip


def test_latents_are_matched_whatever_their_order_and_sign() -> None:
    codes = np.random.default_rng(0).normal(size=(200, 3))
    other = codes[:, [2, 0, 1]] * [-1, 2, 0.5]
    other[:, 2] = np.random.default_rng(1).normal(size=200)
    assert match_latents(codes, other) == {0: (2, 1.0), 1: (0, 1.0)}


def test_a_spike_at_the_start_does_not_flatten_the_axis() -> None:
    seen = np.arange(1, 101)
    values = np.where(seen < 4, 1e6, 100.0 + seen)
    axes = runs_on_shared_axes("Loss", {"one": [(seen, values)]}).axes[0]
    assert axes.get_ylim()[1] < 300


@pytest.mark.slow
def test_several_runs_say_what_differs_and_which_latents_match(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_synthetic(monkeypatch)
    folders = [Path(shutil.copytree(trained_run, tmp_path / name)) for name in ("one", "two")]
    found = page(write_report(folders))
    assert "of one, correlation 1.00" in found.text
    anchors = {attributes.get("href") for tag, attributes in found.tags if tag == "a"}
    ids = {f"#{attributes['id']}" for _, attributes in found.tags if "id" in attributes}
    assert anchors <= ids
    assert len(anchors) >= 6
