"""Rows of any number, sent in as few requests as they fit into, and what became of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rankloop_client.errors import RankloopError
from rankloop_client.operations import IMPORT_COMPLETIONS, IMPORT_PROMPTS
from rankloop_client.records import LandedCompletions, LandedPrompt, LandedPrompts, Refusal
from rankloop_client.server import Server

MOST_ROWS = 500
MOST_BYTES = 8 * 2**20
"""Of a request; the server takes twice as much."""
REFUSED = "refused"

Source = str | Path | Iterable[Mapping[str, Any]]
"""The path of a JSONL file, or rows."""


@dataclass(frozen=True)
class Landed:
    """What became of a row; `line` is its line in the file, or its number among the rows, from 1.

    `outcome`: stored, merged (equal to another model's), already_there, empty or refused, for the reason in
    `error`. `prompt` is the id of an imported prompt.
    """

    line: int
    outcome: str
    error: Refusal | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class ImportReport:
    """`items`: how many are new in the queue."""

    dry_run: bool
    items: int
    rows: tuple[Landed, ...]

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(row.outcome for row in self.rows)

    @property
    def refused(self) -> list[Landed]:
        return [row for row in self.rows if row.outcome == REFUSED]


@dataclass(frozen=True)
class Row:
    line: int
    content: Any
    size: int


def send_prompts(server: Server, project: str, source: Source, options: dict[str, Any]) -> ImportReport:
    refused: list[Landed] = []
    groups = ([row] for row in _rows(source, refused))
    return _send(server, IMPORT_PROMPTS, project, groups, options, refused)


def send_completions(server: Server, project: str, source: Source, options: dict[str, Any]) -> ImportReport:
    """All of a prompt's completions go together, for the first request that has two of them queues it."""
    refused: list[Landed] = []
    rows = sorted(_rows(source, refused), key=_prompt)
    groups = (list(group) for _prompt_id, group in groupby(rows, key=_prompt))
    return _send(server, IMPORT_COMPLETIONS, project, groups, options, refused)


def _send(
    server: Server,
    operation: Any,
    project: str,
    groups: Iterable[list[Row]],
    options: dict[str, Any],
    refused: list[Landed],
) -> ImportReport:
    landed: list[Landed] = []
    items = 0
    for batch in _batches(groups):
        body = {**options, "rows": [row.content for row in batch]}
        try:
            answer: LandedPrompts | LandedCompletions = server.call(
                operation, {"project": project}, body=body
            )
        except RankloopError as error:
            lines = [row.line for row in batch]
            error.add_note(
                f"It was about rows of lines {min(lines)} to {max(lines)}; what was sent before has landed."
            )
            raise
        items += answer.items
        for told in answer.results:
            prompt = told.prompt if isinstance(told, LandedPrompt) else None
            landed.append(Landed(batch[told.row].line, told.outcome, told.error, prompt))
    rows = sorted([*landed, *refused], key=lambda row: row.line)
    return ImportReport(bool(options["dry_run"]), items, tuple(rows))


def _batches(groups: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """As many whole groups at once as a request may hold; only what is larger than one is divided."""
    batch: list[Row] = []
    for group in groups:
        if batch and not _fits(batch, group):
            yield batch
            batch = []
        for row in group:
            if batch and not _fits(batch, [row]):
                yield batch
                batch = []
            batch.append(row)
    if batch:
        yield batch


def _fits(batch: list[Row], more: list[Row]) -> bool:
    rows = len(batch) + len(more)
    return rows <= MOST_ROWS and sum(row.size for row in (*batch, *more)) <= MOST_BYTES


def _rows(source: Source, refused: list[Landed]) -> Iterator[Row]:
    """The rows that can be sent; those that are no JSON go to `refused`, and blank lines are passed over."""
    for line, given in enumerate(_given(source), 1):
        if isinstance(given, bytes) and not given.strip():
            continue
        try:
            content = json.loads(given) if isinstance(given, bytes) else given
            size = len(json.dumps(content, allow_nan=False))
            if size > MOST_BYTES:
                raise ValueError(f"is longer than {MOST_BYTES:,} bytes")
        except (ValueError, TypeError, RecursionError) as error:
            refused.append(Landed(line, REFUSED, Refusal("badinput", f"cannot be sent: {error}", "line")))
        else:
            yield Row(line, content, size)


def _given(source: Source) -> Iterator[bytes | Mapping[str, Any]]:
    if not isinstance(source, str | Path):
        yield from source
        return
    with Path(source).open("rb") as lines:
        yield from lines


def _prompt(row: Row) -> str:
    return str(row.content.get("prompt")) if isinstance(row.content, dict) else ""
