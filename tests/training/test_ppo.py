"""PPO's estimators, PPO-ptx, and a run that is killed in the middle."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training import runs
from tests.training.models import build, folder
from tests.training.runs import LIMITS, make_run, metrics, start, start_child
from training.contracts import (
    CHECKPOINT_KEY,
    EXIT_BAD_INPUT,
    PpoSettings,
    PretrainingRow,
    RunError,
    RunResult,
)
from training.data import Prompt
from training.iteration import Trainer
from training.pretraining import Corpus, language_loss
from training.reward_model import RewardModel
from training.rollout import episode_keys
from training.tokens import tiny_tokenizer

SETTINGS = {
    "episodes": 16, "batch_size": 8, "minibatch_size": 4, "policy_learning_rate": 1e-3,
    "value_learning_rate": 1e-3, "warmup_iterations": 0, "ema_decay": 0.5, **LIMITS,
}  # fmt: skip
CORPUS = [PretrainingRow("the cat sat on the mat"), PretrainingRow("a dog"), PretrainingRow("birds sing")]


def prompts(count: int) -> list[Prompt]:
    return [
        Prompt(f"p{n}", "train", runs.user(f"say {n}"), [3, *range(40, 42 + n % 3), 4]) for n in range(count)
    ]


def trainer(family: str = "llama", corpus: Corpus | None = None, **settings: Any) -> Trainer:
    """A policy with a reward model of its own kind, whose head is random."""
    chosen = PpoSettings(**{**SETTINGS, **settings})
    policy = build(family)
    torch.manual_seed(2)
    reward, value = (RewardModel(build(family).base_model) for _ in range(2))
    return Trainer(
        chosen,
        policy,
        value if chosen.estimator == "gae" else None,
        tiny_tokenizer(),
        reward,
        None,
        seed=1,
        corpus=corpus,
    )


def corpus_of(at: Path, family: str) -> Corpus:
    at.write_bytes(b"".join(runs.row_bytes(row) for row in CORPUS))
    return Corpus(at, tiny_tokenizer(), 12, seed=1, encoder_decoder=family == "t5")


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A policy whose generation defaults would bend what is sampled, and a reward model."""
    at = tmp_path_factory.mktemp("models")
    policy = folder("llama", at / "policy")
    defaults = {"do_sample": True, "top_k": 2, "top_p": 0.3, "repetition_penalty": 3.0, "eos_token_id": 1}
    (policy / "generation_config.json").write_text(json.dumps(defaults))
    torch.manual_seed(2)
    (at / "reward").mkdir()
    RewardModel(build("llama").model).save(tiny_tokenizer(), at / "reward")
    return {"policy": policy, "reward": at / "reward"}


def improved(at: Path, models: dict[str, Path], rows: int = 0, **settings: Any) -> Path:
    inputs: dict[str, Any] = {"prompts.jsonl": runs.prompts(12), **models}
    if rows:
        inputs["pretraining.jsonl"] = CORPUS[:rows]
    return make_run(at, "ppo", {**SETTINGS, **settings}, inputs)


def test_a_models_own_generation_defaults_do_not_bend_what_is_sampled(
    models: dict[str, Path], tmp_path: Path
) -> None:
    run = improved(tmp_path / "ppo", models)
    assert start("ppo", run) == 0
    first = metrics(run)[0]
    assert first["first_ratio_error"] < 1e-4
    assert first["kl"] == pytest.approx(0, abs=1e-4)
    # Of the two likeliest tokens alone no entropy could be above log 2; what is sampled is far from them.
    assert first["entropy"] > 2


@pytest.mark.parametrize("estimator", ["gae", "rloo", "grpo"])
def test_every_estimator_learns_from_several_responses_to_a_prompt(
    estimator: str, models: dict[str, Path], tmp_path: Path
) -> None:
    run = improved(tmp_path / "ppo", models, estimator=estimator, responses_per_prompt=4)
    assert start("ppo", run) == 0
    lines = metrics(run)
    assert len(lines) == 2
    assert lines[0]["first_ratio_error"] < 1e-4
    # Without a critic there is nothing to measure of it.
    assert ("value_loss" in lines[0]) == (estimator == "gae")
    assert RunResult.read(run).metrics["value_from"] == ("reward" if estimator == "gae" else None)


def test_critic_free_estimators_hold_no_value_model() -> None:
    critic_free = trainer(estimator="rloo", responses_per_prompt=2)
    assert not {"value", "value_optimizer", "value_schedule"} & set(critic_free.parts)


