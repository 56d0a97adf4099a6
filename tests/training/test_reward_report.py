"""The figures of a reward model's report, worked by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pytest

from tests.training.runs import ranking
from training.contracts import RankingRow
from training.data import Item
from training.reward_report import calibration, length, reward_report, ties
from training.votes import Counting, bootstrap_share, votes_of

FEW = Counting(50, 0)


def item(prompt: str, *rankings: tuple[str, tuple[int, ...]], tokens: Sequence[int] = (1, 1, 1)) -> Item:
    answers = [ranking(n, labeler, ranks) for n, (labeler, ranks) in enumerate(rankings)]
    return Item(prompt, "valid", [1], [[1] * count for count in tokens], answers, "chat", "en")


def report_of(items: Sequence[Item], scores: Sequence[Sequence[float]], **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "scale": 1.0, "eta": 0.0, "held_out_labelers": [], "unseen": [], "unseen_scores": [], "counting": FEW,
    }  # fmt: skip
    return reward_report(items, scores, items, **{**values, **changes})


def test_accuracy_is_over_the_pairs_that_a_ranking_orders() -> None:
    report = report_of([item("p", ("ann", (1, 2, 2)))], [[0.5, 0.1, 0.9]])
    assert report["accuracy"] == 0.5
    assert report["pairs"] == 2
    assert report["tied_pairs"] == 1


def test_an_equal_score_is_a_coin_toss() -> None:
    report = report_of([item("p", ("ann", (1, 2, 3)))], [[1.0, 1.0, 0.0]])
    assert report["accuracy"] == pytest.approx(2.5 / 3)


def test_agreement_is_over_pairs_that_both_labelers_order() -> None:
    items = [item("p", ("ann", (1, 2, 3)), ("bob", (1, 3, 2)), ("eve", (1, 1, 2)))]
    report = report_of(items, [[0.0, 0.0, 0.0]])
    # ann and bob agree on 2 of 3; ann and eve on 2 of the 2 that eve orders; bob and eve on 1 of 2.
    assert report["agreement"] == pytest.approx(5 / 7)
    assert report["agreement_pairs"] == 7


def test_one_labeler_twice_is_no_agreement() -> None:
    report = report_of([item("p", ("ann", (1, 2, 3)), ("ann", (1, 2, 3)))], [[0.0, 0.0, 0.0]])
    assert report["agreement"] is report["agreement_low"] is report["agreement_high"] is None


def test_nothing_held_out_is_unknown_and_not_zero() -> None:
    report = report_of([], [])
    assert report["accuracy"] is report["accuracy_low"] is report["calibration"]["error"] is None
    assert report["pairs"] == 0
    assert report["ties"] == {"observed": None, "expected": None, "theta": None}
    assert report["length"]["correlation"] is report["length"]["labelers_prefer_longer"] is None


def test_labelers_who_never_trained_are_measured_apart() -> None:
    items = [item("p", ("ann", (1, 2, 3)), ("bob", (3, 2, 1)))]
    unseen = [item("q", ("bob", (1, 2, 2)))]
    report = report_of(
        items, [[3.0, 2.0, 1.0]],
        held_out_labelers=["bob"], unseen=unseen, unseen_scores=[[1.0, 0.0, 2.0]],
    )  # fmt: skip
    assert report["labelers"]["held_out"] == ["bob"]
    assert report["labelers"]["known"]["accuracy"] == 1.0
    assert report["labelers"]["unknown"]["accuracy"] == 0.0
    assert report["labelers"]["unknown_train_prompts"]["accuracy"] == 0.5
    assert report["accuracy"] == 0.5


def test_accuracy_is_told_by_use_case_language_and_what_was_flagged() -> None:
    answer = ranking(0, "ann", (1, 2, 3))
    flagged: RankingRow = dataclasses.replace(answer, flags=((), ("harmful", "sexual"), ("harmful",)))
    one = Item("p", "valid", [1], [[1]] * 3, [flagged], "chat", "zh")
    report = report_of([one, item("q", ("ann", (1, 2, 3)))], [[3.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    assert report["by_use_case"]["chat"]["pairs"] == 6
    assert report["by_language"]["zh"]["accuracy"] == pytest.approx(2 / 3)
    assert report["by_language"]["en"]["accuracy"] == 1.0
    # Every pair of the first item has a completion that was called harmful, two of them the sexual one.
    assert report["by_flag"]["harmful"]["pairs"] == 3
    assert report["by_flag"]["sexual"]["pairs"] == 2
    assert report["by_flag"]["sexual"]["accuracy"] == 0.5


def test_calibration_compares_what_a_model_says_with_how_often_it_is_right() -> None:
    # Differences of log 3 and -log 3: the model says 0.75 of each, and is right of one.
    rise = math.log(3)
    items = [item("p", ("ann", (1, 2)), tokens=(1, 1)), item("q", ("ann", (2, 1)), tokens=(1, 1))]
    found = calibration(list(votes_of(items, [[rise, 0.0], [rise, 0.0]])), eta=0.0)
    assert found["error"] == pytest.approx(0.25)
    (entry,) = found["bins"]
    assert entry["said"] == pytest.approx(0.75)
    assert entry["right"] == 0.5
    assert entry["pairs"] == 2
    assert entry["low"] <= 0.75 <= entry["high"]


def test_scores_are_brought_back_to_their_own_scale_before_they_are_probabilities() -> None:
    items = [item("p", ("ann", (1, 2)), tokens=(1, 1))]
    report = report_of(items, [[math.log(3) / 4, 0.0]], scale=4.0)
    assert report["calibration"]["bins"][0]["said"] == pytest.approx(0.75)


def test_a_model_that_knows_ties_expects_so_many_of_them() -> None:
    items = [item("p", ("ann", (1, 1, 2)))]
    found = ties(list(votes_of(items, [[1.0, 1.0, 1.0]])), eta=math.log(3))
    # At equal scores P(tie) = (θ - 1) / (θ + 1) = 0.5; one pair of three is tied.
    assert found["expected"] == pytest.approx(0.5)
    assert found["observed"] == pytest.approx(1 / 3)
    assert found["theta"] == pytest.approx(3.0)


def test_length_is_told_within_a_prompt() -> None:
    # The second prompt asks for long answers and scores low: that is no preference for short ones.
    items = [
        item("p", ("ann", (1, 2, 3)), tokens=(3, 2, 1)),
        item("q", ("ann", (3, 2, 1)), tokens=(30, 20, 10)),
    ]
    scores = [[5.0, 4.0, 3.0], [-5.0, -15.0, -25.0]]
    votes = list(votes_of(items, scores))
    found = length(items, scores, votes)
    # Lengths 1, 0, -1 and 10, 0, -10 go with rewards 1, 0, -1 and 10, 0, -10.
    assert found["reward_per_token"] == pytest.approx(1.0)
    assert found["correlation"] == pytest.approx(1.0)
    assert found["labelers_prefer_longer"] == 0.5
    assert found["model_prefers_longer"] == 1.0
    assert sum(entry["completions"] for entry in found["bins"]) == 6


def test_the_interval_comes_from_prompts_and_not_from_pairs() -> None:
    many_pairs_few_prompts = [(f"p{n % 4}", float(n % 4 < 2)) for n in range(4000)]
    many_prompts = [(f"p{n}", float(n % 4 < 2)) for n in range(4000)]
    few = bootstrap_share(many_pairs_few_prompts, resamples=400, seed=0)
    many = bootstrap_share(many_prompts, resamples=400, seed=0)
    assert few.value == many.value == 0.5
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert few.high - few.low > 0.5
    assert many.high - many.low < 0.05
