"""Every stage on tiny data, from its run folder alone."""

from __future__ import annotations

import json
import math
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import runs
from tests.training.runs import LIMITS, TINY, make_run, start, start_child
from training.contracts import (
    EXIT_BAD_INPUT,
    GeneratedRow,
    RunError,
    RunResult,
    Stage,
    read_rows,
    verify_manifest,
)

SFT = {"base": TINY, "epochs": 2.0, "batch_size": 8, "learning_rate": 1e-2, "evaluate_every": 3, **LIMITS}


def finished(stage: Stage, folder: Path) -> RunResult:
    """Run the stage and check what every stage promises."""
    assert start(stage, folder) == 0
    result = RunResult.read(folder)
    assert result.stage == stage
    assert verify_manifest(folder / "outputs") == result.outputs_digest
    published = [path.stat().st_mtime_ns for path in (folder / "outputs").rglob("*")]
    assert (folder / "result.json").stat().st_mtime_ns >= max(published)
    lines = runs.metrics(folder)
    assert lines[-1]["step"] == lines[-1]["total"]
    assert all({"step", "total", "time"} <= set(line) for line in lines)
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    return result


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of sft; its outputs are the model folder that the other stages start from."""
    folder = make_run(
        tmp_path_factory.mktemp("runs") / "sft", "sft", SFT, {"dataset.jsonl": runs.demonstrations(40)}
    )
    finished("sft", folder)
    return folder


@pytest.fixture(scope="module")
def reward(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(
        tmp_path_factory.mktemp("runs") / "reward",
        "reward",
        {"epochs": 4.0, "batch_size": 4, "learning_rate": 1e-2, "bootstrap": 50, **LIMITS},
        {
            "dataset.jsonl": runs.comparisons(32),
            "demonstrations.jsonl": runs.demonstrations(20),
            "base": policy / "outputs",
        },
    )
    finished("reward", folder)
    return folder


def test_sft_lowers_its_loss_and_reports_validation(policy: Path) -> None:
    lines = runs.metrics(policy)
    assert len(lines) == 8
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert [line["step"] for line in lines if "valid_loss" in line] == [3, 6, 8]
    assert RunResult.read(policy).metrics["demonstrations"] == 30


def test_a_model_folder_holds_safetensors_and_text_only(policy: Path) -> None:
    kinds = {path.suffix for path in (policy / "outputs").iterdir()}
    assert kinds == {".json", ".safetensors", ".jinja"}


def test_sft_goes_on_from_a_model_folder(policy: Path, tmp_path: Path) -> None:
    settings = {**SFT, "base": {"kind": "folder"}, "max_steps": 1, "learning_rate": 1e-9}
    inputs = {"dataset.jsonl": runs.demonstrations(40), "base": policy / "outputs"}
    folder = make_run(tmp_path / "again", "sft", settings, inputs)
    finished("sft", folder)
    before = load_file(policy / "outputs/model.safetensors")
    after = load_file(folder / "outputs/model.safetensors")
    assert all(after[name].allclose(tensor, atol=1e-6) for name, tensor in before.items())


def test_the_reward_model_learns_the_order_and_reports_it(reward: Path) -> None:
    report = json.loads((reward / "outputs/report.json").read_text())
    assert report["accuracy"] > 0.8
    assert 0 <= report["accuracy_low"] <= report["accuracy"] <= report["accuracy_high"] <= 1
    assert report["agreement"] == 1.0
    assert report["items"] == 32
    assert report["held_out_items"] == 8
    # Of each held-out item's two rankings, one has a tie: 6 + 5 pairs.
    assert report["pairs"] == 8 * 11
    assert report["tied_pairs"] == 32
    assert report["skipped_all_bad"] == 4
    assert report["centred_on"] == "demonstrations"
    head = load_file(reward / "outputs/head.safetensors")
    assert head["scale"].item() == pytest.approx(report["scale"])


def test_reward_without_demonstrations_is_centred_on_completions(policy: Path, tmp_path: Path) -> None:
    inputs = {"dataset.jsonl": runs.comparisons(8), "base": policy / "outputs"}
    folder = make_run(tmp_path / "reward", "reward", {"batch_size": 4, "bootstrap": 10, **LIMITS}, inputs)
    assert finished("reward", folder).metrics["centred_on"] == "completions"


def test_ppo_starts_at_the_reference_and_moves(policy: Path, reward: Path, tmp_path: Path) -> None:
    settings = {
        "episodes": 48, "batch_size": 16, "minibatch_size": 8, "policy_learning_rate": 1e-2,
        "value_learning_rate": 1e-2, "warmup_iterations": 0, "ema_decay": 0.0, **LIMITS,
    }  # fmt: skip
    inputs = {"prompts.jsonl": runs.prompts(20), "policy": policy / "outputs", "reward": reward / "outputs"}
    folder = make_run(tmp_path / "ppo", "ppo", settings, inputs)
    result = finished("ppo", folder)
    lines = runs.metrics(folder)
    assert len(lines) == 3
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-3)
    assert all(line["first_ratio_error"] < 1e-3 for line in lines)
    assert result.metrics["kl"] > 0
    assert result.metrics["measured_on"] == "valid"
    assert {"score", "length", "entropy", "clip_fraction", "value_loss", "loss"} <= set(lines[0])


def test_generate_writes_k_samples_for_every_prompt(policy: Path, tmp_path: Path) -> None:
    settings = {"completions_per_prompt": 3, "batch_size": 8, **LIMITS}
    inputs = {"prompts.jsonl": runs.prompts(5), "policy": policy / "outputs"}
    folder = make_run(tmp_path / "generate", "generate", settings, inputs)
    result = finished("generate", folder)
    rows = list(read_rows(folder / "outputs/completions.jsonl", GeneratedRow))
    assert sorted((row.prompt, row.sample) for row in rows) == [
        (f"p{n}", k) for n in range(5) for k in range(3)
    ]
    assert all(row.seed == 1 and row.logprob < 0 and 0 < row.tokens <= 8 for row in rows)
    assert result.metrics["completions"] == 15


def test_evaluate_reports_kl_length_and_reward(policy: Path, reward: Path, tmp_path: Path) -> None:
    inputs = {
        "prompts.jsonl": runs.prompts(8),
        "policy": policy / "outputs",
        "reference": policy / "outputs",
        "reward": reward / "outputs",
    }
    folder = make_run(tmp_path / "evaluate", "evaluate", {"temperatures": [1.0, 0.0], **LIMITS}, inputs)
    report = finished("evaluate", folder).metrics
    assert report["kl"] == pytest.approx(0, abs=1e-3)
    assert set(report["temperatures"]) == {"1.0", "0.0"}
    assert {"mean_tokens", "reward", "reward_error"} < set(report["temperatures"]["1.0"])
    rows = list(read_rows(folder / "outputs/completions.jsonl", GeneratedRow))
    assert len(rows) == 16


def test_a_second_attempt_in_the_same_folder_starts_over(policy: Path, tmp_path: Path) -> None:
    inputs = {"prompts.jsonl": runs.prompts(4), "policy": policy / "outputs"}
    folder = make_run(tmp_path / "generate", "generate", {**LIMITS}, inputs)
    first = finished("generate", folder)
    (folder / "outputs/left_over").write_text("of an attempt that was killed")
    assert finished("generate", folder).outputs_digest == first.outputs_digest
    assert [line["step"] for line in runs.metrics(folder)] == [4]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"batch_size": 0}, "settings.batch_size"),
        ({"learning_rate": "fast"}, "settings.learning_rate"),
        ({"colour": "red"}, "settings.colour"),
        ({"base": {"kind": "tiny", "hidden_size": 10, "heads": 4}}, "settings.base.hidden_size"),
        ({"base": {"kind": "folder"}}, "inputs/base"),
        ({"base": {"kind": "hub"}}, "settings.base.name"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    folder = make_run(tmp_path / "bad", "sft", {**SFT, **change}, {"dataset.jsonl": runs.demonstrations(4)})
    assert start("sft", folder) == EXIT_BAD_INPUT
    error = RunError.read(folder)
    assert reason in error.reason
    assert not error.retryable
    assert not (folder / "result.json").exists()


@pytest.mark.slow
def test_a_stage_is_a_child_process_whose_exit_code_tells(policy: Path, tmp_path: Path) -> None:
    inputs = {"prompts.jsonl": runs.prompts(2), "policy": policy / "outputs"}
    good = make_run(tmp_path / "good", "generate", LIMITS, inputs)
    bad = make_run(tmp_path / "bad", "generate", {"temperature": -1.0}, inputs)
    children = start_child("generate", good), start_child("generate", bad)
    assert [child.wait() for child in children] == [0, EXIT_BAD_INPUT]
    assert (good / "result.json").exists()
    assert "settings.temperature" in RunError.read(bad).reason


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "bad", "generate", {}, {"prompts.jsonl": runs.prompts(1)})
    assert start("generate", folder) == EXIT_BAD_INPUT
    assert RunError.read(folder).reason.startswith("inputs/policy: missing")


def test_a_loss_that_is_not_finite_ends_the_run_with_advice(tmp_path: Path) -> None:
    settings = {**SFT, "learning_rate": 1e30, "epochs": 20.0}
    folder = make_run(tmp_path / "bad", "sft", settings, {"dataset.jsonl": runs.demonstrations(40)})
    assert start("sft", folder) == EXIT_BAD_INPUT
    assert "lower the learning rate" in RunError.read(folder).reason


@pytest.mark.slow
def test_sigterm_ends_a_run_without_a_result(tmp_path: Path) -> None:
    settings = {**SFT, "max_steps": 100_000}
    folder = make_run(tmp_path / "stopped", "sft", settings, {"dataset.jsonl": runs.demonstrations(40)})
    child = start_child("sft", folder)
    while not (folder / "metrics.jsonl").exists():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert not (folder / "result.json").exists()
