"""The configuration: one description for Python, TOML, command line and checkpoint header."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from betavae import BetaVAE, objectives
from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae.cli.options import Arguments, given
from betavae.config import KINDS, Config, bare_options
from betavae.estimator import OWN
from betavae.objectives.beta import BetaOptions
from betavae.objectives.capacity_vae import CapacityOptions
from betavae.objectives.custom import CustomOptions
from betavae.objectives.optimisers import Adam, LearningRate, Muon
from betavae.objectives.settle_vae import SettleOptions

MEMBERS = [(kind, member) for kind, members in KINDS.items() for member in members]
FACTORIES = {
    "constrained": objectives.constrained,
    "tcvae": objectives.tcvae,
    "factor": objectives.factor,
    "dip": objectives.dip,
    "infovae": objectives.infovae,
}


def name_of(member: type[Options]) -> str:
    return str(member.model_fields["name"].default)


def test_a_name_and_a_table_of_it_are_the_same() -> None:
    for kind, member in MEMBERS:
        short = Config.from_mapping({kind: name_of(member)}) if kind != "method" else None
        if short is not None:
            assert short == Config.from_mapping({kind: {"name": name_of(member)}})
            assert short == Config.from_mapping({kind: member()})


@pytest.mark.parametrize(("kind", "member"), MEMBERS)
def test_the_header_gives_the_configuration_back(kind: str, member: type[Options]) -> None:
    config = Config.from_mapping({kind: name_of(member), "seed": 4})
    assert Config.from_mapping(config.model_dump(mode="json")) == config
    assert Config.from_mapping(config.given()) == config
    assert config.differences(Config.from_mapping(config.given())) == []


@pytest.mark.parametrize("member", KINDS["objective"])
def test_an_objective_s_options_are_its_factory_s_arguments(member: type[Options]) -> None:
    factory = FACTORIES.get(name_of(member))
    if factory is not None:
        parameters = inspect.signature(factory).parameters
        fields = {name: field.default for name, field in member.model_fields.items()}
        del fields["name"]
        assert fields == {name: parameter.default for name, parameter in parameters.items()}
    if member is not CustomOptions:
        assert callable(member().make(Config().length((1, 64, 64))))  # type: ignore[attr-defined]


def test_so_are_those_of_the_two_that_take_schedules() -> None:
    for factory, member, key in (
        (objectives.beta_vae, BetaOptions, "free_bits"),
        (objectives.capacity, CapacityOptions, "gamma"),
    ):
        default = inspect.signature(factory).parameters[key].default
        assert member.model_fields[key].default == default


OF_SPLITS = {"hold_out", "correlate", "without", "split_seed"}  # whoever has arrays splits them


def test_the_estimator_has_every_option_as_an_argument() -> None:
    arguments = set(inspect.signature(BetaVAE.__init__).parameters) - {"self", *OWN}
    of_data = {"data", *Config().load_options(), *OF_SPLITS}
    options = {*Config.model_fields, *bare_options()} - {*of_data, "method", "seed"}
    assert arguments == options


def test_the_command_line_has_every_option() -> None:
    assert set(Arguments.model_fields) == {*Config.model_fields, *bare_options()}
    for kind, members in KINDS.items():
        inner = Arguments.model_fields[kind].annotation
        known = {key for part in inner.__args__ for key in getattr(part, "model_fields", ())}
        options = {key for m in members for key in m.model_fields if key not in m.bare}
        assert known == options
    chosen = Arguments.model_validate({"objective": {"name": "tcvae", "beta": 3.0}, "seed": 1})
    config = Config.from_mapping(given(chosen))
    assert config.given() == {"objective": {"name": "tcvae", "beta": 3.0}, "seed": 1}


def test_every_option_has_help_and_a_default() -> None:
    for _, member in MEMBERS:
        for name, field in member.model_fields.items():
            assert name == "name" or field.description, f"{member.__name__}.{name}"
            assert not field.is_required()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "tcvea"},
            r"objective must be one of .*, got 'tcvea'; did you mean 'tcvae'\?",
        ),
        (
            {"objective": {"name": "tcvae", "bta": 6}},
            r"objective tcvae has no option 'bta'; did you mean 'beta'\?",
        ),
        (
            {"objective": {"name": "dip", "alpha": 1}},
            "objective dip has no option 'alpha'; it belongs to tcvae, infovae; "
            "dip has kind, off_diagonal, diagonal",
        ),
        (
            {"objective": {"name": "dip", "diagonal": -1}},
            "objective.diagonal must be >= 0, got -1",
        ),
        (
            {"objective": "tcvae", "beta": 6},
            r"beta belongs to objective beta, not to tcvae; did you mean objective.beta\?",
        ),
        ({"objective": "factor", "beta_norm": 1}, "beta_norm belongs to objective beta, not"),
        ({"objective": "dip", "beta_schedule": "linear"}, "beta_schedule belongs to objective"),
        ({"objective": {"name": "tcvae", "beta": float("nan")}}, "objective.beta must be a finite"),
        ({"sigma": 0.2}, "sigma belongs to likelihood gaussian, not to bernoulli"),
        ({"beta": 1, "objective": {"beta": 2}}, "beta is given twice: 1 and 2"),
        ({"network": "patsh"}, r"network must be one of .*; did you mean 'patch'\?"),
        ({"method": "pca", "learning_rate": 1}, "learning_rate belongs to method vae, not to pca"),
        ({"seed": 1 << 64}, "seed must be < 9223372036854775808"),
        ({"objective": 7}, "objective must be one of beta, .*, or a table, got 7"),
        ({"optimiser": {"name": "adam", "momentum": 0.9}}, "it belongs to muon"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Config.from_mapping(options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_later_options_win_within_a_table_and_replace_another() -> None:
    config = Config(objective={"name": "tcvae", "beta": 3, "alpha": 2})
    assert config.replaced(objective={"beta": 5}).objective.given() == {"beta": 5.0, "alpha": 2.0}
    assert config.replaced(objective="factor").objective.given() == {}
    assert Config(beta=4).replaced(beta_norm=0.1).objective.given() == {"beta_norm": 0.1}


def test_the_learning_rate_decays_over_the_whole_run_or_its_end() -> None:
    end = {"learning_rate": 0.1, "learning_rate_decay": 200}

    def rate(options: dict[str, Any]) -> Any:
        optimiser = Config.from_mapping(options).optimiser
        assert isinstance(optimiser, LearningRate)
        return optimiser.schedule(1000)

    for name, quarter in (("linear", 0.075), ("cosine", 0.0853553)):
        fall = rate({**end, "learning_rate_schedule": name})
        expected = [0.1, 0.1, 0.1, quarter, 0.05, 0.0]
        assert [fall(seen) for seen in (0, 500, 800, 850, 900, 1000)] == pytest.approx(expected)
    for part in (None, 1000, 5000):
        options = {**end, "learning_rate_schedule": "linear", "learning_rate_decay": part}
        assert rate(options)(500) == pytest.approx(0.05)
    with pytest.raises(InputError, match="learning_rate_decay needs learning_rate_schedule"):
        Config.from_mapping({**end, "beta": 1})


def test_toml_names_an_objective_or_gives_its_table(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('objective = "tcvae"\n')
    assert Config.from_mapping(Config.from_toml(path)).objective.name == "tcvae"
    path.write_text('beta-norm = 0.1\n[optimiser]\nname = "muon"\nadam-share = 0.2\n')
    config = Config.from_mapping(Config.from_toml(path))
    assert config.optimiser.given() == {"adam_share": 0.2}
    assert config.objective.given() == {"beta_norm": 0.1}


def test_without_an_objective_comes_the_recipe() -> None:
    config = Config()
    assert config == Config(objective="settle")
    assert config.given() == {}
    names = [getattr(config, kind).name for kind in ("objective", "optimiser", "latent")]
    assert (names, config.network, config.batch) == (["settle", "muon", "gaussian"], "place", 64)
    assert config.optimiser.learning_rate_schedule == "linear"
    first = config.images - (config.optimiser.learning_rate_decay or 0)
    made: Any = SettleOptions().make(config.length((1, 64, 64)))
    assert made.settle_images == first  # the learning rate falls in the second part


@pytest.mark.parametrize(
    "options",
    [
        {"beta": 1},
        {"objective": "tcvae"},
        {"latent": "point"},
        {"network": "my_module:mine"},
        {"method": "dcign"},
    ],
)
def test_any_other_objective_has_the_plain_defaults(options: dict[str, Any]) -> None:
    config = Config.from_mapping(options)
    assert config.objective.name != "settle"
    assert config.batch != 64
    assert config.optimiser.learning_rate_schedule == "constant"


def test_what_is_given_stands_over_the_recipe() -> None:
    config = Config.from_mapping({"network": "burgess", "images": 8000, "learning_rate": 0.02})
    assert (config.network, config.images, config.objective.name) == ("burgess", 8000, "settle")
    assert config.optimiser == Muon(
        learning_rate=0.02, learning_rate_schedule="linear", learning_rate_decay=5000
    )
    assert config.given()["optimiser"] == {"learning_rate": 0.02}
    assert Config(learning_rate=0.01).replaced(objective="tcvae").optimiser.learning_rate == 0.01
    assert Config.from_mapping(config.given()) == config
    assert config.replaced(objective="tcvae").optimiser == Adam(learning_rate=0.02)
    named = Config.from_mapping({"optimiser": "muon"}).replaced(objective="tcvae")
    assert named.optimiser.name == "muon"
    assert Config.from_mapping({"optimiser": "adam"}).optimiser == Adam()
    steady = Config.from_mapping({"learning_rate_schedule": "constant"})
    assert steady.optimiser == Muon()
    with pytest.raises(InputError, match="images must be"):
        Config.from_mapping({"images": "many"})


def test_how_pictures_are_taken_in_is_checked_and_named() -> None:
    config = Config(size=32, pad="white", folders_as="kind")
    assert config.load_options() == {
        "size": 32, "crop": None, "pad": "white", "folders_as": "kind", "skip_bad": False
    }  # fmt: skip
    for options, said in (
        ({"crop": "5x"}, "crop must be 'whole' or the side of a square, got '5x'"),
        ({"crop": "whole"}, "crop 'whole' needs a size to squeeze pictures to"),
        ({"crop": 8, "pad": "edge"}, "pad and crop do not go together"),
        ({"pad": "pink"}, "pad must be 'black', 'white' or 'edge', got 'pink'"),
    ):
        with pytest.raises(InputError, match=said):
            Config.from_mapping(options)
