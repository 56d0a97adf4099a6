"""SFT: packed or not it learns the same; the pretraining mix; which step is published."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training import models, runs
from tests.training.runs import LIMITS, TINY, make_run, start, start_child
from training.contracts import (
    CHECKPOINT_KEY,
    EXIT_BAD_INPUT,
    TRAINED_ON,
    PretrainingRow,
    RunError,
    RunResult,
    write_json,
)
from training.reward_model import new_reward_model

SETTINGS = {
    "base": TINY,
    "max_steps": 8,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "evaluate_every": 2,
    "pack_tokens": 64,
    **LIMITS,
}
CORPUS = [PretrainingRow("the sky is blue " * 3), PretrainingRow("and grass is green")]


def tuned(at: Path, inputs: dict[str, Any] | None = None, **settings: Any) -> tuple[Path, dict[str, Any]]:
    given = {"dataset.jsonl": runs.demonstrations(40), **(inputs or {})}
    folder = make_run(at, "sft", {**SETTINGS, **settings}, given)
    assert start("sft", folder) == 0, RunError.read(folder).reason
    return folder, RunResult.read(folder).metrics


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model with a random head that was trained on half of the held-out prompts."""
    folder = tmp_path_factory.mktemp("judge")
    base = models.folder("llama", folder / "base")
    model, tokenizer = new_reward_model(base)
    model.save(tokenizer, folder / "reward")
    known = [f"p{number}" for number in range(20)]
    write_json(folder / "reward" / TRAINED_ON, {"prompts": known, "labelers": ["ann"]})
    return folder / "reward"


def test_packed_rows_and_padded_ones_train_alike(tmp_path: Path) -> None:
    packed, figures = tuned(tmp_path / "packed")
    assert figures["packing"]["used"]
    padded, figures = tuned(tmp_path / "padded", packing="off")
    assert figures["packing"] == {"used": False, "difference": None, "why": "turned off"}
    for ours, theirs in zip(runs.metrics(packed), runs.metrics(padded), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert ours.get("valid_loss") == pytest.approx(theirs.get("valid_loss"), abs=1e-4)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_share_of_each_batch_is_text_of_the_corpus(family: str, tmp_path: Path) -> None:
    base = {**TINY, "family": family}
    folder, figures = tuned(
        tmp_path / "mix",
        {"pretraining.jsonl": CORPUS},
        base=base,
        pretraining_share=0.25,
        max_steps=0,
        epochs=2,
    )
    lines = runs.metrics(folder)
    assert lines[-1]["pretraining_loss"] < lines[0]["pretraining_loss"]
    # Two of a batch's eight are text, so an epoch of 30 demonstrations is five steps of six.
    assert figures["steps"] == 10


def test_a_mix_needs_a_corpus_and_leaves_room_for_demonstrations(tmp_path: Path) -> None:
    for name, share, inputs in (("none", 0.1, {}), ("all", 1.0, {"pretraining.jsonl": CORPUS})):
        given = {"dataset.jsonl": runs.demonstrations(8), **inputs}
        folder = make_run(tmp_path / name, "sft", {**SETTINGS, "pretraining_share": share}, given)
        assert start("sft", folder) == EXIT_BAD_INPUT
        assert "settings.pretraining_share" in RunError.read(folder).reason


def test_the_step_with_the_lowest_validation_loss_is_published(tmp_path: Path) -> None:
    # At this learning rate the loss goes up again.
    folder, figures = tuned(tmp_path / "best", learning_rate=0.3, max_steps=4)
    losses = {line["step"]: line["valid_loss"] for line in runs.metrics(folder) if "valid_loss" in line}
    best = min(losses, key=losses.__getitem__)
    assert best < 4
    assert (figures["chosen_by"], figures["chosen_step"]) == ("valid_loss", best)
    assert figures["valid_loss"] == losses[best]
    # What is published is that step: a run that goes no further from it says so.
    still, _ = tuned(
        tmp_path / "still",
        {"base": folder / "outputs"},
        base={"kind": "folder"},
        max_steps=1,
        learning_rate=1e-12,
    )
    assert runs.metrics(still)[0]["valid_loss"] == pytest.approx(losses[best], abs=1e-4)


def test_the_last_step_is_published_where_that_is_asked_or_nothing_is_held_out(tmp_path: Path) -> None:
    _, figures = tuned(tmp_path / "asked", checkpoint="last", max_steps=3)
    assert (figures["chosen_by"], figures["chosen_step"]) == ("last", 3)
    rows = [row for row in runs.demonstrations(20) if row.split == "train"]
    _, figures = tuned(tmp_path / "nothing", {"dataset.jsonl": rows}, max_steps=3)
    assert (figures["chosen_by"], figures["chosen_step"], figures["valid_loss"]) == ("last", 3, None)


def test_a_reward_model_chooses_by_prompts_that_it_does_not_know(judge: Path, tmp_path: Path) -> None:
    folder, figures = tuned(tmp_path / "run", {"reward": judge})
    rewards = {line["step"]: line["reward"] for line in runs.metrics(folder) if "reward" in line}
    assert list(rewards) == [2, 4, 6, 8]
    best = max(rewards, key=rewards.__getitem__)
    assert (figures["chosen_by"], figures["chosen_step"]) == ("reward", best)
    assert figures["reward"] == rewards[best]


def test_a_reward_model_that_knows_every_prompt_leaves_it_to_the_loss(
    judge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = runs.demonstrations(16)
    _, figures = tuned(tmp_path / "run", {"reward": judge, "dataset.jsonl": rows}, max_steps=2)
    assert figures["chosen_by"] == "valid_loss"
    assert "knows every held-out prompt" in capsys.readouterr().err


def test_a_reward_model_that_does_not_say_what_it_knows_is_refused(judge: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.mkdir()
    for path in judge.iterdir():
        if path.name != TRAINED_ON:
            (silent / path.name).symlink_to(path)
    inputs = {"dataset.jsonl": runs.demonstrations(8), "reward": silent}
    folder = make_run(tmp_path / "run", "sft", SETTINGS, inputs)
    assert start("sft", folder) == EXIT_BAD_INPUT
    assert RunError.read(folder).reason.startswith(f"inputs/reward: {TRAINED_ON} is missing")


@pytest.mark.slow
def test_a_killed_run_still_knows_its_best_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"learning_rate": 0.3, "max_steps": 12, "pretraining_share": 0.2, "evaluate_every": 1}
    whole, figures = tuned(tmp_path / "whole", {"pretraining.jsonl": CORPUS}, **settings)
    assert figures["chosen_step"] < 6

    monkeypatch.setenv(CHECKPOINT_KEY, "ab" * 32)
    inputs = {"dataset.jsonl": runs.demonstrations(40), "pretraining.jsonl": CORPUS}
    folder = make_run(tmp_path / "killed", "sft", {**SETTINGS, **settings}, inputs)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "checkpoint_seconds": 0}))
    child = start_child("sft", folder)
    while not (folder / f"checkpoints/{6:08d}").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert start("sft", folder) == 0
    assert RunResult.read(folder).metrics == figures
    ours, theirs = ((at / "outputs/model.safetensors").read_bytes() for at in (folder, whole))
    assert ours == theirs
