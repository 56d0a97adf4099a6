"""A state folder whose cluster an older PostgreSQL has written, met by a release with a newer one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from labeling.services import ROOT
from labeling.supervisor import Stack, StackError, programs, upgrade
from labeling.supervisor.postgres import VERSION, Postgres
from tests import catalog, laws
from tests.catalog import Catalog

OLD = "16"

pytestmark = pytest.mark.slow


def environment() -> dict[str, str]:
    return {
        n: v for n, v in os.environ.items() if n not in ("DATABASE_URL", "REDIS_URL") and "RANKLOOP" not in n
    }


PROMPTS = 40
FILL = f"""
import json
from labeling.actions import projects, prompts
texts = [{{"model": "somebody", "text": text}} for text in ("yes", "no")]
lines = [json.dumps({{"prompt": str(n), "completions": texts}}).encode() for n in range({PROMPTS})]
prompts.import_lines(projects.create_project("old", "Of an older release"), lines)
"""
REFUSED = {
    "UPDATE labeling_auditevent SET subject = 'another'": "append-only",
    "DELETE FROM labeling_itemcompletion WHERE position = 0": "completions at positions",
}


def old_cluster(state: Path) -> tuple[Path, Catalog]:
    """A cluster of the old version with our tables, and something in them; its data folder, its catalog."""
    state.mkdir()
    old = Postgres(state, environment(), durable=False, major=OLD)
    # As releases with that version made them: it had no locales of its own yet.
    old._run("initdb", "-D", old.data, "--auth-local=trust", "-U", "rankloop", "-E", "UTF8", "--locale=C")
    variables = {**environment(), "DATABASE_URL": old.url, "RANKLOOP_STATE": str(state)}
    try:
        old.start()
        old.create_database()
        for command in (["-m", "labeling.supervisor.prepare", "migrate"], ["manage.py", "shell", "-c", FILL]):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=variables, check=True)
        return old.data, catalog.of(old.url)
    finally:
        old.process.stop()


def start(state: Path) -> tuple[list[str], Catalog, str]:
    """Start the servers and look at rows and laws; what was said, the catalog, and the server's version."""
    said: list[str] = []
    servers = Stack(state, durable=False, environment=environment(), say=said.append)
    with servers as stack, psycopg.connect(stack.environment["DATABASE_URL"]) as connection:
        counted = connection.execute("SELECT count(*) FROM labeling_item WHERE state = 'open'").fetchone()
        assert counted == (PROMPTS,)
        assert laws.broken(connection) == {}
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for change, refusal in REFUSED.items():
            with pytest.raises(psycopg.errors.IntegrityError, match=refusal), connection.transaction():
                connection.execute(change)
        row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        return said, catalog.of(stack.environment["DATABASE_URL"]), row[0].partition(".")[0]


@pytest.fixture
def installed() -> None:
    try:
        programs.server(int(OLD))
    except programs.ProgramMissing as error:
        pytest.skip(f"{error}: the package no longer brings an older version to upgrade from")


@pytest.mark.usefixtures("installed")
def test_an_old_cluster_is_dumped_and_restored_at_the_start_and_kept(tmp_path):
    data, before = old_cluster(tmp_path / "state")
    said, after, version = start(tmp_path / "state")
    assert (after, version) == (before, VERSION)
    assert any(f"from PostgreSQL {OLD} to {VERSION}" in line for line in said)
    assert (data.with_name(f"data.{OLD}") / "PG_VERSION").read_text().strip() == OLD
    said, after, version = start(tmp_path / "state")
    assert (after, version) == (before, VERSION)
    assert not any("Upgrading" in line for line in said)
    left = {path.name for path in data.parent.iterdir()}
    assert left - {"socket"} == {"data", f"data.{OLD}"}  # where the path is too long, the socket is elsewhere


@pytest.mark.usefixtures("installed")
def test_an_upgrade_that_was_cut_off_goes_on_or_starts_over(tmp_path):
    data, before = old_cluster(tmp_path / "state")
    # Cut off while it restored: half a new cluster and half a dump lie about.
    for name in ("data.new", "data.upgraded"):
        data.with_name(name).mkdir()
        (data.with_name(name) / "PG_VERSION").write_text(VERSION)
    data.with_name("upgrade.dump").write_bytes(b"half")
    assert start(tmp_path / "state")[1:] == (before, VERSION)
    # Cut off between the two last renames.
    data.replace(data.with_name("data.upgraded"))
    assert start(tmp_path / "state")[1:] == (before, VERSION)


def test_where_the_old_programs_are_missing_the_two_commands_are_named(tmp_path):
    data = tmp_path / "state" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("11\n")
    with pytest.raises(StackError, match="make backup TO=") as refused:
        start(tmp_path / "state")
    assert "make restore FROM=" in str(refused.value)
    assert (data / "PG_VERSION").read_text() == "11\n"


def test_a_cluster_of_a_newer_version_is_left_alone(tmp_path):
    data = tmp_path / "state" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("99\n")
    with pytest.raises(StackError, match="take a newer release"):
        start(tmp_path / "state")


def test_both_commands_that_the_message_names_exist():
    makefile = (Path(upgrade.__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    for name in ("backup", "restore"):
        assert f"make {name} " in upgrade.BY_HAND
        assert f"\n{name}: installed" in makefile
