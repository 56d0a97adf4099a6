"""Peak memory is a program's own, whatever the one that started it has held."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import memory


def test_what_the_parent_has_held_is_not_counted():
    held = bytearray(b"x" * (400 * 2**20))
    own = memory.peak()
    assert own > len(held) / 2**20
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks import memory; print(memory.peak())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1 < float(done.stdout) < 200
