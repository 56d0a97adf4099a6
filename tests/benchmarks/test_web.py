"""What the web process promises: little memory, and nothing of training. Its speed is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import web

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
def test_after_pages_api_and_its_description_a_process_is_small_and_has_loaded_nothing_of_training():
    command = [sys.executable, "-m", "benchmarks.web", "--starts", "1", "--requests", "150"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["requests"] >= 150
    serving = [process for process in report["processes"] if process["role"] == "serving"]
    assert len(serving) == 2
    assert [(process["torch"], process["transformers"]) for process in serving] == [(False, False)] * 2
    assert report["largest_rss_mb"] < web.GOAL_MEGABYTES


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        ({}, []),
        ({"start_s": 3.01}, ["it starts in 3.01 s: more than 3 s"]),
        ({"largest_rss_mb": 150.1}, ["a process holds 150.1 MB: more than 150 MB"]),
        ({"processes": [{"role": "serving", "torch": True, "transformers": False}]}, ["the web loads torch"]),
    ],
)
def test_a_missed_goal_is_named(figures: dict[str, Any], missed: list[str]):
    good = {"start_s": 2.9, "largest_rss_mb": 149.9, "processes": [{"role": "main"}]}
    assert web.missed({**good, **figures}) == missed
