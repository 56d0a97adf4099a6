"""Processor time of whole process trees, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


class NoProc(Exception):
    """This platform has no /proc; processor time cannot be measured here."""


def seconds(root: int) -> float:
    """User and system time of a process, its living descendants and those that they have reaped.

    Fields 14 to 17 of /proc/PID/stat, proc(5), in clock ticks. Raises NoProc.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        ticks[pid] = sum(int(field) for field in fields[11:15])
    if root not in ticks:
        raise NoProc("processor time is read from /proc, which this platform does not have")
    return sum(ticks[pid] for pid in ticks if _descends(pid, root, parents)) / os.sysconf("SC_CLK_TCK")


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid and pid != root:
        pid = parents.get(pid, 0)
    return pid == root
