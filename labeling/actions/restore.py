"""Bringing a backup back, into an empty database and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from labeling import environment
from labeling.actions import artifacts, backup
from labeling.actions.backup import Backup, BackupError, Say
from labeling.supervisor import programs
from training.contracts import ContractError

OTHER_KEY = (
    "RANKLOOP_SECRET_KEY here is not the backup's. Sessions end, and labelers get other pseudonyms in "
    "dataset versions from now on. To go on as before, use the key in the file secret_key of the backup."
)


def restore(folder: Path, say: Say) -> tuple[Backup, list[str]]:
    """Restore the backup in `folder`; what it was, and what the operator should know.

    Everything is checked before anything is written. Artifacts and the key come first, so that the database
    never names a file that is not there; the database comes last, in one transaction. Raises BackupError; the
    database is then as empty as before, unless the error says that it is loaded.
    """
    found = backup.read(folder)
    try:
        _check_that_it_fits(found)
        backup.verify(folder, found, say)
        for digest in backup.counted(found.artifacts, "Restoring artifacts", say):
            _bring(backup.artifact(folder, digest), digest)
        notes = [f"artifact {digest[:12]}: {trouble}" for digest, trouble in found.damaged.items()]
        notes += _restore_key(folder / backup.KEY)
        say(f"Restoring the database ({sum(found.rows.values()):,} rows)")
        _load(folder / backup.DUMP, say)
    except (OSError, ContractError, programs.ProgramMissing) as error:
        raise BackupError(f"The backup is not restored: {error}") from error
    _check_rows(found)
    return found, notes


def _check_that_it_fits(found: Backup) -> None:
    if missing := set(found.migrations) - _known_migrations():
        raise BackupError(
            f"The backup was made by a newer release (it has {sorted(missing)[0]}): restore it with that"
        )
    server = backup.server_major()
    if server < found.server:
        raise BackupError(
            f"The backup is from PostgreSQL {found.server}, and this server is {server}: it must not be older"
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class relation JOIN pg_namespace space ON space.oid = relnamespace"
            " WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'"
        )
        if cursor.fetchone()[0]:
            raise BackupError(
                "The database is not empty: a backup is restored into an empty one, which the server makes by"
                " CREATE DATABASE (or into a new state folder, see the README of docker/)"
            )


def _known_migrations() -> set[str]:
    loader = MigrationLoader(None)
    assert loader.disk_migrations is not None
    return {f"{app}.{name}" for app, name in loader.disk_migrations}


def _bring(source: Path, digest: str) -> None:
    with artifacts.staging() as place:
        copied = shutil.copytree(source, place / "copy")
        if artifacts.keep(Path(copied)) != digest:
            raise BackupError(f"artifact {digest[:12]}: its manifest was changed")


def _load(dump: Path, say: Say) -> None:
    program = programs.client("pg_restore", backup.server_major())
    command = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--verbose"]
    backup.run_client([program, *command, dump], "processing data for table", say)


def _check_rows(found: Backup) -> None:
    """What the digest of the dump cannot say: that the server has read it as it was written."""
    rows = backup.row_counts()
    for table, count in found.rows.items():
        if rows.get(table) != count:
            raise BackupError(
                f"The database is loaded, but do not use it: {table} has {rows.get(table)} rows, where the"
                f" backup counted {count}. Restore into another, empty one, and keep the backup"
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _restore_key(source: Path) -> list[str]:
    """Put the key where a new installation would make its own; a note where another key was given."""
    key = source.read_text(encoding="utf-8").strip()
    if key == settings.SECRET_KEY:
        return []
    if environment.text("RANKLOOP_SECRET_KEY"):
        return [OTHER_KEY]
    target = settings.STATE / environment.KEY_FILE
    written = target.with_suffix(".restored")
    written.unlink(missing_ok=True)
    environment.write_secret(written, key)
    written.replace(target)
    return []
