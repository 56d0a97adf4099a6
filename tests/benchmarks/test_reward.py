"""The reward benchmark runs end to end on its smallest point; what it measures is not judged here."""

from __future__ import annotations

import json

import pytest

from benchmarks.reward.__main__ import Point, main, summary

pytestmark = pytest.mark.slow


def test_a_point_is_measured_and_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sizes", "4", "--ratios", "2", "--repeats", "1", "--items", "1", "--no-trl"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["k4_vs_trl"] is found["k9_vs_kwise"] is None
    assert found["k4_vs_kwise"] > 0
    assert found["t5_vs_unshared"] > 0
    assert found["grad_rel_diff"] < 1e-4


def test_the_line_holds_the_worst_of_the_favourable_points() -> None:
    points = [
        Point("llama", 4, 0.5, 1.0, 1.0, 1.0, 0.0, 3e-6),
        Point("llama", 4, 2.0, 12.0, 4.0, 2.0, 0.0, 1e-6),
        Point("llama", 4, 4.0, 28.0, 9.0, 4.0, 0.0, 1e-6),
        Point("t5", 4, 2.0, None, 3.0, 2.0, 0.0, 0.0),
    ]
    assert summary(points) == {
        "k4_vs_trl": 6.0, "k6_vs_trl": None, "k9_vs_trl": None, "k4_vs_kwise": 2.0, "k9_vs_kwise": None,
        "t5_vs_unshared": 1.5, "grad_rel_diff": 3e-6,
    }  # fmt: skip
