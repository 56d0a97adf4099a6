"""Evaluate, from its run folder alone: a policy against a reference, by two judges, and task files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training import models, runs
from tests.training.runs import LIMITS, make_run, start
from training.contracts import (
    GeneratedRow,
    Message,
    PromptRow,
    RunError,
    RunResult,
    TaskRow,
    TrainedOn,
    read_json,
    read_rows,
)

SETTINGS: dict[str, Any] = {"completions_per_prompt": 2, "bootstrap": 50, **LIMITS}
TASKS = [
    TaskRow("truth", "1", (Message("user", "say 1"),), "choice", ("a", "bb")),
    TaskRow("truth", "2", (Message("user", "say 1"),), "choice", ("bb", "a")),
    TaskRow("manners", "1", (Message("user", "say 2"),), "avoids", ("damn",)),
]


def asked() -> list[PromptRow]:
    names = ["chat", "chat", "chat", "qa", "qa", ""]
    return [
        PromptRow(f"p{n}", "test", (Message("user", f"say {n}"),), name, "en") for n, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random models: two that write, two that judge."""
    at = tmp_path_factory.mktemp("models")
    return {
        "policy": models.folder("llama", at / "policy"),
        "reference": models.folder("gpt2", at / "reference"),
        "reward": models.judge("llama", at / "one", TrainedOn(("p0", "x"), ("ann",)), seed=1),
        "evaluation_reward": models.judge("t5", at / "two", TrainedOn(("x", "y"), ("eve",)), seed=2),
    }


def ran(folder: Path, inputs: dict[str, Any], **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report and the result of a run."""
    given = {"prompts.jsonl": asked(), **inputs}
    made_folder = make_run(folder, "evaluate", {**SETTINGS, **settings}, given)
    assert start("evaluate", made_folder) == 0, RunError.read(made_folder).reason
    return read_json(folder / "outputs/report.json"), RunResult.read(folder).metrics


def test_a_policy_against_a_reference_by_two_judges(made: dict[str, Path], tmp_path: Path) -> None:
    report, result = ran(tmp_path / "run", {**made, "tasks.jsonl": TASKS})
    assert report["prompts"] == 6
    for figures in report["temperatures"].values():
        assert set(figures["win_rate"]) == {"reward", "evaluation_reward", "gap"}
        rates = [figures["win_rate"][judge] for judge in ("reward", "evaluation_reward")]
        assert all(each["win_rate_low"] <= each["win_rate"] <= each["win_rate_high"] for each in rates)
        assert all(each["comparisons"] == 6 * 4 for each in rates)
        gap = rates[0]["win_rate"] - rates[1]["win_rate"]
        assert figures["win_rate"]["gap"]["value"] == pytest.approx(gap)
        assert {name: part["prompts"] for name, part in figures["by_use_case"].items()} == {
            "chat": 3,
            "qa": 2,
        }
        assert figures["by_language"]["en"]["reference"]["mean_tokens"] > 0
    assert report["kl"] == report["temperatures"]["1.0"]["kl"] > 0
    assert report["judges"] == {
        "shared_prompts": 1,
        "shared_labelers": 0,
        "independent": False,
        "prompts_trained_on": {"reward": 1, "evaluation_reward": 0},
    }

    # What is shown and what is compared is what was published.
    own, other = (
        {(row.prompt, row.temperature, row.sample): row for row in read_rows(path, GeneratedRow)}
        for path in (tmp_path / "run/outputs" / name for name in ("completions.jsonl", "reference.jsonl"))
    )
    assert len(own) == len(other) == 6 * 2 * 2
    assert [entry["prompt"] for entry in report["samples"]] == [f"p{n}" for n in range(6)]
    for entry in report["samples"]:
        for name, rows in (("policy", own), ("reference", other)):
            row = rows[entry["prompt"], 1.0, 0]
            assert entry[name] == {
                "text": row.text, "tokens": row.tokens,
                "reward": row.reward, "evaluation_reward": row.evaluation_reward,
            }  # fmt: skip

    assert report["tasks"]["truth"]["policy"]["score"] == 0.5
    assert report["tasks"]["truth"]["reference"]["score"] == 0.5
    assert report["tasks"]["manners"]["difference"]["value"] == 0
    answers = [json.loads(line) for line in (tmp_path / "run/outputs/answers.jsonl").read_text().splitlines()]
    assert [(line["task"], line["policy"] is None) for line in answers] == [
        ("truth", True), ("truth", True), ("manners", False),
    ]  # fmt: skip

    assert result == {name: value for name, value in report.items() if name != "samples"}
    last = runs.metrics(tmp_path / "run")[-1]
    assert last["step"] == last["total"] == 6 * 2 * 2 + 3 * 2


def test_a_policy_against_itself_wins_half(made: dict[str, Path], tmp_path: Path) -> None:
    inputs = {"policy": made["policy"], "reference": made["policy"], "reward": made["reward"]}
    report, _ = ran(tmp_path / "run", inputs, completions_per_prompt=4)
    greedy = report["temperatures"]["0.0"]["win_rate"]["reward"]
    assert (greedy["win_rate"], greedy["ties"]) == (0.5, greedy["comparisons"])
    sampled = report["temperatures"]["1.0"]["win_rate"]["reward"]
    # Each has noise of its own, so that equal models do not write equal texts.
    assert sampled["ties"] < sampled["comparisons"] / 2
    assert 0.2 < sampled["win_rate"] < 0.8
    assert "judges" not in report
    assert "gap" not in report["temperatures"]["1.0"]["win_rate"]


def test_without_a_reference_there_is_no_opponent(made: dict[str, Path], tmp_path: Path) -> None:
    inputs = {"policy": made["policy"], "reward": made["reward"], "tasks.jsonl": TASKS}
    report, _ = ran(tmp_path / "run", inputs)
    assert report["kl"] is None
    assert "win_rate" not in report["temperatures"]["1.0"]
    assert "samples" not in report
    assert "reference" not in report["tasks"]["truth"]
    published = {path.name for path in (tmp_path / "run/outputs").iterdir()}
    assert published == {"answers.jsonl", "completions.jsonl", "manifest.json", "report.json"}
