"""Every stage of the loop for every kind of model, LoRA and reward models of another kind than the policy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import models, runs
from tests.training.runs import LIMITS, TINY, make_run, start
from training.checkpoints import load_policy
from training.contracts import EXIT_BAD_INPUT, GeneratedRow, RunError, RunResult, read_rows

pytestmark = pytest.mark.slow

LORA = {"lora_rank": 4, "gradient_checkpointing": True}
RATES = {"policy_learning_rate": 1e-2, "value_learning_rate": 1e-2, "warmup_iterations": 0, "ema_decay": 0.5}
EPISODES = {"episodes": 32, "batch_size": 16, "minibatch_size": 8}


def done(stage: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """What a run published, and its figures."""
    assert start(stage, folder) == 0, RunError.read(folder).reason
    return folder / "outputs", RunResult.read(folder).metrics


def fine_tuned(at: Path, base: dict[str, Any] | Path, **settings: Any) -> Path:
    """A policy that has seen a few demonstrations."""
    inputs: dict[str, Any] = {"dataset.jsonl": runs.demonstrations(24)}
    if isinstance(base, Path):
        inputs["base"], base = base, {"kind": "folder"}
    chosen = {"base": base, "max_steps": 6, "batch_size": 8, "learning_rate": 1e-2, **LIMITS, **settings}
    folder = make_run(at, "sft", chosen, inputs)
    policy, _ = done("sft", folder)
    lines = runs.metrics(folder)
    assert lines[-1]["loss"] < lines[0]["loss"]
    return policy


def rewarded(at: Path, base: Path, **settings: Any) -> Path:
    """A reward model that has learned that more of "a" is better."""
    chosen = {"epochs": 6.0, "batch_size": 4, "learning_rate": 1e-2, "bootstrap": 20, **LIMITS, **settings}
    inputs = {"dataset.jsonl": runs.comparisons(24), "demonstrations.jsonl": runs.demonstrations(8)}
    reward, figures = done("reward", make_run(at, "reward", chosen, {**inputs, "base": base}))
    assert figures["accuracy"] > 0.7
    return reward


def improved(at: Path, policy: Path, reward: Path, **settings: Any) -> tuple[Path, dict[str, Any]]:
    inputs = {"prompts.jsonl": runs.prompts(12), "policy": policy, "reward": reward}
    folder = make_run(at, "ppo", {**EPISODES, **RATES, **LIMITS, **settings}, inputs)
    outputs, figures = done("ppo", folder)
    first = runs.metrics(folder)[0]
    assert first["kl"] == pytest.approx(0, abs=1e-4)
    assert first["first_ratio_error"] < 1e-4
    return outputs, figures


@pytest.mark.parametrize("settings", [{}, LORA], ids=["whole", "lora"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "t5"])
def test_a_model_goes_through_every_stage(family: str, settings: dict[str, Any], tmp_path: Path) -> None:
    base = models.folder(family, tmp_path / "base")
    policy = fine_tuned(tmp_path / "sft", base, **settings)
    reward = rewarded(tmp_path / "reward", policy, **settings)
    better, figures = improved(tmp_path / "ppo", policy, reward, **settings)
    assert figures["kl"] > 0
    assert figures["value_from"] == "reward"

    prompts = {"prompts.jsonl": runs.prompts(6)}
    given = {**prompts, "policy": better}
    completions, _ = done("generate", make_run(tmp_path / "generate", "generate", LIMITS, given))
    rows = list(read_rows(completions / "completions.jsonl", GeneratedRow))
    assert len({row.text for row in rows}) > 1

    against = {**prompts, "policy": policy, "reference": policy, "reward": reward}
    _, report = done("evaluate", make_run(tmp_path / "evaluate", "evaluate", LIMITS, against))
    assert report["kl"] == pytest.approx(0, abs=1e-3)
    assert math.isfinite(report["temperatures"]["1.0"]["reward"])

    # Adapters are merged: a published folder is a plain model like the one it started from.
    names = [dict(load_policy(at)[0].named_parameters()).keys() for at in (base, policy, better)]
    assert names[0] == names[1] == names[2]


def test_the_tiny_t5_learns_what_it_is_shown(tmp_path: Path) -> None:
    base = {**TINY, "family": "t5", "hidden_size": 32}
    inputs = {"dataset.jsonl": runs.demonstrations(24)}
    settings = {"base": base, "max_steps": 200, "batch_size": 16, "learning_rate": 3e-3, **LIMITS}
    folder = make_run(tmp_path / "sft", "sft", {**settings, "warmup_steps": 10}, inputs)
    _, figures = done("sft", folder)
    assert runs.metrics(folder)[0]["loss"] > 4
    assert figures["loss"] < 0.5


def test_a_reward_model_of_the_other_kind_scores_a_policys_tokens(tmp_path: Path) -> None:
    policy = fine_tuned(tmp_path / "sft", {**TINY, "hidden_size": 32})
    reward = rewarded(tmp_path / "reward", models.folder("t5", tmp_path / "base"))
    _, figures = improved(tmp_path / "ppo", policy, reward)
    assert figures["value_from"] == "reward"


def test_a_reward_model_with_other_tokens_reads_the_policys_text(tmp_path: Path) -> None:
    policy = fine_tuned(tmp_path / "sft", {**TINY, "hidden_size": 32})
    other = models.folder("gpt2", tmp_path / "base")
    tokenizer = models.plain_tokenizer(eos_token="<end>", pad_token="<pad>")
    tokenizer.save_pretrained(other)
    (other / "chat_template.jinja").unlink()
    reward = rewarded(tmp_path / "reward", other)
    _, figures = improved(tmp_path / "ppo", policy, reward)
    against = {"prompts.jsonl": runs.prompts(2), "policy": policy, "reference": other}
    evaluation = make_run(tmp_path / "evaluate", "evaluate", LIMITS, against)
    assert start("evaluate", evaluation) == EXIT_BAD_INPUT
    assert "inputs/reference" in RunError.read(evaluation).reason
    # Such a reward model cannot value the policy's tokens one by one.
    assert figures["value_from"] == "policy"
    assert math.isfinite(figures["score"])


def test_an_adaptive_coefficient_moves_by_a_fiftieth_at_most(tmp_path: Path) -> None:
    policy = fine_tuned(tmp_path / "sft", {**TINY, "hidden_size": 32})
    reward = rewarded(tmp_path / "reward", policy)
    _, figures = improved(tmp_path / "ppo", policy, reward, kl_coefficient=0.1, kl_target=5.0, episodes=48)
    lines = runs.metrics(tmp_path / "ppo")
    # At first there is no KL at all: the error is clipped at -0.2.
    assert [line["kl_coefficient"] for line in lines[:2]] == pytest.approx([0.1, 0.098])
    assert figures["kl_coefficient"] < 0.098
    refused = make_run(
        tmp_path / "refused",
        "ppo",
        {**EPISODES, **LIMITS, "kl_coefficient": 0.0, "kl_target": 5.0},
        {"prompts.jsonl": runs.prompts(4), "policy": policy, "reward": reward},
    )
    assert start("ppo", refused) == EXIT_BAD_INPUT
    assert "settings.kl_coefficient" in RunError.read(refused).reason


def test_in_bfloat16_the_first_ratio_is_near_one(tmp_path: Path) -> None:
    policy = fine_tuned(tmp_path / "sft", {**TINY, "hidden_size": 32}, precision="bfloat16")
    reward = rewarded(tmp_path / "reward", policy, precision="bfloat16")
    inputs = {"prompts.jsonl": runs.prompts(12), "policy": policy, "reward": reward}
    settings = {**EPISODES, **RATES, **LIMITS, "precision": "bfloat16"}
    folder = make_run(tmp_path / "ppo", "ppo", settings, inputs)
    done("ppo", folder)
    assert 0 < runs.metrics(folder)[0]["first_ratio_error"] < 0.1
    weights = load_policy(folder / "outputs")[0].parameters()
    assert all(weight.dtype == torch.float32 for weight in weights)


def test_two_runs_with_one_seed_write_the_same_weights(tmp_path: Path) -> None:
    policy = fine_tuned(tmp_path / "sft", {**TINY, "hidden_size": 32})
    reward = rewarded(tmp_path / "reward", policy)
    first, _ = improved(tmp_path / "one", policy, reward)
    second, _ = improved(tmp_path / "two", policy, reward)
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
