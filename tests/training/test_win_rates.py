"""Win rates and what stands beside them, against numbers worked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from training.contracts import GeneratedRow, TrainedOn, write_json
from training.data import Prompt
from training.votes import Counting
from training.win_rates import (
    JUDGES,
    by_prompt,
    comparisons,
    mean_with_error,
    overlap,
    rate,
    side_by_side,
    temperature_report,
)

COUNTING = Counting(200, 1)


def drawn(rewards: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, list[GeneratedRow]]:
    """Responses by what each judge gives them; the last of a prompt is cut off."""
    rows = [
        GeneratedRow(
            prompt, number, f"{prompt}-{number}", 1.0, 1.0, 1, 2 * number + 2, "eos", -1.0, reward, evaluation
        )
        for prompt, pairs in rewards.items()
        for number, (reward, evaluation) in enumerate(pairs)
    ]
    return by_prompt(rows)


def asked(*names: str, use_case: str = "", language: str = "") -> list[Prompt]:
    return [Prompt(name, "test", (), [], use_case, language) for name in names]


POLICY = drawn({"p": [(2, 0), (1, 0)], "q": [(5, 1), (5, 1)]})
REFERENCE = drawn({"p": [(1, 0), (0, 1)], "q": [(6, 0), (4, 0)]})


def test_each_response_meets_each_of_the_other_and_ties_are_a_half() -> None:
    # p: 2 beats both, 1 ties with 1 and beats 0; q: each 5 loses to 6 and beats 4.
    assert comparisons(["p", "q"], POLICY, REFERENCE, "reward") == [
        ("p", 1), ("p", 1), ("p", 0.5), ("p", 1), ("q", 0), ("q", 1), ("q", 0), ("q", 1),
    ]  # fmt: skip
    found = rate(comparisons(["p", "q"], POLICY, REFERENCE, "reward"), COUNTING)
    assert found["win_rate"] == pytest.approx(5.5 / 8)
    assert (found["comparisons"], found["ties"]) == (8, 1)
    # Resampled prompts give 7/8 (p twice), 1/2 (q twice) or both.
    assert (found["win_rate_low"], found["win_rate_high"]) == (0.5, 0.875)


def test_a_report_has_both_judges_the_gap_and_every_slice() -> None:
    prompts = [*asked("p", use_case="chat", language="en"), *asked("q", use_case="qa", language="en")]
    kls = {"p": [1.0, 3.0], "q": [4.0, 4.0]}
    report = temperature_report(prompts, POLICY, REFERENCE, kls, JUDGES, COUNTING)
    assert report["prompts"] == 2
    assert report["mean_tokens"] == 3
    assert report["cut_off"] == 0
    assert report["reward"] == pytest.approx(3.25)
    assert report["reference"]["reward"] == pytest.approx(2.75)
    assert report["kl"] == 3
    # Means of 2 and 4: their standard deviation is √2, over √2 prompts.
    assert report["kl_error"] == pytest.approx(1)
    rates = report["win_rate"]
    assert rates["reward"]["win_rate"] == pytest.approx(5.5 / 8)
    # p: 0 ties with 0 and loses to 1, twice: 1 of 4; q: wins all.
    assert rates["evaluation_reward"]["win_rate"] == pytest.approx(5 / 8)
    assert rates["gap"]["value"] == pytest.approx(0.5 / 8)
    # p: 3.5 - 1 of 4; q: 2 - 4 of 4.
    assert (rates["gap"]["low"], rates["gap"]["high"]) == (-0.5, 0.625)
    assert set(report["by_use_case"]) == {"chat", "qa"}
    assert report["by_use_case"]["qa"]["win_rate"]["gap"]["value"] == -0.5
    assert report["by_use_case"]["chat"]["kl"] == 2
    assert report["by_language"]["en"]["win_rate"] == rates


def test_without_a_judge_there_are_lengths_alone() -> None:
    report = temperature_report(asked("p"), POLICY, None, None, [], COUNTING)
    assert report == {
        "prompts": 1, "mean_tokens": 3, "cut_off": 0, "by_use_case": {}, "by_language": {},
    }  # fmt: skip


def test_the_error_of_a_mean_is_over_prompts() -> None:
    # A prompt's two samples are equal here: taken for strangers they would give half the variance.
    assert mean_with_error("x", [[1, 1], [3, 3]]) == {"x": 2, "x_error": pytest.approx(1)}
    assert mean_with_error("x", [[5]]) == {"x": 5, "x_error": 0}


def test_samples_stand_side_by_side_evenly_chosen() -> None:
    names = [f"p{n:02}" for n in range(50)]
    some = drawn({name: [(1, 2)] for name in names})
    shown = side_by_side(asked(*names), some, some, ["reward"])
    assert [entry["prompt"] for entry in shown][:4] == ["p00", "p02", "p05", "p07"]
    assert len(shown) == 20
    assert shown[0]["policy"] == {"text": "p00-0", "tokens": 2, "reward": 1}


def test_judges_that_share_people_or_prompts_are_not_independent(tmp_path: Path) -> None:
    def judge(name: str, trained_on: TrainedOn | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        if trained_on:
            write_json(folder / "trained_on.json", dataclasses.asdict(trained_on))
        return folder

    first = judge("first", TrainedOn(("p", "q", "r"), ("ann", "bob")))
    apart = judge("apart", TrainedOn(("s", "x"), ("eve",)))
    alike = judge("alike", TrainedOn(("q", "s"), ("bob", "ann")))
    mute = judge("mute", None)
    prompts = asked("x", "q")
    assert overlap(first, apart, prompts) == {
        "shared_prompts": 0,
        "shared_labelers": 0,
        "independent": True,
        "prompts_trained_on": {"reward": 1, "evaluation_reward": 1},
    }
    found = overlap(first, alike, prompts)
    assert (found["shared_prompts"], found["shared_labelers"], found["independent"]) == (1, 2, False)
    found = overlap(first, mute, prompts)
    assert found["independent"] is None
    assert found["prompts_trained_on"] == {"reward": 1, "evaluation_reward": None}
