"""DPO: the implicit reward learns from rankings as a reward model would, and the policy goes no further."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import models, runs
from tests.training.runs import LIMITS, make_run, start, start_child
from training import dpo
from training.checkpoints import load_policy
from training.contracts import CHECKPOINT_KEY, EXIT_BAD_INPUT, DpoSettings, RunError, RunResult
from training.data import Item
from training.reward_losses import agreeing, kwise_loss, kwise_pairs

SETTINGS = {"epochs": 4.0, "batch_size": 4, "learning_rate": 3e-3, **LIMITS}


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("policies")
    return {family: models.folder(family, at / family) for family in ("llama", "t5")}


def preferred(at: Path, policy: Path, **settings: Any) -> tuple[Path, dict[str, Any]]:
    inputs = {"dataset.jsonl": runs.comparisons(24), "policy": policy}
    folder = make_run(at, "dpo", {**SETTINGS, **settings}, inputs)
    assert start("dpo", folder) == 0, RunError.read(folder).reason
    return folder, RunResult.read(folder).metrics


def test_the_implicit_reward_is_beta_times_the_log_ratio() -> None:
    """β = 0.5, log ratios (2, 0, 0), ranked 1, 2, 2: rewards (1, 0, 0), pairs 1 > 2 and 1 > 3, a tie.

    log σ(1) = -0.313262; two of them over C(3, 2) = 3, and nothing for the tie: 0.208841.
    """
    rewards = 0.5 * torch.tensor([2.0, 0.0, 0.0])
    pairs = kwise_pairs([[(1, 2, 2)]])
    assert kwise_loss(rewards, pairs).item() == pytest.approx(0.208841, abs=1e-6)
    assert agreeing(rewards, pairs) == (2.0, 2)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_completions_log_probability_is_that_of_its_tokens_one_by_one(
    policies: dict[str, Path], family: str
) -> None:
    policy, _ = load_policy(policies[family])
    items = [Item("a", "train", [9, 8, 7], [[5, 6], [7]], []), Item("b", "train", [9], [[4, 4, 4], [1]], [])]
    found = dpo.log_probs_of_each(policy, items, 0, DpoSettings())
    assert [len(part) for part in found] == [2, 2]
    for item, part in zip(items, found, strict=True):
        for response, value in zip(item.responses, part.tolist(), strict=True):
            expected = 0.0
            for at, token in enumerate(response):
                if family == "t5":
                    read = {"decoder_input_ids": torch.tensor([[0, *response[:at]]])}
                    logits = policy(input_ids=torch.tensor([item.prompt]), **read).logits
                else:
                    logits = policy(input_ids=torch.tensor([item.prompt + response[:at]])).logits
                expected += logits[0, -1].log_softmax(-1)[token].item()
            assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("llama", {}),
        ("llama", {"lora_rank": 4, "learning_rate": 1e-2, "gradient_checkpointing": True}),
        ("t5", {"ties": "rao_kupper", "micro_batch_size": 3}),
    ],
    ids=["llama", "lora", "t5 with ties"],
)
def test_a_policy_comes_to_prefer_what_labelers_prefer(
    policies: dict[str, Path], family: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder, figures = preferred(tmp_path / "dpo", policies[family], **settings)
    lines = runs.metrics(folder)
    # The policy is still the reference: all rewards are 0, and each pair costs log 2 nats. Ann's ranking has
    # six pairs, Bob's five and a tie that is dropped: 11 / 12 of log 2.
    if "ties" not in settings:
        assert lines[0]["loss"] == pytest.approx(11 / 12 * math.log(2), abs=1e-5)
    assert figures["loss"] < lines[0]["loss"]
    assert figures["accuracy"] > 0.8
    assert figures["kl"] > 0
    assert (figures["theta"] is not None) == ("ties" in settings)
    published = dict(load_policy(folder / "outputs")[0].named_parameters())
    began = dict(load_policy(policies[family])[0].named_parameters())
    assert published.keys() == began.keys()


def test_micro_batches_change_no_gradient(policies: dict[str, Path], tmp_path: Path) -> None:
    whole, _ = preferred(tmp_path / "whole", policies["llama"], epochs=1.0)
    split, _ = preferred(tmp_path / "split", policies["llama"], epochs=1.0, micro_batch_size=1)
    losses = [[line["loss"] for line in runs.metrics(folder)] for folder in (whole, split)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(
    policies: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"ties": "rao_kupper", "epochs": 4.0}
    whole, _ = preferred(tmp_path / "whole", policies["llama"], **settings)

    monkeypatch.setenv(CHECKPOINT_KEY, "ab" * 32)
    inputs = {"dataset.jsonl": runs.comparisons(24), "policy": policies["llama"]}
    folder = make_run(tmp_path / "killed", "dpo", {**SETTINGS, **settings}, inputs)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"seed": 1', '"seed": 1, "checkpoint_seconds": 0'))
    child = start_child("dpo", folder)
    while not list(folder.glob("checkpoints/*5")):
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (folder / "result.json").exists()
    assert start("dpo", folder) == 0
    lines = [[{**line, "time": 0} for line in runs.metrics(at)] for at in (folder, whole)]
    assert lines[0] == lines[1]
    ours, theirs = ((at / "outputs/model.safetensors").read_bytes() for at in (folder, whole))
    assert ours == theirs


def test_a_dataset_without_an_ordered_item_of_the_train_split_is_refused(
    policies: dict[str, Path], tmp_path: Path
) -> None:
    inputs = {"dataset.jsonl": runs.comparisons(1), "policy": policies["llama"]}
    folder = make_run(tmp_path / "dpo", "dpo", SETTINGS, inputs)
    assert start("dpo", folder) == EXIT_BAD_INPUT
    assert "no ranked item" in RunError.read(folder).reason
