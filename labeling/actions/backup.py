"""Backups: the database as of one moment, and every file that it names.

    FOLDER/
      database.dump      pg_dump's custom format, of one snapshot
      artifacts/ab/ab…/  every artifact that this snapshot names; hard links where the file system allows
      secret_key         labelers' pseudonyms, sessions and signatures depend on it
      backup.json        written last: a folder without it is no backup

People go on working meanwhile. The snapshot comes first and the files after it: artifacts never change, and
retention deletes nothing until the backup is done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from labeling import environment
from labeling.actions import artifacts, retention
from labeling.actions.errors import ActionError
from labeling.supervisor import programs
from training.contracts import ContractError, from_dict, read_json, verify_manifest, write_json

FORMAT = 1
MANIFEST, DUMP, KEY, ARTIFACTS = "backup.json", "database.dump", environment.KEY_FILE, "artifacts"
SAY_SECONDS = 2.0
"""Between two lines of progress while artifacts are copied."""

Say = Callable[[str], None]


class BackupError(ActionError):
    """The backup cannot be made, or cannot be restored here; the message says why."""


@dataclass(frozen=True)
class Backup:
    """What backup.json says."""

    format: int
    created_at: str
    """UTC, ISO 8601."""
    server: int
    """Major version of the PostgreSQL that it was taken from."""
    migrations: tuple[str, ...]
    """As app.name; a release that lacks one of them is too old to restore it."""
    rows: dict[str, int]
    """By table, in the snapshot."""
    dump_sha256: str
    artifacts: tuple[str, ...]
    damaged: dict[str, str]
    """Artifacts that were missing or changed in the store already, and what was wrong with them."""


def take(folder: Path, say: Say) -> Backup:
    """Make a backup in `folder`, which must be new or empty; progress goes to `say`.

    Artifacts that are damaged already are left out and listed: a backup without them beats none. Raises
    BackupError; what is left then has no backup.json and is refused by a restore.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty")
        with retention.held_off():
            return _write(folder, say)
    except (OSError, programs.ProgramMissing) as error:
        raise BackupError(f"The backup is not finished: {error}") from error


def read(folder: Path) -> Backup:
    """What the backup in `folder` says of itself. Raises BackupError if it is none, or unfinished."""
    if not (folder / MANIFEST).exists():
        raise BackupError(f"{folder} holds no finished backup: it has no {MANIFEST}")
    try:
        given = read_json(folder / MANIFEST)
        if given.get("format") != FORMAT:
            raise BackupError(f"{MANIFEST}: this release reads format {FORMAT}, not {given.get('format')!r}")
        return from_dict(Backup, given, MANIFEST)
    except ContractError as error:
        raise BackupError(str(error)) from error


def verify(folder: Path, backup: Backup, say: Say) -> None:
    """Check every file of the backup by its digest. Raises BackupError naming the first bad one."""
    say("Checking the dump of the database")
    try:
        if file_digest(folder / DUMP) != backup.dump_sha256:
            raise BackupError(f"{DUMP} was changed since the backup")
        for digest in counted(backup.artifacts, "Checking artifacts", say):
            if verify_manifest(_place(folder, digest)) != digest:
                raise BackupError(f"artifact {digest[:12]}: its manifest was changed")
    except (OSError, ContractError) as error:
        raise BackupError(f"The backup is damaged: {error}") from error


def artifact(folder: Path, digest: str) -> Path:
    """Where the backup holds this artifact."""
    return _place(folder, digest)


# --- taking it --------------------------------------------------------------------------------------


