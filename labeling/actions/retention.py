"""Deleting what nothing needs: folders of runs that ended, artifacts that no row names, old deliveries.

What a row names stays: published models, dataset versions, what a completed run wrote, and so whatever a
run in progress reads. The database refuses to drop such a row (migration 0003).
Every deletion is an audit event.
"""

from __future__ import annotations

import datetime
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from labeling.actions import artifacts, audit, deliveries, disk
from labeling.actions.clock import from_now
from labeling.actions.errors import NotNow
from labeling.models import DatasetVersion, ModelVersion, Run

log = logging.getLogger(__name__)

LOCK = 0x4B454550
"""Advisory lock: held by who deletes, and shared by backups."""
GRACE_SECONDS = 24 * 3600
"""An artifact is kept before a row names it: in a transaction that may take as long as it likes."""
EVERY_SECONDS = 3600
MOST_AT_ONCE = 200
ENDED = (Run.State.COMPLETED, Run.State.FAILED, Run.State.STOPPED)


@dataclass(frozen=True)
class Needless:
    """Something that nothing needs: the `folder` of a run, or an artifact by its address."""

    what: str
    name: str
    folder: Path

    def size(self) -> int:
        """Bytes on disk, of its regular files."""
        files = (path for path in self.folder.rglob("*") if not path.is_symlink())
        return sum(path.stat().st_size for path in files if path.is_file())


@contextmanager
def held_off() -> Iterator[None]:
    """Nothing is deleted meanwhile: waits for a deletion that is going on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", [LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [LOCK])


def tick() -> None:
    """Once an hour, delete what nothing needs and log where the disk is filling up."""
    stamp = Path(settings.RUNS) / ".swept"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < EVERY_SECONDS:
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    for room in disk.filling_up():
        log.warning("%s (%s)", room, room.place)
    for gone in sweep():
        log.info("retention: deleted the %s %s", gone.what, gone.name)
    if count := deliveries.tidy_up():
        log.info("retention: deleted %d deliveries that ended long ago", count)


def sweep() -> list[Needless]:
    """Delete some of what nothing needs; what was deleted. Nothing while a backup is made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return []
    try:
        return [thing for thing in needless()[:MOST_AT_ONCE] if _delete(thing)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def needless() -> list[Needless]:
    """What a sweep would delete, if it deleted everything."""
    named = set(named_artifacts())
    unnamed = (
        Needless("artifact", digest, artifacts.path(digest))
        for digest in sorted(artifacts.stored())
        if digest not in named and artifacts.age(digest) > GRACE_SECONDS
    )
    return [*_run_folders(), *unnamed]


def named_artifacts() -> Iterator[str]:
    """The address of every artifact that a row names."""
    for model in (DatasetVersion, ModelVersion, Run):
        yield from model.objects.exclude(artifact="").values_list("artifact", flat=True).distinct()


def delete_artifact(digest: str) -> bool:
    """Delete an artifact that no row names; False if it is gone, or too young to tell. Raises NotNow."""
    if any(model.objects.filter(artifact=digest).exists() for model in (DatasetVersion, ModelVersion, Run)):
        raise NotNow(_("A dataset version, a model or a run needs these files: they are kept for good."))
    return artifacts.discard(digest, GRACE_SECONDS)


def _run_folders() -> Iterator[Needless]:
    """Folders of runs that ended long ago, and old ones of runs that this database does not know."""
    keep = datetime.timedelta(days=settings.KEEP_RUN_FOLDERS_DAYS)
    root = Path(settings.RUNS)
    folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()} if root.is_dir() else {}
    runs = Run.objects.filter(public_id__in=list(folders))
    long_ago = from_now(seconds=-keep.total_seconds())
    over = set(runs.filter(state__in=ENDED, finished_at__lt=long_ago).values_list("public_id", flat=True))
    known = set(runs.values_list("public_id", flat=True))
    for name, folder in folders.items():
        forgotten = name not in known and time.time() - folder.stat().st_mtime > keep.total_seconds()
        if name in over or forgotten:
            yield Needless("run folder", name, folder)


def _delete(thing: Needless) -> bool:
    with transaction.atomic():
        audit.record("retention.deleted", subject=thing.name, what=thing.what, bytes=thing.size())
        if thing.what != "artifact":
            shutil.rmtree(thing.folder)
        elif not delete_artifact(thing.name):
            transaction.set_rollback(True)
            return False
    return True
