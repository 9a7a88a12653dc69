"""The benchmark: what it chooses, how it puts seeds together, that it resumes, and its page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from betavae._system.errors import InputError
from betavae._system.stamps import stamped
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.studies import benchmark, benchmark_page
from betavae.studies.benchmark_plan import Benchmark, planned, shipped_methods
from betavae.studies.cells import CELL
from betavae.studies.engines import Engine
from betavae.training.checkpoint import NAME, digest_of_run
from small_runs import squares_file


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> str:
    return squares_file(tmp_path_factory.mktemp("data"), 20, 20, side=32, square=8)


@pytest.mark.slow
def test_a_benchmark_runs_resumes_and_writes_its_page(squares: str, tmp_path: Path) -> None:
    plan = Benchmark(
        (squares,), ("beta", "tcvae"), seeds=2, images=64, metrics="mig,infomec,psnr",
        held_out=100, latents=3, quick=True,
    )  # fmt: skip
    once = benchmark.run_benchmark(tmp_path, plan, engine=Engine(jobs=1), progress=False)
    done = sorted(tmp_path.rglob(CELL))
    assert len(done) == 4
    done[0].unlink()
    again = benchmark.run_benchmark(tmp_path, plan, engine=Engine(jobs=1), progress=False)
    assert json.loads((tmp_path / "benchmark.json").read_text())["rows"][0]["method"] == "beta"
    for one, other in zip(once["rows"], again["rows"], strict=True):
        assert one["scores"] == other["scores"]
        assert set(one["scores"]) == {"mig", "infom", "infoc", "infoe", "psnr"}
        assert len(one["each"]) == 2
    page = benchmark_page.write_benchmark_page(again, tmp_path).read_text()
    assert page.count("<tr><td>beta-VAE</td>") == 1
    assert "mean nothing" in page
    digests = {digest_of_run(path.parent) for path in tmp_path.rglob(NAME)}
    assert len(digests) == 4
    assert set(stamped(tmp_path / "benchmark.html")) == set(again["weights"].values()) == digests
    assert "http" not in page.replace("http-equiv", "")
    other = Benchmark(**{**plan.__dict__, "images": 65})
    with pytest.raises(InputError, match="other settings: images 64 -> 65"):
        benchmark.run_benchmark(tmp_path, other, progress=False)


def test_methods_of_the_file_have_equal_budgets() -> None:
    methods = shipped_methods()
    assert set(methods) == {"beta", "tcvae", "factor", "adagvae", "qlae", "joint", "hfs"}
    assert {len(method.grid) for method in methods.values()} == {3}
    for name in ("beta", "tcvae", "factor"):
        configs = [Config.from_mapping(point) for point in methods[name].grid]
        assert len({config.model_dump_json() for config in configs}) == 3
        assert {config.objective.name for config in configs} == {name}
    assert methods["adagvae"].needs


def test_cells_hold_the_same_images_out_for_every_seed(squares: str) -> None:
    plan = Benchmark((squares,), ("beta", "factor"), seeds=3, images=100, held_out=50)
    cells = plan.cells()
    assert len(cells) == 2 * 3 * 3
    configs = [Config.from_mapping(cell.options["config"]) for cell in cells]
    assert {config.split_options() for config in configs} == {configs[0].split_options()}
    assert {config.images for config in configs} == {100}
    assert sorted({config.seed for config in configs}) == [0, 1, 2]
    twice = planned([squares], ["beta"], protocol="hsu2023", held_out=50).cells()[0]
    assert twice.options["config"]["latents"] == 4
    with pytest.raises(InputError, match="got 10000"):
        planned([squares], ["beta"], protocol="hsu2023").cells()


def test_a_quick_run_is_small_but_takes_what_is_asked_for() -> None:
    plain = planned(["xcolumns"], ["beta"], quick=True, images=200_000)
    assert (plain.seeds, plain.held_out, plain.images) == (2, 500, 640)
    asked = planned(["xcolumns"], ["beta"], quick=True, seeds=1, held_out=200)
    assert (asked.seeds, asked.held_out) == (1, 200)


def test_points_are_those_in_the_middle_of_the_grid() -> None:
    whole = shipped_methods()["beta"].grid
    one = Benchmark(
        ("xcolumns",), ("beta",), seeds=1, points=1
    )  # nothing to choose: one seed will do
    assert one.grid("beta") == whole[1:2]
    assert "not chosen" in benchmark_page.chosen_by(one.settings)
    assert Benchmark(("xcolumns",), ("beta",), points=2).grid("beta") == whole[:2]
    assert Benchmark(("xcolumns",), ("beta",), points=9).grid("beta") == whole
    assert Benchmark(("xcolumns",), ("beta",)).grid("beta") == whole
    with pytest.raises(InputError, match="points must be >= 0, got -1"):
        planned(["xcolumns"], ["beta"], points=-1)


def test_the_setting_with_the_highest_worth_is_taken() -> None:
    plan = Benchmark(("d",), ("beta",), seeds=2, labels=100)
    chances = [0.1, 0.6, 0.3]
    done = {
        f"d/beta/{place}/{seed}": {
            "scores": {"mig": place + seed}, "train_seconds": 2.0 * seed,
            "peak_megabytes": 10.0 + seed, "chosen_by": chances[place] + (-0.1, 0.1)[seed],
        }
        for place in range(3)
        for seed in range(2)
    }  # fmt: skip
    row = benchmark.summary(Path(), plan, done)["rows"][0]
    assert row["chosen"] == shipped_methods()["beta"].grid[1]
    assert row["worth"] == pytest.approx(chances)
    assert row["scores"]["mig"]["mean"] == 1.5
    # Student's t with one degree of freedom: 12.7062 x sd / sqrt(2), sd = 1 / sqrt(2)
    assert row["scores"]["mig"]["half"] == pytest.approx(12.7062 / 2, rel=1e-5)
    assert (row["train_seconds"], row["peak_megabytes"]) == (1.0, 11.0)


def test_psnr_is_that_of_the_mean_squared_error() -> None:
    class Half(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def code_means(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

        def decode(self, codes: torch.Tensor) -> torch.Tensor:
            return codes.view(-1, 1, 8, 8) - 0.1

    store = ImageStore.from_uint8(np.full((10, 1, 8, 8), 255, np.uint8))
    found = benchmark.psnr_of(Half(), Dataset("x", store), np.arange(10), batch=3)
    assert found == pytest.approx(-10 * math.log10(0.01), rel=1e-5)


def test_ranks_and_the_best_of_a_table() -> None:
    def row(title: str, mig: float) -> dict[str, object]:
        scores = {"mig": {"mean": mig, "half": None}}
        return {"title": title, "scores": scores, "train_seconds": 1, "peak_megabytes": None}

    data = [[row("a", 0.2), row("b", 0.5)], [row("a", 0.9), row("b", 0.1)]]
    assert benchmark_page.ranks_of(data, "mig").tolist() == [1.5, 1.5]
    assert benchmark_page.ranks_of(data[:1], "mig").tolist() == [2, 1]
    shown = benchmark_page.table(data[0], ["mig"])
    assert [line["cells"][0]["best"] for line in shown] == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("betta",)}, "did you mean 'beta'"),
        ({"methods": ("beta", "beta")}, "methods must be different names"),
        ({"data": ("",)}, "data must be different names"),
        ({"seeds": 1}, "seeds must be >= 2, got 1"),
        ({"seeds": 0}, "seeds must be >= 1, got 0"),
        ({"labels": 5}, "labels must be >= 100"),
        ({"metrics": "mig,nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_be_compared_is_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Benchmark(**{"data": ("shapes2d",), "methods": ("beta",), **options})
    with pytest.raises(InputError, match="protocol must be one of hsu2023"):
        planned(["shapes2d"], ["beta"], protocol="hsu2024")
