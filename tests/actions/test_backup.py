"""Backups of a system in use, and what comes back from them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.conf import settings as installed
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from labeling.actions import (
    announcements,
    artifacts,
    audit,
    backup,
    datasets,
    queue,
    rankings,
    retention,
    webhooks,
)
from labeling.actions.backup import BackupError
from labeling.models import Delivery, ModelVersion, Ranking, User
from labeling.supervisor import Stack
from tests import build, catalog, laws, learn
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
def whole(settings: Any, monkeypatch: Any) -> Any:
    """Something of everything: two rounds, a lead, a message that waits, and the record of it sealed."""
    settings.WEBHOOKS = [{"id": "lab", "name": "Lab", "url": "http://127.0.0.1:9/", "secret": "s" * 32}]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    monkeypatch.setattr(audit, "SEAL_AFTER_SECONDS", 0)
    made = learn.after_two_rounds("ann")
    lead = world.lead(made)
    announcements.ping(webhooks.subscribe(made, "lab", ["run.failed"], actor=lead.user))
    for user in User.objects.all():
        user.set_password(PASSWORD)
        user.save()
    audit.seal()
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


def test_what_was_backed_up_is_restored_with_every_law_and_every_file(whole, empty, tmp_path):
    done = restored(made(tmp_path / "backup"), empty, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "all verified" in done.stdout
    assert catalog.of(empty) == catalog.of(SERVER.format(connection.settings_dict["NAME"]))
    with psycopg.connect(empty) as other:
        assert laws.broken(other) == {}
        assert laws.broken_versions(other, tmp_path / "new" / "artifacts") == {}
        assert laws.broken_seals(other) == []
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
    assert len(outbox) == 1
    assert counts["labeling_auditseal"] == 1
    assert len(named) >= 10
    for digest in named:
        assert verify_manifest(tmp_path / "new" / "artifacts" / digest[:2] / digest) == digest
    key = tmp_path / "new" / "secret_key"
    assert key.read_text().strip() == installed.SECRET_KEY
    assert key.stat().st_mode & 0o777 == 0o600


def addresses(project: Any) -> dict[str, list[str]]:
    """What a labeler and a lead may look at, by name: pages, and the API's answers."""
    run, version, model = project.runs.last(), project.datasets.last(), project.models.last()
    round, home, api = project.rounds.last(), f"/p/{project.public_id}/", f"/api/projects/{project.public_id}"
    lists = ("prompts", "completions", "items", "rankings", "demonstrations", "datasets", "runs", "models")
    return {
        "ann": [
            *("/", f"{home}guidelines/", "/api/me", "/api/projects"),
            *(f"{api}/answers?kind={kind}" for kind in ("rank", "demonstrate")),
        ],
        "lin": [
            *(f"{home}{page}" for page in ("", "?live", "runs/", "datasets/", "rounds/", "people/")),
            *(
                f"/runs/{run.public_id}/?live",
                f"/datasets/{version.public_id}/",
                f"/rounds/{round.public_id}/",
            ),
            *(api, *(f"{api}/{name}?limit=200" for name in lists), f"{api}/rounds"),
            *(f"/api/runs/{run.public_id}/metrics", f"/api/models/{model.public_id}"),
            *(f"/api/datasets/{version.public_id}/rows", f"/datasets/{version.public_id}/download"),
        ],
    }


def content(answer: str) -> str:
    """What a page says, without its frame and its keys against forgery, which differ each time."""
    main = re.search("<main.*</main>", answer, re.DOTALL)
    return re.sub('value="[^"]{64}"', "", main[0] if main else answer)


