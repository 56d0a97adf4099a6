"""Several processes train what one would: two of them on the CPU, which talk by gloo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training import models, runs
from tests.training.runs import LIMITS, make_run, start, start_together
from training.contracts import (
    CHECKPOINT_KEY,
    EXIT_BAD_INPUT,
    ContractError,
    PretrainingRow,
    Resources,
    RunError,
    RunResult,
    verify_manifest,
)
from training.devices import Group
from training.reward_model import load_reward_model

STRATEGIES = ("ddp", "fsdp")
REWARD = {"epochs": 2.0, "batch_size": 5, "learning_rate": 1e-2, "bootstrap": 10, **LIMITS}


def together(strategy: str) -> dict[str, Any]:
    return {"resources": {"processes": 2, "strategy": strategy}}


def lines_of(folder: Path) -> list[dict[str, float]]:
    """The metrics of a run, but for the clock's."""
    return [{name: value for name, value in line.items() if name != "time"} for line in runs.metrics(folder)]


def check_alike(one: Path, several: Path) -> None:
    """Losses and weights, step by step, and a published folder of the same form."""
    assert verify_manifest(several / "outputs") == RunResult.read(several).outputs_digest
    alone, found = lines_of(one), lines_of(several)
    assert len(alone) == len(found) > 2
    for expected, line in zip(alone, found, strict=True):
        assert line == pytest.approx(expected, abs=1e-5)
    names = files_of(one)
    assert names == files_of(several)
    for name in names:
        ours, theirs = one / "outputs" / name, several / "outputs" / name
        if name.endswith(".safetensors"):
            weights, others = load_file(ours), load_file(theirs)
            assert weights.keys() == others.keys()
            for key, weight in weights.items():
                assert weight.shape == others[key].shape
                assert others[key].allclose(weight, atol=1e-4), f"{name}: {key}"
        elif name.endswith("config.json"):
            assert ours.read_bytes() == theirs.read_bytes()


def files_of(run: Path) -> list[str]:
    outputs = run / "outputs"
    return sorted(path.relative_to(outputs).as_posix() for path in outputs.rglob("*") if path.is_file())


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
    check_alike(reward_alone, folder)
    assert lines_of(folder)[0]["theta"] != lines_of(folder)[-1]["theta"]
    reports = [json.loads((run / "outputs/report.json").read_text()) for run in (reward_alone, folder)]
    assert reports[0]["accuracy"] == reports[1]["accuracy"]
    load_reward_model(folder / "outputs")


