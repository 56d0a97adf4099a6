"""Accuracy and agreement as shares of pairs, with intervals over prompts."""

from __future__ import annotations

import pytest

from tests.training.runs import ranking
from training.data import Item
from training.reward_report import accuracy_report, bootstrap_share


def item(prompt: str, *rankings: tuple[str, tuple[int, ...]]) -> Item:
    answers = [ranking(n, labeler, ranks) for n, (labeler, ranks) in enumerate(rankings)]
    return Item(prompt, "valid", [1], [[1]] * 3, answers)


def test_accuracy_is_over_the_pairs_that_a_ranking_orders() -> None:
    items = [item("p", ("ann", (1, 2, 2)))]
    report = accuracy_report(items, [[0.5, 0.1, 0.9]], items, resamples=50, seed=0)
    assert report["accuracy"] == 0.5
    assert report["pairs"] == 2
    assert report["tied_pairs"] == 1


def test_an_equal_score_is_a_coin_toss() -> None:
    items = [item("p", ("ann", (1, 2, 3)))]
    report = accuracy_report(items, [[1.0, 1.0, 0.0]], items, resamples=50, seed=0)
    assert report["accuracy"] == pytest.approx(2.5 / 3)


def test_agreement_is_over_pairs_that_both_labelers_order() -> None:
    items = [item("p", ("ann", (1, 2, 3)), ("bob", (1, 3, 2)), ("eve", (1, 1, 2)))]
    report = accuracy_report(items, [[0.0, 0.0, 0.0]], items, resamples=50, seed=0)
    # ann and bob agree on 2 of 3; ann and eve on 2 of the 2 that eve orders; bob and eve on 1 of 2.
    assert report["agreement"] == pytest.approx(5 / 7)
    assert report["agreement_pairs"] == 7


def test_one_labeler_twice_is_no_agreement() -> None:
    items = [item("p", ("ann", (1, 2, 3)), ("ann", (1, 2, 3)))]
    report = accuracy_report(items, [[0.0, 0.0, 0.0]], items, resamples=50, seed=0)
    assert report["agreement"] is report["agreement_low"] is report["agreement_high"] is None


def test_nothing_held_out_is_unknown_and_not_zero() -> None:
    report = accuracy_report([], [], [item("p", ("ann", (1, 2, 3)))], resamples=50, seed=0)
    assert report["accuracy"] is report["accuracy_low"] is None
    assert report["pairs"] == 0


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
