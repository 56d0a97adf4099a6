"""The proof's arithmetic, on numbers worked out by hand; `make proof` runs the experiments themselves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.proof import overoptimisation, plots, ptx
from benchmarks.proof.__main__ import page, reached
from benchmarks.proof.lab import Lab, pairs
from labeling.demo import string_instructions as task
from training.contracts import GeneratedRow, row_bytes


def test_the_fit_finds_the_two_numbers_that_made_the_curve():
    distances = [0.5, 1.0, 2.0, 3.0]
    gains = [d * (0.6 - 0.4 * math.log(d)) for d in distances]
    found = overoptimisation.fit([0.0, *distances], [9.0, *gains])
    assert (found.alpha, found.beta, found.r_squared) == pytest.approx((0.6, 0.4, 1.0))
    assert found.at(1.0) == pytest.approx(0.6)
    # The slope alpha - beta - beta log d is 0 at d = e^(alpha / beta - 1) = e^0.5.
    assert found.peak == pytest.approx(1.6487213)


def test_a_fit_wants_three_points_and_a_curve_that_never_falls_has_no_peak():
    with pytest.raises(ValueError, match="three"):
        overoptimisation.fit([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert overoptimisation.Fit(1.0, 0.0, 1.0).peak == math.inf


def test_a_point_is_the_mean_of_its_window_and_its_error_shrinks_by_the_root_of_it():
    lines = [{"proxy": 1.0, "gold": float(n % 2), "kl": 2.0, "gold_error": 0.2} for n in range(45)]
    points = overoptimisation.windows(lines)
    assert [point["iteration"] for point in points] == [10, 30]
    assert points[0]["gold"] == pytest.approx(0.5)
    # sqrt(20 * 0.04) / 20
    assert points[0]["gold_error"] == pytest.approx(0.0447214)


def test_the_corpus_copies_letters_of_its_split_and_no_ppo_prompt_asks_for_that():
    rows = ptx.corpus(seed=3, count=50, split="test")
    assert len({row.text for row in rows}) == 50
    for row in rows:
        question, answer = row.text.split("\n")
        assert question == f"copy: {answer}"
        assert task.split_of(answer) == "test"
    assert "copy" not in task.OPERATIONS


def test_completions_become_items_with_one_noisy_ranking_each(tmp_path: Path):
    prompts = task.prompts("train", 40, 0)
    texts = {prompt: [task.answer(prompt), "aaaaaa", task.answer(prompt)] for prompt in prompts}
    path = tmp_path / "completions.jsonl"
    path.write_bytes(
        b"".join(
            row_bytes(GeneratedRow(prompt, n, text, 1.0, 1.0, 0, 7, "eos", -1.0))
            for prompt, found in texts.items()
            for n, text in enumerate(found)
        )
    )
    rows = Lab(tmp_path, 0).comparisons(path, valid_share=0.0)
    assert [len(row.completions) for row in rows] == [2] * 40
    ordered = [row for row in rows if row.rankings[0].ranks is not None]
    assert pairs(rows) == len(ordered) > 30
    assert sum(row.rankings[0].ranks == (1, 2) for row in ordered) > 30


LOOP = {
    "seed": 6,
    "base": "tiny",
    "sft": {"gold": 0.5, "best_t_gold": 0.8, "greedy": 0.3, "exact": 0.1},
    "policy": {"gold": 1.05, "greedy": 0.5, "exact": 0.3, "kl": 1.0},
    "reward": {"accuracy_gold": 0.85},
    "control": {"gain": 0.02, "share_of_real_upper": 0.1},
    "errors": {"policy_gold": 0.01},
    "seconds": {"total": 600.0},
}


def missed(report: dict[str, Any]) -> list[str]:
    return [name for name, well in reached(report).items() if not well]


def test_a_loop_says_which_of_its_goals_it_missed_and_a_t5_has_others():
    assert missed(LOOP) == []
    worse = {
        **LOOP,
        "policy": {**LOOP["policy"], "gold": 0.95},
        "control": {"gain": 0.3, "share_of_real_upper": None},
    }
    assert missed(worse) == ["gold_over_best_t", "control"]
    assert missed({**LOOP, "base": "tiny-t5"}) == ["gold_over_best_t", "greedy_gain"]


def test_the_page_tells_what_was_measured_and_what_was_not_shown(tmp_path: Path):
    (tmp_path / "loop-6.json").write_text(json.dumps(LOOP))
    arm = {
        "gamma": 0.0,
        "loss": 0.8,
        "loss_change": 0.02,
        "gold_gain": 0.4,
        "gold_gain_error": 0.01,
        "kl": 1.0,
    }
    found = {"seed": 0, "sft": {"loss": 0.78, "gold": 0.5}, "arms": [arm], "valid": False, "shown": False}
    (tmp_path / "ptx.json").write_text(json.dumps(found))
    text = page(tmp_path)
    assert "| tiny, seed 6 | 0.500 | 0.800 | 1.050 ± 0.010 | 0.300 → 0.500 |" in text
    assert "**Not shown by these figures.**" in text
    assert "PPO hardly worsened the loss" in text
    assert "| 0 (PPO) | 0.8000 | +2.0% | +0.400 ± 0.010 | 1.00 |" in text


def test_plots_are_svg(tmp_path: Path):
    rows = [
        {"d": 0.1, "score": 1.0, "low": 0.9, "high": 1.1, "what": "gold"},
        {"d": 1.0, "score": 2.0, "what": "proxy"},
    ]
    plots.lines(tmp_path / "a.svg", rows, x=("d", "distance"), y=("score", "score"), colour="what")
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
