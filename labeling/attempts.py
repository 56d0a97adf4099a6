"""The folders of a run's attempts, as the launcher keeps them: RUNS/<run>/attempt-<n>/."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from training import contracts

LOG = "log.txt"


class Metrics:
    """The lines of metrics.jsonl as they come: read, waiting to be recorded, recorded."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.waiting: list[dict[str, Any]] = []
        self.recorded = self.step = self.total = 0

    def read(self) -> None:
        """Take up whole new lines."""
        try:
            with self._path.open("rb") as lines:
                lines.seek(self._offset)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._take(line)
        except FileNotFoundError:
            return

    def forget(self, count: int) -> None:
        del self.waiting[:count]
        self.recorded += count

    def _take(self, line: bytes) -> None:
        # PostgreSQL's JSON knows no NaN or infinity.
        values = json.loads(line, parse_constant=lambda name: None)
        self.step, self.total = int(values["step"]), int(values["total"])
        self.waiting.append(values)


def take_over(home: Path, folder: Path) -> None:
    """Give a new attempt's folder the checkpoints of the last one that has any.

    By links, since they may be large, and all files of a checkpoint stay as they were written: a child of the
    last attempt that should still be alive can neither change them nor, by deleting its own names, take them
    away. A worker on a host that does not share the folder finds nothing and starts over.
    """
    number = int(folder.name.removeprefix("attempt-"))
    for earlier in range(number - 1, 0, -1):
        kept = home / f"attempt-{earlier}" / contracts.CHECKPOINTS
        if kept.is_dir():
            # What was half copied when a worker died is passed over: its manifest is missing or does not fit.
            shutil.copytree(
                kept,
                folder / contracts.CHECKPOINTS,
                copy_function=os.link,
                ignore=shutil.ignore_patterns("*.tmp"),
            )
            return


def keep_only_logs(home: Path, *, but: Path | None = None) -> None:
    """Of a run's attempts so far keep the logs: attempt-<n>/log.txt becomes attempt-<n>.log."""
    for folder in home.glob("attempt-*/"):
        if folder == but:
            continue
        if (folder / LOG).exists():
            (folder / LOG).replace(folder.with_suffix(".log"))
        shutil.rmtree(folder, ignore_errors=True)