def test_a_restored_system_answers_labelers_and_leads_as_before(whole, empty, tmp_path):
    def here(client: Client, address: str) -> str:
        answer: Any = client.get(address)
        assert answer.status_code == 200, (address, answer)
        return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()

    asked = addresses(whole)
    before = {}
    for name in asked:
        client = world.signed_in(User.objects.get(username=name))
        before[name] = {address: content(here(client, address)) for address in asked[name]}
    assert restored(made(tmp_path / "backup"), empty, tmp_path / "new").returncode == 0
    environment = {**os.environ, "DATABASE_URL": empty}
    with Stack(tmp_path / "new", web=True, environment=environment, say=lambda line: None) as stack:
        root = stack.url.rstrip("/")
        for name in asked:
            there = signed_in_there(root, name)
            for address in asked[name]:
                assert content(there.get(root + address, timeout=60).text) == before[name][address], address


def signed_in_there(address: str, username: str) -> requests.Session:
    there = requests.Session()
    page = there.get(address + "/sign-in/", timeout=60)
    token = next(value for name, value in there.cookies.items() if name.endswith("csrf"))
    form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token}
    page = there.post(address + "/sign-in/", data=form, timeout=60)
    assert page.ok
    assert "sign-in" not in page.url
    return there


def test_a_backup_of_a_system_at_work_keeps_every_law(project, empty, tmp_path):
    build.rank_items(project, 600, k=3, overlap=2)
    people = [build.member(project, f"labeler-{number}") for number in range(4)]
    done = threading.Event()
    wrong: list[BaseException] = []

    def work(person: Any) -> None:
        try:
            while not done.is_set() and (held := queue.claim(person, "rank")):
                ranking = rankings.submit(held, build.answer(held), build.key()).answer
                if ranking.pk % 5 == 0:
                    rankings.revise(ranking, {**build.answer(held), "base": 1}, build.key())
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    def say(line: str) -> None:
        """The snapshot is taken when this is said, and pg_dump begins afterwards."""
        if line.startswith("Dumping the database"):
            seen = Ranking.objects.count()
            wait_until(lambda: wrong or answered_since(seen) > 10)

    def answered_since(seen: int) -> int:
        # Another connection: ours looks at the snapshot.
        with psycopg.connect(SERVER.format(connection.settings_dict["NAME"])) as other:
            row = other.execute("SELECT count(*) FROM labeling_ranking").fetchone()
        assert row is not None
        return row[0] - seen

    working = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in working:
        thread.start()
    wait_until(lambda: wrong or answered_since(0) > 20)
    try:
        taken = backup.take(tmp_path / "backup", say)
        wait_until(lambda: wrong or answered_since(taken.rows["labeling_ranking"]) > 20)
    finally:
        done.set()
        for thread in working:
            thread.join()
    assert wrong == []
    assert restored(tmp_path / "backup", empty, tmp_path / "new").returncode == 0
    with psycopg.connect(empty) as other:
        assert laws.broken(other) == {}
        row = other.execute("SELECT count(*) FROM labeling_ranking").fetchone()
    assert row == (taken.rows["labeling_ranking"],)
    assert Ranking.objects.count() > taken.rows["labeling_ranking"] > 20
    assert laws.broken() == {}


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


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


def test_a_key_that_cannot_be_written_is_found_out_while_the_database_is_empty(project, empty, tmp_path):
    state = tmp_path / "new"
    (state / "secret_key.restored").mkdir(parents=True)
    done = restored(made(tmp_path / "backup"), empty, state)
    assert done.returncode == 1
    assert "The backup is not restored: " in done.stderr
    assert tables_of(empty) == 0


def test_where_rows_are_missing_after_the_load_it_is_said_that_the_database_is_loaded(
    project, empty, tmp_path
):
    folder = made(tmp_path / "backup")
    manifest = json.loads((folder / backup.MANIFEST).read_text())
    manifest["rows"]["labeling_prompt"] += 1
    (folder / backup.MANIFEST).write_text(json.dumps(manifest))
    done = restored(folder, empty, tmp_path / "new")
    assert done.returncode == 1
    assert "The database is loaded, but do not use it: labeling_prompt has " in done.stderr
    assert tables_of(empty) > 0


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