@pytest.mark.parametrize(
    ("family", "strategy", "settings"),
    [
        # One item a batch: one process has a stand-in. Rows of 21 tokens are shared, longer ones are not.
        ("qwen2", "ddp", {"batch_size": 1, "max_row_tokens": 21, "members": 2, "epochs": 0.2}),
        ("qwen2", "fsdp", {"micro_batch_size": 1, "max_row_tokens": 21, "members": 2}),
        ("t5", "fsdp", {"micro_batch_size": 2, "gradient_checkpointing": True}),
        ("gpt2", "fsdp", {"lora_rank": 2, "ties": "drop"}),
    ],
)
def test_whatever_way_the_reward_model_reads(
    family: str, strategy: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    base = models.folder(family, tmp_path / "base")
    one = reward_run(tmp_path / "one", base, settings)
    assert start("reward", one) == 0
    several = reward_run(tmp_path / "several", base, settings, **together(strategy))
    assert start_together("reward", several, 2) == [0, 0]
    check_alike(one, several)


def sft_run(folder: Path, settings: dict[str, Any] | None = None, **config: Any) -> Path:
    # Responses of 1 to 5 tokens, so that the two processes have differing numbers of them.
    usual = {
        "base": runs.TINY,
        "epochs": 2.0,
        "batch_size": 5,
        "learning_rate": 1e-2,
        "evaluate_every": 3,
        **LIMITS,
    }
    return make_run(
        folder, "sft", {**usual, **(settings or {})}, {"dataset.jsonl": runs.demonstrations(28)}, **config
    )


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("ddp", {}),
        ("fsdp", {}),
        ("fsdp", {"base": {**runs.TINY, "family": "t5"}, "lora_rank": 2, "gradient_checkpointing": True}),
    ],
)
def test_two_processes_fine_tune_the_model_that_one_does(
    strategy: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    one = sft_run(tmp_path / "one", settings)
    assert start("sft", one) == 0
    several = sft_run(tmp_path / "several", settings, **together(strategy))
    assert start_together("sft", several, 2) == [0, 0]
    check_alike(one, several)
    assert "valid_loss" in lines_of(several)[-1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_several_processes_go_on_where_they_were(strategy: str, tmp_path: Path) -> None:
    """Dropout is on: each process has random numbers of its own, and goes on with those."""
    key = {CHECKPOINT_KEY: "aa" * 32}
    settings = {"base": {**runs.TINY, "family": "t5"}, "dropout": 0.2}
    whole = sft_run(tmp_path / "whole", settings, **together(strategy))
    assert start_together("sft", whole, 2) == [0, 0]
    again = sft_run(tmp_path / "again", settings, checkpoint_seconds=0.0, **together(strategy))
    assert start_together("sft", again, 2, **key) == [0, 0]
    places = sorted((again / "checkpoints").iterdir())
    # As if it had been killed after the step before the last: what came later was never kept.
    shutil.rmtree(places[-1])
    (again / "result.json").unlink()
    weights = load_file(again / "outputs/model.safetensors")
    assert start_together("sft", again, 2, **key) == [0, 0]
    assert lines_of(again) == lines_of(whole)
    for key_, weight in load_file(again / "outputs/model.safetensors").items():
        assert weight.equal(weights[key_])


def test_a_run_that_was_started_as_too_few_says_so(tmp_path: Path) -> None:
    folder = sft_run(tmp_path / "alone", **together("ddp"))
    assert start("sft", folder) == EXIT_BAD_INPUT
    assert RunError.read(folder).reason == "resources: 2 processes are wanted, and this was started as 1"


def test_what_a_stage_cannot_be_trained_by_is_refused_by_name(tmp_path: Path) -> None:
    for stage, strategy in (("ppo", "fsdp"), ("generate", "ddp")):
        with pytest.raises(
            ContractError, match=f"{stage} cannot be spread over several processes by {strategy}"
        ):
            Resources(processes=2, strategy=strategy).check(stage)  # type: ignore[arg-type]
    Resources(strategy="fsdp").check("generate")


def test_a_loss_that_one_process_finds_infinite_ends_all_with_the_reason(tmp_path: Path) -> None:
    folder = sft_run(tmp_path / "wild", {"learning_rate": 1e30}, **together("ddp"))
    assert start_together("sft", folder, 2) == [EXIT_BAD_INPUT, EXIT_BAD_INPUT]
    assert "is not finite" in RunError.read(folder).reason
    assert not (folder / "result.json").exists()


def test_shares_of_a_batch_are_as_many_in_every_process() -> None:
    group = Group(Resources(), "cpu")
    assert group.parts([1, 2, 3], 2) == [([1, 2], 2), ([3], 1)]
    assert group.parts([1, 2, 3]) == [([1, 2, 3], 3)]
    assert group.parts([]) == []
    group.size = 2
    assert group.parts([1, 2, 3, 4, 5], 2) == [([1, 3], 2), ([5], 1)]
    group.rank = 1
    assert group.parts([1, 2, 3, 4, 5], 2) == [([2, 4], 2), ([1], 0)]
    assert group.parts([1, 2, 3]) == [([2], 1)]
    assert group.parts([1]) == [([1], 0)]


@pytest.mark.parametrize(
    "settings",
    [
        {"minibatch_size": 3, "batch_size": 6, "inner_epochs": 2},
        {
            "estimator": "grpo",
            "responses_per_prompt": 2,
            "micro_batch_size": 1,
            "pretraining_coefficient": 2.0,
        },
    ],
)
def test_two_processes_improve_the_policy_that_one_does(
    settings: dict[str, Any], base: Path, reward_alone: Path, tmp_path: Path
) -> None:
    usual = {
        "episodes": 18, "batch_size": 6, "minibatch_size": 6, "policy_learning_rate": 1e-3,
        "value_learning_rate": 1e-3, "warmup_iterations": 0, "ema_decay": 0.5, **LIMITS,
    }  # fmt: skip
    inputs = {
        "prompts.jsonl": runs.prompts(20),
        "policy": base,
        "reward": reward_alone / "outputs",
        "pretraining.jsonl": [PretrainingRow(f"text {number}") for number in range(9)],
    }
    one, several = (
        make_run(tmp_path / name, "ppo", {**usual, **settings}, inputs, **config)
        for name, config in (("one", {}), ("several", together("ddp")))
    )
    assert start("ppo", one) == 0
    assert start_together("ppo", several, 2) == [0, 0]
    check_alike(one, several)
