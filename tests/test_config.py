"""The configuration of objectives: one table for Python, TOML, command line and header."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from betavae import objectives
from betavae._system.errors import InputError
from betavae.config import Config
from betavae.options import TAKES, Name, ObjectiveOptions
from betavae.training.configured import FACTORIES, learning_rate_schedule, make_objective

NAMES = [name for name in get_args(Name) if name != "custom"]


def test_a_name_and_a_table_of_it_are_the_same() -> None:
    short = Config.from_mapping({"objective": "tcvae"})
    assert short == Config.from_mapping({"objective": {"name": "tcvae"}})
    assert short == Config(objective=ObjectiveOptions(name="tcvae"))


@pytest.mark.parametrize("name", NAMES)
def test_the_header_gives_the_configuration_back(name: str) -> None:
    config = Config.from_mapping({"objective": name, "latents": 4})
    assert Config.from_mapping(config.model_dump()) == config


@pytest.mark.parametrize("name", FACTORIES)
def test_the_options_are_the_factory_s_arguments_and_the_help_tells_their_defaults(
    name: str,
) -> None:
    parameters = inspect.signature(FACTORIES[name]).parameters
    assert set(TAKES[name]) == set(parameters)
    for key, parameter in parameters.items():
        text = ObjectiveOptions.model_fields[key].description or ""
        match = re.search(rf"{name} \(([^)]*)\)", text)
        assert match, f"{key} says nothing of {name}"
        if parameter.default is not None:
            assert match[1] == f"{parameter.default}".removesuffix(".0")


@pytest.mark.parametrize(("name", "key"), [("beta", "free_bits"), ("capacity", "gamma")])
def test_so_do_the_two_that_also_take_schedules(name: str, key: str) -> None:
    factory = {"beta": objectives.beta_vae, "capacity": objectives.capacity}[name]
    default = inspect.signature(factory).parameters[key].default
    assert f"{name} ({default:g})" in (ObjectiveOptions.model_fields[key].description or "")


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_is_made_with_its_defaults(name: str) -> None:
    assert callable(make_objective(Config.from_mapping({"objective": name}), 1024))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "tcvea"}, r"objective.name must be .*; did you mean 'tcvae'\?"),
        (
            {"objective": {"name": "tcvae", "bta": 6}},
            r"unknown option 'objective.bta'; did you mean 'objective.beta'\?",
        ),
        (
            {"objective": {"name": "dip", "alpha": 1}},
            "objective dip has no option 'alpha'; it has kind, off_diagonal, diagonal",
        ),
        (
            {"objective": {"name": "dip", "diagonal": -1}},
            "objective.diagonal must be >= 0, got -1",
        ),
        (
            {"objective": {"beta": 6}},
            r"objective beta \(the default\) has no option 'beta'; it has free_bits, and --beta",
        ),
        (
            {"objective": "tcvae", "beta": 6},
            r"beta belongs to objective beta, not to tcvae; did you mean objective.beta\?",
        ),
        ({"objective": "factor", "beta_norm": 1}, "beta_norm belongs to objective beta, not"),
        ({"objective": "dip", "beta_schedule": "linear"}, "beta_schedule belongs to objective"),
        ({"objective": {"name": "tcvae", "beta": float("nan")}}, "objective.beta must be a finite"),
    ],
)
def test_bad_objectives_are_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Config.from_mapping(options)
    assert "\n" not in str(caught.value)


def test_the_learning_rate_decays_over_the_whole_run_or_its_end() -> None:
    end = {"images": 1000, "learning_rate": 0.1, "learning_rate_decay": 200}
    for name, quarter in (("linear", 0.075), ("cosine", 0.0853553)):
        rate = learning_rate_schedule(Config.from_mapping({**end, "learning_rate_schedule": name}))
        expected = [0.1, 0.1, 0.1, quarter, 0.05, 0.0]
        assert [rate(seen) for seen in (0, 500, 800, 850, 900, 1000)] == pytest.approx(expected)
    for part in (None, 1000, 5000):
        options = {**end, "learning_rate_schedule": "linear", "learning_rate_decay": part}
        assert learning_rate_schedule(Config.from_mapping(options))(500) == pytest.approx(0.05)
    with pytest.raises(InputError, match="learning_rate_decay needs learning_rate_schedule"):
        Config.from_mapping(end)


def test_toml_names_an_objective_or_gives_its_table(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('objective = "tcvae"\n')
    assert Config.from_mapping(Config.from_toml(path)).objective.name == "tcvae"
    path.write_text('[objective]\nname = "dip"\noff-diagonal = 3\n')
    objective = Config.from_mapping(Config.from_toml(path)).objective
    assert objective == ObjectiveOptions(name="dip", off_diagonal=3)
