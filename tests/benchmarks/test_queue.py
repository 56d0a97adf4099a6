"""The queue's benchmark runs end to end on a small queue; what it measures is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc"),
]


def test_a_small_cell_is_measured_and_summed_up_in_one_line():
    command = [
        sys.executable,
        "-m",
        "benchmarks.queue",
        "--items",
        "400",
        "--labelers",
        "2",
        "--overlap",
        "1",
    ]
    done = subprocess.run(
        [*command, "--seconds", "1", "--no-scenarios"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert sorted(summary) == [
        "annotations_per_s", "cpu_ms_10k", "cpu_ms_1m", "growth", "pgbench_tps", "turn_p95_ms",
    ]  # fmt: skip
    assert summary["annotations_per_s"] > 0
    assert summary["pgbench_tps"] > 0
