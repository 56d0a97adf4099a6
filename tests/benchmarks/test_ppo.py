"""The PPO benchmark runs end to end on its smallest point; what it measures is not judged here."""

from __future__ import annotations

import json

import pytest

from benchmarks.ppo.__main__ import POINTS, Times, main, report

pytestmark = pytest.mark.slow


def test_a_point_is_measured_and_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--point", "short, all alike", "--repeats", "1", "--batch", "4", "--micro", "2", "--no-trl"]
    assert main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines[2:-1]] == ["ours"]
    assert json.loads(lines[-1]) == {"vs_trl_1_12": None, "vs_trl_1_12_short_alike": None}


def test_the_ratio_is_of_medians_without_the_first_iteration(capsys: pytest.CaptureFixture[str]) -> None:
    ours = Times([9.0, 1.0, 1.0, 5.0], [9.0, 1.0, 1.0, 5.0], [10] * 4)
    theirs = Times([1.0, 3.0, 3.0, 3.0], [1.0, 2.0, 2.0, 2.0], [10] * 4)
    assert report(POINTS[0], [ours, theirs], [100.0, 200.0], batch=8) == 2.5
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["4.00", "1.60"]
