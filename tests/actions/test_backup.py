"""Backups of a system in use, and what comes back from them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.conf import settings as installed
from django.core.management import CommandError, call_command
from django.db import connection

from labeling.actions import artifacts, backup, datasets, retention, webhooks
from labeling.actions.backup import BackupError
from labeling.models import Delivery, ModelVersion, User
from labeling.supervisor import Stack
from tests import build, laws, learn
from tests.pages import world
from training.contracts import verify_manifest

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long enough password"
SERVER = "postgresql:///{}?" + urlsplit(os.environ["DATABASE_URL"]).query


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    settings.STATE = tmp_path / "state"
    settings.ARTIFACTS, settings.RUNS = settings.STATE / "artifacts", settings.STATE / "runs"
    return Path(settings.STATE)


@pytest.fixture
def project(settings: Any, tmp_path: Path) -> Any:
    """Prompts, people, answers, versions, a trained model, and somebody to be told of it."""
    settings.WEBHOOKS = [{"id": "lab", "name": "Lab", "url": "http://127.0.0.1:9/", "secret": "s" * 32}]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    made = learn.project()
    ann, lead = build.member(made, "ann"), world.lead(made)
    lead.user.set_password(PASSWORD)
    lead.user.save()
    webhooks.subscribe(made, "lab", ["dataset.completed", "run.finished"], actor=lead.user)
    build.rank_items(made, 4, k=3)
    learn.rank(ann, 3)
    learn.demonstrate(ann, "the sea")
    world.sft_model(made, tmp_path / "trained")
    datasets.freeze(made, "comparisons")
    return made


@pytest.fixture
def empty() -> Any:
    """The address of a new database without a table."""
    name = "restored"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    yield SERVER.format(name)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def made(folder: Path) -> Path:
    call_command("backup", str(folder), stdout=io.StringIO())
    return folder


def restored(folder: Path, database: str, state: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`manage.py restore`, as the operator of a new installation runs it."""
    own = {"DATABASE_URL": database, "RANKLOOP_STATE": str(state), **more}
    return subprocess.run(
        [sys.executable, "manage.py", "restore", str(folder)],
        cwd=installed.ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def tables_of(database: str) -> int:
    with psycopg.connect(database) as other:
        row = other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row is not None
    return row[0]


def test_what_was_backed_up_is_restored_with_every_law_and_every_file(project, empty, tmp_path):
    done = restored(made(tmp_path / "backup"), empty, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "all verified" in done.stdout
    with psycopg.connect(empty) as other:
        assert laws.broken(other) == {}
        counts = {
            table: other.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in backup.row_counts()
        }
        named = {
            row[0]
            for table in ("datasetversion", "modelversion", "run")
            for row in other.execute(f"SELECT artifact FROM labeling_{table} WHERE artifact <> ''")
        }
        outbox = {bytes(row[0]) for row in other.execute("SELECT body FROM labeling_delivery")}
        with pytest.raises(psycopg.errors.IntegrityError, match="append-only"):
            other.execute("DELETE FROM labeling_rankingrevision")
    assert counts == backup.row_counts()
    assert outbox == {bytes(one.body) for one in Delivery.objects.all()}
    assert len(outbox) == 3
    assert len(named) >= 3
    for digest in named:
        assert verify_manifest(tmp_path / "new" / "artifacts" / digest[:2] / digest) == digest
    key = tmp_path / "new" / "secret_key"
    assert key.read_text().strip() == installed.SECRET_KEY
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_restored_system_serves_the_same_pages(project, empty, tmp_path):
    run, version = ModelVersion.objects.get().run, project.datasets.last()
    pages = [f"/p/{project.public_id}/?live", f"/runs/{run.public_id}/?live"]
    file = f"/datasets/{version.public_id}/download"
    here = world.signed_in(User.objects.get(username="lin"))
    before = {page: here.get(page).content.decode() for page in pages}
    frozen = b"".join(here.get(file).streaming_content)
    assert restored(made(tmp_path / "backup"), empty, tmp_path / "new").returncode == 0
    environment = {**os.environ, "DATABASE_URL": empty}
    with Stack(tmp_path / "new", web=True, environment=environment, say=lambda line: None) as stack:
        there = requests.Session()
        page = there.get(stack.url + "sign-in/", timeout=60)
        token = next(value for name, value in there.cookies.items() if name.endswith("csrf"))
        form = {"username": "lin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        page = there.post(stack.url + "sign-in/", data=form, timeout=60)
        assert page.ok
        assert "sign-in" not in page.url
        after = {page: there.get(stack.url.rstrip("/") + page, timeout=60).text for page in pages}
        assert there.get(stack.url.rstrip("/") + file, timeout=60).content == frozen
    assert after == before


def test_a_run_that_finishes_while_a_backup_is_made_is_in_it_whole_or_not_at_all(project, empty, tmp_path):
    def meanwhile() -> None:
        """A model is published, rubbish lies about, and retention is told to clean up."""
        try:
            world.sft_model(project, tmp_path / "second")
            rubbish = tmp_path / "rubbish"
            rubbish.mkdir()
            (rubbish / "file").write_text("nobody names me")
            from training.contracts import write_manifest

            write_manifest(rubbish)
            digest = artifacts.keep(rubbish)
            os.utime(artifacts.path(digest), (0, 0))
            swept.append(retention.sweep())
        finally:
            connection.close()

    said: list[str] = []
    swept: list[Any] = []

    def say(line: str) -> None:
        if line.startswith("Dumping"):
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()
        said.append(line)

    before = backup.row_counts()
    taken = backup.take(tmp_path / "backup", say)
    assert swept == [[]]
    assert len(retention.sweep()) == 1
    assert taken.rows == before
    assert ModelVersion.objects.count() == 2
    assert any(line.startswith("Copying artifacts: ") for line in said)
    done = restored(tmp_path / "backup", empty, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty) as other:
        assert other.execute("SELECT count(*) FROM labeling_modelversion").fetchone() == (1,)


def test_a_backup_is_for_its_owner_only_and_shares_its_files_with_the_store(project, tmp_path):
    folder = made(tmp_path / "backup")
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in (backup.DUMP, backup.KEY):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    digest = ModelVersion.objects.get().artifact
    copied = backup.artifact(folder, digest) / "model.safetensors"
    assert copied.samefile(artifacts.path(digest) / "model.safetensors")


def test_a_database_that_holds_anything_is_refused_and_stays_as_it_was(project, empty, tmp_path):
    folder = made(tmp_path / "backup")
    with psycopg.connect(empty) as other:
        other.execute("CREATE TABLE mine AS SELECT 1 AS one")
    done = restored(folder, empty, tmp_path / "new")
    assert done.returncode == 1
    assert "The database is not empty" in done.stderr
    assert tables_of(empty) == 1


@pytest.mark.parametrize("name", [backup.MANIFEST, backup.DUMP, "model.safetensors"])
def test_half_a_backup_is_refused_before_anything_is_written(project, empty, tmp_path, name):
    folder = made(tmp_path / "backup")
    next(folder.rglob(name)).unlink()
    done = restored(folder, empty, tmp_path / "new")
    assert done.returncode == 1
    assert ("no finished backup" if name == backup.MANIFEST else "damaged") in done.stderr
    assert tables_of(empty) == 0
    assert not (tmp_path / "new" / "artifacts").exists()


def test_a_changed_dump_and_a_newer_release_s_backup_are_refused(project, empty, tmp_path):
    folder = made(tmp_path / "backup")
    with (folder / backup.DUMP).open("ab") as dump:
        dump.write(b"x")
    assert "was changed since" in restored(folder, empty, tmp_path / "new").stderr
    manifest = json.loads((folder / backup.MANIFEST).read_text())
    manifest["migrations"].append("labeling.9999_from_the_future")
    (folder / backup.MANIFEST).write_text(json.dumps(manifest))
    assert "newer release (it has labeling.9999" in restored(folder, empty, tmp_path / "new").stderr
    manifest["format"] = 2
    (folder / backup.MANIFEST).write_text(json.dumps(manifest))
    assert "reads format 1, not 2" in restored(folder, empty, tmp_path / "new").stderr
    assert tables_of(empty) == 0


def test_a_backup_never_overwrites_anything(project, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("kept")
    with pytest.raises(CommandError, match="not empty"):
        made(tmp_path / "full")
    with pytest.raises(BackupError, match="not finished"):
        backup.take(tmp_path / "full" / "precious" / "below", lambda line: None)


def test_an_artifact_that_was_damaged_before_is_named_and_the_rest_is_saved(project, empty, tmp_path):
    lost = ModelVersion.objects.get().artifact
    (artifacts.path(lost) / "model.safetensors").unlink()
    with pytest.raises(CommandError, match="1 artifacts were damaged before this backup"):
        made(tmp_path / "backup")
    done = restored(tmp_path / "backup", empty, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert f"artifact {lost[:12]}: model.safetensors: missing" in done.stderr


def test_another_secret_key_that_was_given_stays_and_the_operator_is_told(project, empty, tmp_path):
    given = "another key, given by the operator, of fifty characters"
    done = restored(made(tmp_path / "backup"), empty, tmp_path / "new", RANKLOOP_SECRET_KEY=given)
    assert done.returncode == 0, done.stderr
    assert "RANKLOOP_SECRET_KEY here is not the backup's" in done.stderr
    assert not (tmp_path / "new" / "secret_key").exists()
