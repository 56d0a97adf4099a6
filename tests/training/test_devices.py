"""Several processes train what one would: two of them on the CPU, which talk by gloo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training import models, runs
from tests.training.runs import LIMITS, make_run, start, start_together
from training.contracts import EXIT_BAD_INPUT, ContractError, Resources, RunError, RunResult, verify_manifest
from training.devices import Group
from training.reward_model import load_reward_model

STRATEGIES = ("ddp", "fsdp")
REWARD = {"epochs": 2.0, "batch_size": 5, "learning_rate": 1e-2, "bootstrap": 10, **LIMITS}


def together(strategy: str) -> dict[str, Any]:
    return {"resources": {"processes": 2, "strategy": strategy}}


def lines_of(folder: Path) -> list[dict[str, float]]:
    """The metrics of a run, but for the clock's."""
    return [{name: value for name, value in line.items() if name != "time"} for line in runs.metrics(folder)]


def check_alike(one: Path, several: Path, weights: tuple[str, ...] = ("model.safetensors",)) -> None:
    """Losses and weights, step by step, and a published folder of the same form."""
    result = RunResult.read(several)
    assert verify_manifest(several / "outputs") == result.outputs_digest
    alone, found = lines_of(one), lines_of(several)
    assert len(alone) == len(found) > 3
    for expected, line in zip(alone, found, strict=True):
        assert line == pytest.approx(expected, abs=1e-5)
    files = [{path.name for path in (run / "outputs").iterdir()} for run in (one, several)]
    assert files[0] == files[1]
    assert (one / "outputs/config.json").read_bytes() == (several / "outputs/config.json").read_bytes()
    for name in weights:
        expected_weights, found_weights = (
            load_file(one / "outputs" / name),
            load_file(several / "outputs" / name),
        )
        assert expected_weights.keys() == found_weights.keys()
        for key, weight in expected_weights.items():
            assert weight.shape == found_weights[key].shape
            assert found_weights[key].allclose(weight, atol=1e-4), key


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.folder("llama", tmp_path_factory.mktemp("base") / "llama")


def reward_run(folder: Path, base: Path, settings: dict[str, Any] | None = None, **config: Any) -> Path:
    # 15 items in batches of 5: the two processes have 3 and 2 of a batch, with differing numbers of pairs.
    inputs = {"dataset.jsonl": runs.comparisons(20), "base": base}
    return make_run(folder, "reward", {**REWARD, **(settings or {})}, inputs, **config)


@pytest.fixture(scope="module")
def reward_alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = reward_run(tmp_path_factory.mktemp("runs") / "alone", base)
    assert start("reward", folder) == 0
    return folder


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_train_the_reward_model_that_one_does(
    strategy: str, reward_alone: Path, base: Path, tmp_path: Path
) -> None:
    folder = reward_run(tmp_path / strategy, base, **together(strategy))
    assert start_together("reward", folder, 2) == [0, 0]
    check_alike(reward_alone, folder, ("model.safetensors", "head.safetensors"))
    assert lines_of(folder)[0]["theta"] != lines_of(folder)[-1]["theta"]
    reports = [json.loads((run / "outputs/report.json").read_text()) for run in (reward_alone, folder)]
    assert reports[0]["accuracy"] == reports[1]["accuracy"]
    load_reward_model(folder / "outputs")
