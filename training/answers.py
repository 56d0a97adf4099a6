"""What a generate run has drawn so far, kept on disk: a killed run draws none of it again.

    RUN_DIR/checkpoints/answers.jsonl
      {"recipe": ...}     of what the rest was drawn
      an Answer           a line for each, on the disk before the next is asked for

These are texts, read as strictly as any input, so nothing here is signed. A line that was being written when
the run was killed is cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from training.contracts import (
    CHECKPOINTS,
    MANIFEST,
    GeneratedRow,
    from_dict,
    row_bytes,
)
from training.servers import Usage
from training.stage import Run

ANSWERS = "answers.jsonl"


@dataclass(frozen=True)
class Answer:
    """Samples that were drawn together: a batch of the policy's, or what a server sent at once."""

    rows: tuple[GeneratedRow, ...]
    usage: Usage = field(default_factory=Usage)


class Kept:
    """The answers of this run and of its earlier attempts.

    `rows` are in the order in which they were drawn, `counts` how many each prompt has.
    """

    def __init__(self, run: Run) -> None:
        """Read what is there, if it was drawn by the same recipe."""
        self.rows: list[GeneratedRow] = []
        self.counts: Counter[str] = Counter()
        self.usage = Usage()
        self._path = run.directory / CHECKPOINTS / ANSWERS
        self._path.parent.mkdir(exist_ok=True)
        header = json.dumps({"recipe": _recipe(run)}).encode() + b"\n"
        with self._path.open("a+b") as file:
            file.seek(0)
            size = len(header)
            if file.readline() == header:
                for line, answer in _whole(file):
                    self._count(answer)
                    size += len(line)
                file.truncate(size)
            else:
                file.truncate(0)
                file.write(header)
        if self.rows:
            print(f"Going on after {len(self.rows)} samples.", file=sys.stderr)

    def add(self, answer: Answer) -> None:
        """Returns when it is on the disk."""
        with self._path.open("ab") as file:
            file.write(row_bytes(answer))
            file.flush()
            os.fsync(file.fileno())
        self._count(answer)

    def _count(self, answer: Answer) -> None:
        self.rows += answer.rows
        self.counts.update(row.prompt for row in answer.rows)
        self.usage = self.usage.plus(answer.usage)


def _whole(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Answer]]:
    """Each line with its answer, up to the first that cannot be read.

    None is passed over: of a prompt's samples it is only known how many there are.
    """
    for number, line in enumerate(lines, 2):
        if not line.endswith(b"\n"):
            return
        try:
            answer = from_dict(Answer, json.loads(line), f"{ANSWERS}:{number}")
        except (ValueError, RecursionError) as error:
            print(f"{ANSWERS} is cut off at line {number}: {error}", file=sys.stderr)
            return
        yield line, answer


def _recipe(run: Run) -> str:
    """Of the run's own, the prompts and the policy, by its manifest where it has one."""
    recipe = hashlib.sha256(run.config.recipe().encode())
    for path in (run.input("prompts.jsonl"), run.input("policy") / MANIFEST):
        content = path.read_bytes() if path.is_file() else b""
        recipe.update(hashlib.sha256(content).digest())
    return recipe.hexdigest()
