"""Dataset versions that are files of an operator's: a pretraining corpus, and tasks to be evaluated on.

A file becomes a version as a freeze does: checked, written as canonical lines, kept under its digest, never
changed. The newest version of a kind is the project's; a round names the ones that its runs read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import announcements, artifacts, audit, datasets
from labeling.actions.errors import BadInput
from labeling.actions.import_rows import MAX_LINE_BYTES, decoded
from labeling.actions.text import check_depth, check_text
from labeling.models import DatasetKind, DatasetVersion, Project, User
from training.contracts import (
    ContractError,
    PretrainingRow,
    TaskRow,
    from_dict,
    row_bytes,
    write_manifest,
)

Row = PretrainingRow | TaskRow
ROWS: dict[str, type[Row]] = {DatasetKind.PRETRAINING: PretrainingRow, DatasetKind.TASKS: TaskRow}


@dataclass
class Report:
    """What became of a file: its version, unless a bad line or a dry run stood against it."""

    version: DatasetVersion | None = None
    is_new: bool = False
    bad: int = 0
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """Those that are not blank."""
        return int(self.counts.get("rows", 0)) + self.bad


def newest(project: Project, kind: str) -> DatasetVersion | None:
    """The project's version of an imported kind."""
    versions = DatasetVersion.objects.filter(
        project=project, kind=kind, state=DatasetVersion.State.COMPLETE
    )  # fmt: skip
    return versions.order_by("-number").first()


def import_file(
    project: Project,
    kind: str,
    lines: Iterable[bytes],
    *,
    source: str = "",
    licence: str = "",
    skip_bad: bool = False,
    dry_run: bool = False,
    on_bad_line: Callable[[int, BadInput], None] = lambda number, error: None,
    actor: User | None = None,
) -> Report:
    """Make a version of `kind` of JSONL lines (training/contracts/rows.py says what is in one).

    Every bad line is told to `on_bad_line`, and one is enough for there to be no version: what was left out
    could not be added later. With `skip_bad` they are left out and counted. The same lines again give the
    version that is there. Raises BadInput if there is no row.
    """
    report = Report()
    with artifacts.staging() as folder:
        content = folder / "content"
        content.mkdir()
        digest = hashlib.sha256()
        with (content / f"{kind}.jsonl").open("wb") as file:
            _write(_checked(kind, lines, report, on_bad_line), file, digest, report)
        if report.bad and not skip_bad:
            return report
        if not report.counts.get("rows"):
            raise BadInput(_("There is no row in it."), field="file")
        if report.bad:
            report.counts["left_out"] = report.bad
        if dry_run:
            return report
        write_manifest(content)
        artifact = artifacts.keep(content)
    recipe = {name: value for name, value in (("source", source), ("licence", licence)) if value}
    with datasets.snapshot():
        report.version, report.is_new = _keep(
            project, kind, digest.hexdigest(), artifact, report.counts, recipe, actor
        )
    return report


def _keep(
    project: Project,
    kind: str,
    digest: str,
    artifact: str,
    counts: dict[str, Any],
    recipe: dict[str, str],
    actor: User | None,
) -> tuple[DatasetVersion, bool]:
    same = DatasetVersion.objects.filter(project=project, kind=kind, digest=digest, recipe=recipe).last()
    if same is not None:
        return same, False
    version = DatasetVersion.objects.create(
        project=project,
        kind=kind,
        number=datasets.next_number(project, kind),
        state=DatasetVersion.State.COMPLETE,
        digest=digest,
        artifact=artifact,
        counts=counts,
        recipe=recipe,
        created_by=actor,
        completed_at=Now(),
    )
    version.refresh_from_db()
    audit.record(
        "dataset.imported",
        project=project,
        actor=actor,
        subject=version.public_id,
        kind=kind,
        number=version.number,
        rows=counts["rows"],
        digest=digest,
    )
    announcements.dataset_completed(version)
    return version, True


def _write(rows: Iterable[Row], file: BinaryIO, digest: Any, report: Report) -> None:
    counts: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    for row in rows:
        line = row_bytes(row)
        file.write(line)
        digest.update(line)
        counts["rows"] += 1
        if isinstance(row, TaskRow):
            tasks[row.task] += 1
        else:
            counts["characters"] += len(row.text)
    report.counts = {**counts, **({"tasks": dict(sorted(tasks.items()))} if tasks else {})}


def _checked(
    kind: str, lines: Iterable[bytes], report: Report, on_bad_line: Callable[[int, BadInput], None]
) -> Iterator[Row]:
    """The good rows of the lines; blank lines are passed over, and so is a byte order mark."""
    known: set[tuple[str, str]] = set()
    for number, line in enumerate(lines, 1):
        try:
            row = _row(kind, line, first=number == 1)
            if row is None:
                continue
            if isinstance(row, TaskRow):
                _check_task(row, known)
            else:
                check_text(row.text, "text", max_bytes=MAX_LINE_BYTES)
        except BadInput as error:
            report.bad += 1
            on_bad_line(number, error)
        else:
            yield row


def _row(kind: str, line: bytes, *, first: bool) -> Row | None:
    data = decoded(line, first=first)
    if data is None:
        return None
    check_depth(data, "line")
    try:
        return from_dict(ROWS[kind], data, "line")
    except ContractError as error:
        name, _colon, reason = str(error).partition(": ")
        raise BadInput(reason, field=name.removeprefix("line.")) from None


def _check_task(row: TaskRow, known: set[tuple[str, str]]) -> None:
    """Raises BadInput, naming the field, for what no evaluation could make sense of."""
    for name in ("task", "id"):
        check_text(getattr(row, name), name)
    for place, message in enumerate(row.messages):
        check_text(message.content, f"messages[{place}].content")
    if not row.messages or row.messages[-1].role != "user":
        raise BadInput("the conversation does not end with the user's turn", field="messages")
    for place, reference in enumerate(row.references):
        check_text(reference, f"references[{place}]")
    if len(row.references) < (2 if row.metric == "choice" else 1):
        raise BadInput(
            "a choice wants the right answer and another one" if row.metric == "choice" else "is empty",
            field="references",
        )
    if (row.task, row.id) in known:
        raise BadInput(f"{row.id!a} is there twice in {row.task!a}", field="id")
    known.add((row.task, row.id))
