"""One measurement: a crew of labelers at work, and the processor time that the servers spent meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.queue import cpu
from benchmarks.queue.client import Account, Task
from labeling.supervisor import programs
from labeling.supervisor.postgres import VERSION

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cell:
    """What a crew did: calls in seconds by name, and processor milliseconds for each annotation.

    Where nothing was there to annotate (`Task.do` is `vain`), they are for each empty answer.
    """

    calls: dict[str, list[float]]
    per_second: float
    annotations: int
    server_ms: float
    postgres_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.server_ms + self.postgres_ms

    def percentile(self, call: str, percent: int) -> float:
        """Milliseconds."""
        values = sorted(self.calls.get(call, ()))
        return 1000 * values[min(len(values) - 1, len(values) * percent // 100)] if values else 0.0


@dataclass(frozen=True)
class Bare:
    """pgbench: scripts a second, and PostgreSQL's milliseconds for each."""

    tps: float
    postgres_ms: float


class Labelers:
    """The client process. Raises RuntimeError if a labeler met something unexpected."""

    def __init__(self, address: str, project: str, accounts: list[Account], pids: list[int]) -> None:
        self._pids = pids
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.queue.client"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        crew = {"address": address, "project": project, "accounts": [asdict(each) for each in accounts]}
        self.cookies: list[dict[str, str]] = self._ask(crew)

    def do(self, task: Task) -> Cell:
        before = [cpu.seconds(pid) for pid in self._pids]
        done = self._ask(asdict(task))
        server, postgres = (cpu.seconds(pid) - was for pid, was in zip(self._pids, before, strict=True))
        if done["errors"]:
            raise RuntimeError(f"{len(done['errors'])} labelers failed, the first: {done['errors'][0]}")
        times = done["annotations"] or len(done["calls"].get("empty", ())) or 1
        return Cell(
            calls=done["calls"],
            per_second=times / done["seconds"],
            annotations=done["annotations"],
            server_ms=1000 * server / times,
            postgres_ms=1000 * postgres / times,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the labelers' process ended; what it said stands above")
        return json.loads(line)


@contextmanager
def labelers(address: str, project: str, accounts: list[Account], pids: list[int]) -> Iterator[Labelers]:
    """A crew that is signed in; its process ends with the block. `pids`: the web server's, PostgreSQL's."""
    crew = Labelers(address, project, accounts, pids)
    try:
        yield crew
    finally:
        crew.close()


def bare(url: str, postgres: int, variables: dict[str, int], *, clients: int, most: int) -> Bare:
    """pgbench with bare.sql: `most` annotations in all, by so many clients at once."""
    command: list[str | Path] = [
        programs.server(int(VERSION)) / "pgbench",
        "--no-vacuum",
        "--file",
        Path(__file__).with_name("bare.sql"),
    ]
    command += ["--client", str(clients), "--jobs", "1", "--protocol", "prepared"]
    command += ["--transactions", str(max(1, most // clients)), "--failures-detailed"]
    command += [f"--define={name}={value}" for name, value in variables.items()]
    before = cpu.seconds(postgres)
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False, env=os.environ)
    spent = cpu.seconds(postgres) - before
    tps = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    finished = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode or tps is None or finished is None:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return Bare(tps=float(tps[1]), postgres_ms=1000 * spent / int(finished[1]))