def _write(folder: Path, say: Say) -> Backup:
    with _snapshot() as name:
        server, migrations, rows, wanted = server_major(), applied_migrations(), row_counts(), _named()
        say(f"Dumping the database ({sum(rows.values()):,} rows)")
        _dump(folder / DUMP, name, server, say)
    damaged: dict[str, str] = {}
    for digest in counted(sorted(wanted), "Copying artifacts", say):
        if trouble := _copy(digest, _place(folder, digest)):
            damaged[digest] = trouble
            say(f"  artifact {digest[:12]} is damaged here, and left out: {trouble}")
    environment.write_secret(folder / KEY, settings.SECRET_KEY)
    backup = Backup(
        format=FORMAT,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        server=server,
        migrations=tuple(sorted(migrations)),
        rows=rows,
        dump_sha256=file_digest(folder / DUMP),
        artifacts=tuple(sorted(wanted - set(damaged))),
        damaged=damaged,
    )
    os.sync()  # everything is on the disk before the file that says so
    write_json(folder / MANIFEST, dataclasses.asdict(backup))
    return backup


@contextmanager
def _snapshot() -> Iterator[str]:
    """A read-only transaction whose snapshot pg_dump can take over by the name that comes back."""
    with transaction.atomic(durable=True), connection.cursor() as database:
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        database.execute("SELECT pg_export_snapshot()")
        yield str(database.fetchone()[0])


def _dump(target: Path, snapshot: str, server: int, say: Say) -> None:
    program = programs.client("pg_dump", server)
    command = ["--format=custom", "--no-owner", "--no-privileges", "--verbose", f"--snapshot={snapshot}"]
    run_client([program, *command, f"--file={target}"], "dumping contents of table", say)
    target.chmod(0o600)


def _named() -> set[str]:
    """The address of every artifact that a row names."""
    return set(retention.named_artifacts())


def _copy(digest: str, target: Path) -> str:
    """Bring one artifact into the backup; what is wrong with it, if it cannot be brought whole."""
    try:
        shutil.copytree(artifacts.path(digest), target, copy_function=_link_or_copy)
        if verify_manifest(target) == digest:
            return ""
        trouble = "its manifest was changed"
    except FileNotFoundError:
        trouble = "missing"
    except ContractError as error:
        trouble = str(error)
    shutil.rmtree(target, ignore_errors=True)
    return trouble


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links, or a file of somebody else's
        shutil.copy2(source, target)
    return target


def _place(folder: Path, digest: str) -> Path:
    return folder / ARTIFACTS / digest[:2] / digest


# --- what a restore does, too -----------------------------------------------------------------------


def run_client(command: list[str | Path], telling: str, say: Say) -> None:
    """Run pg_dump or pg_restore on our database; its lines that are `telling` go on as progress.

    Raises BackupError with its last words.
    """
    own = connection.settings_dict
    named = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "dbname": own["NAME"]}
    options = {name: value for name, value in own["OPTIONS"].items() if isinstance(value, str)}
    target = make_conninfo(**{name: str(value) for name, value in named.items() if value}, **options)
    password = {"PGPASSWORD": own["PASSWORD"]} if own["PASSWORD"] else {}
    process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs, words of our own
        [*command, f"--dbname={target}"],
        env={**os.environ, **password, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    last: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        last = [*last, line.rstrip()][-5:]
        if telling in line:
            say("  " + line.rpartition(telling)[2].strip(' "\n'))
    if process.wait() != 0:
        raise BackupError(f"{Path(command[0]).name} failed:\n" + "\n".join(last))


def counted(digests: tuple[str, ...] | list[str], what: str, say: Say) -> Iterator[str]:
    """The digests one after another, with a line of progress every few seconds."""
    next_line = 0.0
    for number, digest in enumerate(digests, 1):
        if time.monotonic() >= next_line or number == len(digests):
            say(f"{what}: {number:,} of {len(digests):,}")
            next_line = time.monotonic() + SAY_SECONDS
        yield digest


def server_major() -> int:
    """The major version of our PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0]) // 10_000


def applied_migrations() -> list[str]:
    """The migrations that our database has seen, as app.name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        return [row[0] for row in cursor.fetchall()]


def row_counts() -> dict[str, int]:
    """The rows of every table of our database, by its name."""
    counts = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            counts[table] = int(cursor.fetchone()[0])
    return counts


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
