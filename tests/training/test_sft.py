"""Supervised fine-tuning: what it learns from, what it mixes in, and which of its steps is published."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import models, runs
from tests.training.runs import LIMITS, TINY, make_run, metrics, start
from training import checkpoints, data
from training.choice import Best
from training.contracts import (
    CHECKPOINT_KEY,
    EXIT_BAD_INPUT,
    DemonstrationRow,
    Message,
    PretrainingRow,
    RunError,
    RunResult,
    row_bytes,
)
from training.packing import unpacked_log_probs
from training.resume import Checkpoints
from training.tokens import decode_response, tiny_tokenizer

SETTINGS = {
    "base": TINY, "max_steps": 12, "batch_size": 8, "learning_rate": 1e-2, "evaluate_every": 4, **LIMITS,
}  # fmt: skip
WEIGHTS = "outputs/model.safetensors"


def tuned(folder: Path, settings: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """The figures of a run."""
    given = {"dataset.jsonl": runs.demonstrations(40), **inputs}
    make_run(folder, "sft", {**SETTINGS, **settings}, given)
    assert start("sft", folder) == 0, RunError.read(folder).reason
    return RunResult.read(folder).metrics


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of the train prompts p1 to p15 that likes the letter a."""
    at = tmp_path_factory.mktemp("reward")
    base = models.folder("llama", at / "base")
    settings = {"epochs": 4.0, "batch_size": 4, "learning_rate": 1e-2, "bootstrap": 10, **LIMITS}
    inputs = {"dataset.jsonl": runs.comparisons(16), "base": base}
    folder = make_run(at / "run", "reward", settings, inputs)
    assert start("reward", folder) == 0
    return folder / "outputs"


def test_packing_changes_neither_the_losses_nor_the_batches(tmp_path: Path) -> None:
    packed = tuned(tmp_path / "packed", {})
    apart = tuned(tmp_path / "apart", {"packing": "off"})
    assert [figures["packing"]["used"] for figures in (packed, apart)] == [True, False]
    ours, theirs = metrics(tmp_path / "packed"), metrics(tmp_path / "apart")
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], abs=1e-4)


def test_of_a_conversation_only_the_last_answer_is_learned_and_chinese_comes_back(tmp_path: Path) -> None:
    chat = (Message("user", "二加二？"), Message("assistant", "四"), Message("user", "再加一？"))
    path = tmp_path / "dataset.jsonl"
    path.write_bytes(row_bytes(DemonstrationRow("d", "p", "train", chat, "五。")))
    tokenizer = tiny_tokenizer()
    [example] = data.load_demonstrations(path, tokenizer, 99, 99)["train"]
    assert decode_response(tokenizer, example.response) == "五。"
    assert "四" in decode_response(tokenizer, example.prompt)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_share_of_each_batch_is_corpus_text(family: str, tmp_path: Path) -> None:
    corpus = [PretrainingRow("xyzxyz" * 4)] * 5
    base = {**TINY, "family": family}
    mix = {"base": base, "pretraining_share": 0.25, "max_steps": 0, "epochs": 1.0}
    figures = tuned(tmp_path / "mixed", mix, **{"pretraining.jsonl": corpus})
    # 30 demonstrations by 8 - 2 a batch.
    assert figures["steps"] == 5
    lines = metrics(tmp_path / "mixed")
    assert lines[-1]["pretraining_loss"] < lines[0]["pretraining_loss"]


