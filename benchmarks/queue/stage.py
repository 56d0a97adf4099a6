"""The servers that are measured: an embedded PostgreSQL of their own, a web server for each database."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.queue.client import Account
from benchmarks.queue.measure import labelers
from benchmarks.queue.worlds import World
from labeling.supervisor import Stack

BASE, COPY = "rankloop", "rankloop_cells"
"""The database that is filled, and the copy of it that is worked on."""


@dataclass
class Stage:
    """What every database has: one project, accounts that are signed in, and members for pgbench."""

    state: Path
    environment: dict[str, str]
    project: str = ""
    project_key: int = 0
    rubric: int = 0
    accounts: list[Account] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    bare: dict[str, int] = field(default_factory=dict)

    @property
    def postgres(self) -> int:
        return int((self.state / "servers" / "pids" / "postgres.pid").read_text().split()[0])

    def url(self, database: str) -> str:
        return self.environment["DATABASE_URL"].replace(f"///{BASE}?", f"///{database}?")

    def world(self, database: str) -> World:
        return World(self.url(database), self.project_key, self.people)

    @contextmanager
    def web(self, database: str) -> Iterator[tuple[str, list[int]]]:
        """A web server on this database: its address, and the process ids to be measured."""
        environment = {**self.environment, "DATABASE_URL": self.url(database)}
        with Stack(self.state / "web", web=True, environment=environment, say=_quiet) as stack:
            web = int((self.state / "web" / "pids" / "web.pid").read_text().split()[0])
            yield stack.url, [web, self.postgres]

    @contextmanager
    def copy(self) -> Iterator[None]:
        """A copy of the base, for as long as the block lasts."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(COPY), sql.Identifier(BASE)
                )
            )
        try:
            yield
        finally:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(COPY)))


@contextmanager
def stage(people: int, sql_clients: int) -> Iterator[Stage]:
    """Servers in a temporary folder with a base database, its project and `people` signed in."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RANKLOOP_") and name not in ("DATABASE_URL", "REDIS_URL")
    }
    # One key and one cookie name for all web servers: a session is signed in once.
    environment |= {"RANKLOOP_SECRET_KEY": secrets.token_urlsafe(64), "RANKLOOP_COOKIE": "benchmark"}
    with tempfile.TemporaryDirectory(prefix="rankloop-bench-") as folder:
        state = Path(folder)
        with Stack(state / "servers", environment=environment, say=_quiet) as servers:
            made = Stage(state, servers.environment)
            with made.web(BASE) as (address, pids):
                _make_project(made, people, sql_clients)
                with labelers(address, made.project, made.accounts, pids) as crew:
                    made.accounts = [
                        replace(account, cookies=cookies)
                        for account, cookies in zip(made.accounts, crew.cookies, strict=True)
                    ]
            yield made


def _make_project(made: Stage, people: int, sql_clients: int) -> None:
    os.environ.update(made.environment | {"RANKLOOP_STATE": str(made.state / "web")})
    import django

    django.setup()
    from django.db import connection

    from labeling.actions.people import create_user
    from labeling.actions.projects import create_project
    from labeling.models import Membership, Rubric, User

    project = create_project("benchmark", "Benchmark")
    first, password = create_user("labeler-0", one_time_password=False)
    # One password for all: making each costs as much as signing in.
    others = [f"labeler-{n}" for n in range(1, people)] + [f"sql-{n}" for n in range(sql_clients)]
    rest = User.objects.bulk_create(User(username=name, password=first.password) for name in others)
    users = [first, *rest]
    members = Membership.objects.bulk_create(Membership(project=project, user=user) for user in users)
    direct = members[people:]
    made.project, made.project_key = project.public_id, project.pk
    made.rubric = Rubric.objects.get(project=project).pk
    made.accounts = [Account(member.user.username, password) for member in members[:people]]
    made.people = [member.user_id for member in members[:people]]
    made.bare = {
        "project": project.pk,
        "rubric": made.rubric,
        "first_membership": direct[0].pk,
        "first_labeler": direct[0].user_id,
    }
    connection.close()


def _quiet(line: str) -> None:
    pass
