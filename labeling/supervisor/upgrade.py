"""A cluster that an older PostgreSQL has written becomes one of ours, by dump and restore.

    data                  the old cluster, served once more by its own programs and dumped
    upgrade.dump          what pg_dump of our version takes from it
    data.new              the new cluster; once it holds everything it is
    data.upgraded         then `data` becomes data.<old version>, and this becomes `data`

Interrupted anywhere, the next start goes on or starts over; the old cluster is never written by us.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from labeling.supervisor import programs
from labeling.supervisor.postgres import VERSION, Postgres, PostgresError

PATIENCE = 600.0
"""Seconds that a server has for its last checkpoint."""
BY_HAND = """{data} was written by PostgreSQL {found}, and this release of Rankloop brings {ours}.
The programs of PostgreSQL {found} are not installed here, so take the long way:

  1. with the release of Rankloop that wrote it:  make backup TO=some/folder
  2. with this one, on a new state folder:        RANKLOOP_STATE=new/folder make restore FROM=some/folder"""


def bring_up_to_date(
    postgres: Postgres, state: Path, environment: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Upgrade the cluster of `postgres` if an older major version has written it; it must not run.

    Raises PostgresError, with what a person can do, where that cannot be done here.
    """
    data = postgres.data
    upgraded = data.with_name("data.upgraded")
    if upgraded.exists() and not data.exists():
        upgraded.replace(data)
    found = postgres.version()
    if found in (None, VERSION):
        return
    assert found is not None
    if int(found) > int(VERSION):
        raise PostgresError(
            f"{data} was written by PostgreSQL {found}, and this is {VERSION}: take a newer release"
        )
    try:
        programs.server(int(found))
    except programs.ProgramMissing:
        raise PostgresError(BY_HAND.format(data=data, found=found, ours=VERSION)) from None
    say(f"Upgrading the database from PostgreSQL {found} to {VERSION}")
    dump = data.with_name("upgrade.dump")
    with _serving(Postgres(state, environment, major=found)) as old:
        rows = _rows(old)
        say(f"  dumping {sum(rows.values()):,} rows")
        _client("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={old.url}")
    new = Postgres(state, environment, data="data.new")
    shutil.rmtree(new.data, ignore_errors=True)
    new.create()
    with _serving(new):
        new.create_database()
        say("  restoring them")
        _client("pg_restore", "--exit-on-error", f"--dbname={new.url}", str(dump))
        if _rows(new) != rows:
            raise PostgresError(
                "The upgraded database has not the rows of the old one; the old one is unchanged"
            )
    shutil.rmtree(upgraded, ignore_errors=True)
    new.data.replace(upgraded)
    kept = data.with_name(f"data.{found}")
    data.replace(kept)
    upgraded.replace(data)
    dump.unlink()
    say(f"  done; the old database is kept in {kept}: delete it when you are content")


@contextmanager
def _serving(postgres: Postgres) -> Iterator[Postgres]:
    postgres.process.patience = PATIENCE
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.process.stop()


def _client(name: str, *arguments: str) -> None:
    program = programs.client(name, int(VERSION))
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PostgresError(f"{name} failed, and the old database is unchanged:\n{done.stderr}")


def _rows(postgres: Postgres) -> dict[str, int]:
    """The rows of every table of our database."""
    with psycopg.connect(postgres.url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            counted = connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            ).fetchone()
            assert counted is not None
            counts[table] = counted[0]
        return counts