@pytest.mark.parametrize(
    ("share", "inputs", "reason"),
    [
        (0.1, {}, "inputs/pretraining.jsonl"),
        (0.99, {"pretraining.jsonl": [PretrainingRow("a")]}, "no demonst"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(
    share: float, inputs: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    given = {"dataset.jsonl": runs.demonstrations(8), **inputs}
    folder = make_run(tmp_path / "bad", "sft", {**SETTINGS, "pretraining_share": share}, given)
    assert start("sft", folder) == EXIT_BAD_INPUT
    assert reason in RunError.read(folder).reason


def test_the_step_of_the_best_validation_loss_is_published(tmp_path: Path) -> None:
    # What is held out is the opposite of what is trained on, so every step makes it worse.
    rows = [
        DemonstrationRow(f"d{n}", f"p{n}", runs.split_of(n), runs.user("say"), "bbbb" if n % 4 else "cccc")
        for n in range(16)
    ]
    figures = tuned(
        tmp_path / "best",
        {"evaluate_every": 2, "max_steps": 20, "learning_rate": 5e-2},
        **{"dataset.jsonl": rows},
    )
    losses = {line["step"]: line["valid_loss"] for line in metrics(tmp_path / "best") if "valid_loss" in line}
    assert figures["chosen_by"] == "valid_loss"
    assert figures["chosen_step"] == min(losses, key=losses.__getitem__) < 20
    assert figures["valid_loss"] == min(losses.values())
    last = tuned(tmp_path / "last", {"max_steps": 8, "checkpoint": "last"}, **{"dataset.jsonl": rows})
    assert (last["chosen_by"], last["chosen_step"]) == ("last", 8)
    model, tokenizer = checkpoints.load_policy(tmp_path / "best/outputs")
    path = tmp_path / "best/inputs/dataset.jsonl"
    valid = data.load_demonstrations(path, tokenizer, 32, 8)["valid"]
    with torch.no_grad():
        measured = -unpacked_log_probs(model, valid, 0).mean().item()
    assert measured == pytest.approx(figures["valid_loss"], abs=1e-5)


def test_a_reward_model_chooses_by_prompts_that_are_new_to_it(reward: Path, tmp_path: Path) -> None:
    figures = tuned(tmp_path / "sft", {}, reward=reward)
    scores = {line["step"]: line["reward"] for line in metrics(tmp_path / "sft") if "reward" in line}
    assert list(scores) == [4, 8, 12]
    assert figures["chosen_by"] == "reward"
    assert figures["chosen_step"] == max(scores, key=scores.__getitem__)
    assert figures["reward"] == max(scores.values())


def test_a_reward_model_that_knows_every_held_out_prompt_chooses_nothing(
    reward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [DemonstrationRow(f"d{n}", "p1", runs.split_of(n), runs.user("say 1"), "ab") for n in range(12)]
    assert tuned(tmp_path / "sft", {}, reward=reward, **{"dataset.jsonl": rows})["chosen_by"] == "valid_loss"
    assert "validation loss chooses" in capsys.readouterr().err


def test_a_reward_model_that_does_not_say_what_it_knows_is_refused(reward: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    shutil.copytree(reward, silent)
    (silent / "trained_on.json").unlink()
    given = {"dataset.jsonl": runs.demonstrations(8), "reward": silent}
    folder = make_run(tmp_path / "bad", "sft", SETTINGS, given)
    assert start("sft", folder) == EXIT_BAD_INPUT
    assert "inputs/reward: trained_on.json is missing" in RunError.read(folder).reason


def test_the_better_step_stays_and_of_equals_the_earlier() -> None:
    model = models.build("llama")
    best = Best(model, "valid_loss")
    name, weight = next(iter(model.named_parameters()))
    with torch.no_grad():
        for step, loss in enumerate((3.0, 1.0, 1.0, 2.0), 1):
            weight.fill_(step)
            best.offer(step, {"valid_loss": loss})
    kept = Best(model, "valid_loss")
    kept.load_state_dict(best.state_dict())
    kept.restore()
    assert (kept.step, kept.figures) == (2, {"valid_loss": 1.0})
    assert model.get_parameter(name).unique().tolist() == [2.0]


def test_a_killed_run_goes_on_with_its_best_weights_and_its_mix(
    reward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHECKPOINT_KEY, os.urandom(32).hex())
    corpus = {"pretraining.jsonl": [PretrainingRow(f"text {n}") for n in range(7)]}
    settings = {"pretraining_share": 0.25, "lora_rank": 2, "learning_rate": 3e-2}
    whole = tuned(tmp_path / "whole", settings, reward=reward, **corpus)

    class Killed(BaseException):
        pass

    def kept_until(last: int) -> Callable[..., None]:
        def keep(self: Checkpoints, step: int, *rest: Any, **values: Any) -> None:
            original(self, step, *rest, **values)
            if step == last:
                raise Killed

        original = Checkpoints.keep
        return keep

    given = {"dataset.jsonl": runs.demonstrations(40), "reward": reward, **corpus}
    folder = make_run(tmp_path / "killed", "sft", {**SETTINGS, **settings}, given)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"seed"', '"checkpoint_seconds": 0, "seed"'))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "keep", kept_until(9))
        with pytest.raises(Killed):
            start("sft", folder)
    assert start("sft", folder) == 0
    assert RunResult.read(folder).metrics == whole
    resumed, expected = load_file(folder / WEIGHTS), load_file(tmp_path / "whole" / WEIGHTS)
    assert all(resumed[name].equal(tensor) for name, tensor in expected.items())
