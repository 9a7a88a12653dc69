"""A run's settings in words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from betavae.config import KINDS, Config
from betavae.report.settings_words import command, settings


@pytest.mark.parametrize(
    "config",
    [
        Config(beta=4, images=60_000, network="fc", learning_rate=1e-3),
        Config(data="my images/a.npy", beta_norm=0.0031, likelihood="gaussian", sigma=0.3),
        Config(beta_schedule="linear", beta_ramp=5000, bf16=True, size=64, seed=9),
        Config(learning_rate_schedule="linear", learning_rate_decay=5000),
        Config(objective={"name": "dip", "kind": "i", "off_diagonal": 3.5}),
    ],
)
def test_the_command_line_gives_the_configuration_back(config: Config) -> None:
    words = shlex.split(" ".join(command(config, Path("runs/my run"))))
    assert words[:3] == ["betavae", "train", config.data]
    options: dict[str, object] = {"data": words[2]}
    place = 3
    while place < len(words):
        name = words[place].removeprefix("--").replace("-", "_")
        flag = place + 1 == len(words) or words[place + 1].startswith("--")
        options[name] = True if flag else words[place + 1]
        place += 1 if flag else 2
    assert options.pop("out") == "runs/my run"
    if "size" in options:
        options["size"] = int(str(options["size"]))
    for kind in KINDS:
        inner = {key: options.pop(key) for key in list(options) if key.startswith(f"{kind}.")}
        table = {key.removeprefix(f"{kind}."): value for key, value in inner.items()}
        if kind in options:
            options[kind] = {"name": options[kind], **table}
    again = Config.from_mapping(options)
    assert again.differences(config) in ([], ["objective.beta"])
    assert again.beta((1, 64, 64)) == config.beta((1, 64, 64))


def test_the_table_marks_only_what_differs_from_the_defaults() -> None:
    lines = settings(Config(beta=4, batch=16, beta_schedule="linear"))
    assert [line.name for line in lines if line.changed] == ["objective", "beta_schedule", "batch"]
    assert not any(line.changed for line in settings(Config(images=Config().images)))
    shown = {line.name: line.value for line in lines}
    assert shown["beta"] == "4"
    assert {line.name: line.value for line in settings(Config(beta_norm=0.1))}["beta"] == "–"