def test_rloo_has_the_kl_in_its_rewards_and_grpo_in_its_loss() -> None:
    answers = {}
    for estimator in ("rloo", "grpo"):
        some = trainer(estimator=estimator, responses_per_prompt=2, eos_penalty=0.0, kl_coefficient=0.5)
        rollout = some.roll_out(prompts(4), 1, copies=2)
        rollout = replace(rollout, scores=torch.tensor([1.0, 3.0] * 4), reference=rollout.log_probs.clone())
        rollout.reference[0, 0] -= 2.0
        answers[estimator] = some._advantages(rollout)[0]
    # The first response of the first prompt is 2 nats from the reference: 1 - 0.5 * 2 - 3.
    assert answers["rloo"][0, 0].item() == pytest.approx(-3.0, abs=1e-5)
    assert answers["rloo"][2, 0].item() == pytest.approx(-2.0, abs=1e-5)
    assert answers["grpo"][0, 0].item() == answers["grpo"][2, 0].item() == pytest.approx(-1.0, abs=1e-3)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_the_pretraining_gradients_are_gamma_times_those_of_the_mean_loss_a_token(
    family: str, tmp_path: Path
) -> None:
    corpus = corpus_of(tmp_path / "pretraining.jsonl", family)
    some = trainer(family, corpus, pretraining_coefficient=3.0, pretraining_per_episode=2, micro_batch_size=2)
    loss = some._pretrain(corpus, episodes=3, number=2)
    added = [weight.grad.clone() for weight in some.policy.parameters() if weight.grad is not None]

    some.policy.zero_grad()
    # Two examples an episode: the second six of the sequence, in one piece.
    whole = language_loss(some.policy, corpus.batch(2, 6, 0, "cpu"))
    whole.backward()
    alone = [weight.grad for weight in some.policy.parameters() if weight.grad is not None]
    assert loss == pytest.approx(whole.item(), abs=1e-5)
    for got, one in zip(added, alone, strict=True):
        assert torch.allclose(got, 3.0 * one, atol=1e-5)


def test_ptx_lowers_the_pretraining_loss_that_a_run_logs(models: dict[str, Path], tmp_path: Path) -> None:
    run = improved(
        tmp_path / "ppo", models, rows=1, pretraining_coefficient=27.8, episodes=64, policy_learning_rate=1e-2
    )
    assert start("ppo", run) == 0
    lines = metrics(run)
    assert lines[-1]["pretraining_loss"] < 0.8 * lines[0]["pretraining_loss"]


def test_micro_batches_leave_an_update_as_it_is() -> None:
    whole, parts = trainer(), trainer(micro_batch_size=1)
    rollout = whole.roll_out(prompts(8), 1)
    figures = [some.learn(rollout, 1) for some in (whole, parts)]
    assert figures[1] == pytest.approx(figures[0], abs=1e-5)
    # Adam divides by the gradient's size, so that the weights where it is nothing but rounding may differ.
    difference = (weights(whole.policy) - weights(parts.policy)).abs()
    assert difference.mean() < 1e-6


def test_an_update_is_settled_by_its_rollout() -> None:
    one, two = trainer(), trainer()
    rollout = one.roll_out(prompts(8), 1)
    recorded = replace(rollout, batch=rollout.batch.rows(torch.arange(8)))
    assert one.learn(rollout, 1) == two.learn(recorded, 1)
    assert torch.equal(weights(one.policy), weights(two.policy))


def test_an_episode_is_settled_by_its_prompt_wherever_it_stands() -> None:
    some, asked = trainer(), prompts(6)
    forwards, backwards = some.roll_out(asked, 3), some.roll_out(asked[::-1], 3)
    assert torch.equal(forwards.batch.responses[2], backwards.batch.responses[3])
    assert len(set(episode_keys([asked[0], asked[1], asked[0]]))) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"estimator": "rloo"}, "settings.responses_per_prompt"),
        ({"estimator": "grpo"}, "settings.responses_per_prompt"),
        ({"estimator": "rloo", "responses_per_prompt": 2, "whiten_rewards": True}, "settings.whiten_rewards"),
        ({"responses_per_prompt": 3}, "settings.batch_size"),
        ({"minibatch_size": 5}, "settings.batch_size"),
        ({"pretraining_coefficient": 1.0}, "inputs/pretraining.jsonl"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    models: dict[str, Path], tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    run = improved(tmp_path / "ppo", models, **change)
    assert start("ppo", run) == EXIT_BAD_INPUT
    assert reason in RunError.read(run).reason


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_as_if_nothing_had_happened(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHECKPOINT_KEY, "ab" * 32)
    finished, killed = (
        improved(
            tmp_path / name, models, rows=3, episodes=240, pretraining_coefficient=0.5, kl_target=3.0,
            pretraining_per_episode=1, whiten_rewards=True,
        )
        for name in ("finished", "killed")
    )  # fmt: skip
    for run in (finished, killed):
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps({**config, "checkpoint_seconds": 0.0}))

    child = start_child("ppo", killed)
    while not any(int(place.name) > 2 for place in (killed / "checkpoints").glob("0*[0-9]")):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert 3 <= len(metrics(killed)) < 30
    for run in (killed, finished):
        assert start("ppo", run) == 0

    def lines(run: Path) -> list[dict[str, Any]]:
        return [{name: value for name, value in line.items() if name != "time"} for line in metrics(run)]

    assert lines(killed) == lines(finished)
    assert RunResult.read(killed).outputs_digest == RunResult.read(finished).outputs_digest
