"""A run as it goes: what it measures, and each turn that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rankloop_client.operations import RUN, RUN_METRICS
from rankloop_client.records import RunWhole
from rankloop_client.server import Server


@dataclass(frozen=True)
class Changed:
    """The run is in another state, or begins another attempt."""

    run: RunWhole


@dataclass(frozen=True)
class Measured:
    """A line that the run has measured. A new attempt tells its story from the start."""

    attempt: int
    line: int
    values: dict[str, Any]


def watch(server: Server, run: str, every: float) -> Iterator[Changed | Measured]:
    """The run is read before its lines, so that all of these are there once it is over."""
    told, last = ("", -1), -1
    while True:
        now = server.call(RUN, {"run": run})
        if now.attempt != told[1]:
            last = -1
        if (now.state, now.attempt) != told and not now.is_over:
            yield Changed(now)
        told = (now.state, now.attempt)
        for measured in _lines(server, now, last):
            last = measured.line
            yield measured
        if now.is_over:
            yield Changed(now)
            return
        time.sleep(every)


def _lines(server: Server, run: RunWhole, last: int) -> Iterator[Measured]:
    """The lines of the run's attempt after the last; those of a newer one wait until it has been told of."""
    after: int | None = last if last >= 0 else None
    while True:
        page = server.call(RUN_METRICS, {"run": run.run}, query={"after": after})
        if page.attempt != run.attempt:
            return
        for line in page.results:
            yield Measured(page.attempt, line.line, line.values)
        if page.next is None:
            return
        after = page.next
