"""Freezing answers into dataset versions, and exporting them.

What a version holds is settled by one snapshot of the database; its bytes are a pure function of its
rows: one canonical JSON line each (training/contracts), ordered by public id.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import announcements, artifacts, audit
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.rows import Selection, comparison_rows, demonstration_rows, prompt_rows
from labeling.models import DatasetKind, DatasetRow, DatasetVersion, Project, User
from training.contracts import row_bytes, write_manifest

ROWS_AT_ONCE = 5000

READERS: dict[str, Callable[[Selection], Iterator[Any]]] = {
    DatasetKind.SFT: demonstration_rows,
    DatasetKind.COMPARISONS: comparison_rows,
    DatasetKind.PROMPTS: prompt_rows,
}


@contextmanager
def snapshot() -> Iterator[None]:
    """One REPEATABLE READ transaction; everything that is taken inside sees the same moment.

    Freezes wait for each other: the lock comes before the snapshot, so that the second one sees what the
    first one wrote. Nobody else is held up by it.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as database:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        one_at_a_time()
        yield


def one_at_a_time() -> None:
    """Wait for other freezes, and let others wait until this transaction is over."""
    with connection.cursor() as database:
        database.execute("LOCK TABLE labeling_datasetversion IN SHARE UPDATE EXCLUSIVE MODE")


def freeze(
    project: Project,
    kind: str,
    *,
    actor: User | None = None,
    splits: Collection[str] = (),
    permute_seed: int | None = None,
) -> DatasetVersion:
    """Freeze the project's answers as they are now. See `take` for what goes in and what comes back."""
    with snapshot():
        return take(project, kind, actor=actor, splits=splits, permute_seed=permute_seed)


def take(
    project: Project,
    kind: str,
    *,
    actor: User | None = None,
    splits: Collection[str] = (),
    among: Collection[int] | None = None,
    permute_seed: int | None = None,
) -> DatasetVersion:
    """Freeze inside a snapshot; returns a complete version.

    - sft: the current revision of every demonstration that fills a slot or was imported;
    - comparisons: the current revision of every ranking that fills a slot, grouped by item;
    - prompts: the prompts, those with the keys `among` if given.

    Extras are left out, and simulated answers (and prompts) unless the loop policy includes them. `splits`
    narrows to some splits; `permute_seed` is for controls: the answers to each item are moved over its
    completions at random.

    Taking the same rows by the same recipe again returns the version that is there: an equal version under
    a new number would only hide that nothing is new, and a training run on it would be made twice.

    Raises BadInput if the kind is unknown or there is no row. On any error nothing is left of the version.
    """
    if kind not in READERS:
        raise BadInput(_("There is no dataset of the kind %(kind)s.") % {"kind": repr(kind)}, field="kind")
    policy = project.loop_policy
    chosen = Selection(project, policy.include_simulated, frozenset(splits), among, permute_seed)
    with artifacts.staging() as folder:
        content = folder / "content"
        content.mkdir()
        draft = _Draft(
            DatasetVersion.objects.create(project=project, kind=kind, number=next_number(project, kind))
        )
        with (content / f"{kind}.jsonl").open("wb") as lines:
            draft.write(READERS[kind](chosen), lines)
        if not draft.counts["rows"]:
            raise BadInput(_("There is nothing to freeze yet."), field="kind")
        recipe = chosen.recipe()
        digest = draft.digest.hexdigest()
        same = DatasetVersion.objects.filter(
            project=project, kind=kind, state=DatasetVersion.State.COMPLETE, digest=digest, recipe=recipe
        ).last()
        if same is not None:
            draft.version.delete()
            return same
        write_manifest(content)
        artifact = artifacts.keep(content)
    DatasetVersion.objects.filter(pk=draft.version.pk).update(
        state=DatasetVersion.State.COMPLETE,
        digest=digest,
        artifact=artifact,
        counts={**draft.summary(), **chosen.left_out(kind)},
        recipe=recipe,
        created_by=actor,
        completed_at=Now(),
    )
    draft.version.refresh_from_db()
    audit.record(
        "dataset.frozen",
        project=project,
        actor=actor,
        subject=draft.version.public_id,
        kind=kind,
        number=draft.version.number,
        rows=draft.counts["rows"],
        digest=digest,
    )
    announcements.dataset_completed(draft.version)
    return draft.version


def check_rows(project: Project, kind: str) -> None:
    """Say now whether there is something to freeze: the worker could tell nobody. Raises BadInput, NotNow."""
    chosen = Selection(project, project.loop_policy.include_simulated)
    rows: dict[str, Callable[[], QuerySet[Any]]] = {
        DatasetKind.SFT: chosen.demonstrations,
        DatasetKind.COMPARISONS: chosen.rankings,
        DatasetKind.PROMPTS: chosen.prompts,
    }
    if kind not in rows:
        raise BadInput(_("There is no such kind of dataset."), field="kind")
    if not rows[kind]().exists():
        raise NotNow(_("There is nothing to freeze yet."))


def file(version: DatasetVersion) -> Path:
    """The version's JSONL file, its hash checked. Raises ContractError if it was changed or lost."""
    return artifacts.verified(version.artifact) / f"{version.kind}.jsonl"


def export(version: DatasetVersion, stream: BinaryIO) -> None:
    """Write the version's JSONL, byte for byte. Raises BadInput if it is incomplete, ContractError."""
    if version.state != DatasetVersion.State.COMPLETE:
        raise BadInput(_("This version is not complete."), field="version")
    with file(version).open("rb") as content:
        shutil.copyfileobj(content, stream)


@dataclass
class _Draft:
    """An incomplete version, its rows as they are written, and their figures."""

    version: DatasetVersion
    digest: Any = field(default_factory=hashlib.sha256)
    counts: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    labelers: set[str] = field(default_factory=set)

    def write(self, rows: Iterable[Any], lines: BinaryIO) -> None:
        waiting: list[DatasetRow] = []
        ordinal = 0
        for row in rows:
            line = row_bytes(row.content)
            lines.write(line)
            self.digest.update(line)
            self.counts.update(rows=1, **row.counts)
            self.splits[row.content.split] += 1
            self.labelers.update(row.labelers)
            for source in row.sources:
                waiting.append(DatasetRow(version=self.version, ordinal=ordinal, **source))
                ordinal += 1
            if len(waiting) >= ROWS_AT_ONCE:
                DatasetRow.objects.bulk_create(waiting)
                waiting.clear()
        DatasetRow.objects.bulk_create(waiting)

    def summary(self) -> dict[str, Any]:
        figures: dict[str, Any] = {**self.counts, "splits": dict(sorted(self.splits.items()))}
        if self.version.kind != DatasetKind.PROMPTS:
            figures["labelers"] = len(self.labelers)
        return figures


def next_number(project: Project, kind: str) -> int:
    latest = DatasetVersion.objects.filter(project=project, kind=kind).aggregate(latest=Max("number"))
    return int(latest["latest"] or 0) + 1
