"""What is deleted, and above all what is not."""

from __future__ import annotations

import io
import os
import shutil
import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.utils import timezone

from labeling.actions import artifacts, datasets, retention, runs
from labeling.actions.errors import NotNow
from labeling.models import AuditEvent, DatasetVersion, ModelVersion, Run
from tests import learn
from tests.pages import world
from training.contracts import verify_manifest, write_manifest

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = time.time() - 90 * 24 * 3600


@pytest.fixture(autouse=True)
def state(settings, tmp_path):
    settings.STATE = tmp_path / "state"
    settings.ARTIFACTS, settings.RUNS = settings.STATE / "artifacts", settings.STATE / "runs"
    settings.RUNS.mkdir(parents=True)


@pytest.fixture
def project():
    return learn.project()


def unnamed(tmp_path, text: str = "nobody names me", *, kept_at: float = LONG_AGO) -> str:
    """An artifact that no row names; its address."""
    folder = tmp_path / text.replace(" ", "-")
    folder.mkdir()
    (folder / "file").write_text(text)
    write_manifest(folder)
    digest = artifacts.keep(folder)
    os.utime(artifacts.path(digest), (kept_at, kept_at))
    return digest


def run_folder(settings, name: str):
    """The folder of a run with an attempt in it, untouched for long."""
    folder = settings.RUNS / name
    (folder / "attempt-1" / "checkpoints").mkdir(parents=True)
    (folder / "attempt-1" / "checkpoints" / "weights").write_bytes(b"x" * 1000)
    os.utime(folder, (LONG_AGO, LONG_AGO))
    return folder


def ended(run: Run, state: str, *, days: float) -> None:
    """The run came to this end so many days ago."""
    Run.objects.filter(pk=run.pk).update(state=state, owner=None, lease_until=None, finished_at=runs.Clock())
    earlier = ExpressionWrapper(F("finished_at") - timedelta(days=days), output_field=DateTimeField())
    Run.objects.filter(pk=run.pk).update(finished_at=earlier)


def test_what_any_row_names_is_never_deleted_however_old(project, tmp_path):
    learn.build.member(project, "ann")
    sft = world.sft_model(project, tmp_path / "sft")
    reward = world.reward_model(project, tmp_path / "reward", sft)
    waiting = world.waiting("ppo", {
        "prompts.jsonl": datasets.freeze(project, "prompts"), "policy": sft, "reward": reward
    })  # fmt: skip
    for digest in artifacts.stored():
        os.utime(artifacts.path(digest), (LONG_AGO, LONG_AGO))
    doomed = unnamed(tmp_path)
    assert [thing.name for thing in retention.sweep()] == [doomed]
    for model in ModelVersion.objects.all():
        assert verify_manifest(artifacts.path(model.artifact)) == model.artifact
    for version in DatasetVersion.objects.all():
        assert datasets.file(version).is_file()
    for given in waiting.inputs.all():
        assert verify_manifest(artifacts.path((given.dataset or given.model).artifact))


def test_deleting_a_published_model_is_impossible(project, tmp_path):
    model = world.sft_model(project, tmp_path)
    os.utime(artifacts.path(model.artifact), (LONG_AGO, LONG_AGO))
    with pytest.raises(NotNow, match="kept for good"):
        retention.delete_artifact(model.artifact)
    for forbidden in (
        "DELETE FROM labeling_modelversion",
        f"UPDATE labeling_modelversion SET artifact = '{'0' * 64}'",
        "DELETE FROM labeling_runmetric; DELETE FROM labeling_runinput; DELETE FROM labeling_run",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(forbidden)
    assert artifacts.verified(model.artifact)


def test_an_artifact_that_was_kept_lately_stays_until_a_row_had_time_to_name_it(tmp_path):
    digest = unnamed(tmp_path, kept_at=time.time() - 3600)
    assert retention.sweep() == []
    assert retention.delete_artifact(digest) is False
    assert artifacts.verified(digest)


def test_keeping_an_old_artifact_again_makes_it_young(tmp_path):
    digest = unnamed(tmp_path)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "file").write_text("nobody names me")
    write_manifest(tmp_path / "again")
    assert artifacts.keep(tmp_path / "again") == digest
    assert artifacts.age(digest) < 3600
    assert retention.sweep() == []


def test_folders_of_runs_that_ended_long_ago_go_and_all_others_stay(project, settings):
    learn.imported(project, 1)
    kept, gone = [], []
    for number, (state, days) in enumerate(
        [("failed", 15), ("stopped", 15), ("failed", 13), ("running", 0), ("waiting", 0)]
    ):
        learn.imported(project, 1)
        run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")}, seed=number)
        if state == "running":
            runs.claim(run.pk)
        elif days:
            ended(run, state, days=days)
        (gone if days > 14 else kept).append(run_folder(settings, run.public_id))
    gone.append(run_folder(settings, "of-an-older-life"))
    new = settings.RUNS / "just-made"
    new.mkdir()
    assert {thing.folder for thing in retention.sweep()} == set(gone)
    assert [folder.exists() for folder in gone] == [False] * 3
    assert [folder.exists() for folder in (*kept, new)] == [True] * 4


def test_every_deletion_is_on_record_and_a_dry_run_deletes_nothing(tmp_path, settings):
    digest, folder = unnamed(tmp_path), run_folder(settings, "forgotten")
    out = io.StringIO()
    call_command("retention", "--dry-run", stdout=out)
    assert "2 would be deleted" in out.getvalue()
    assert digest in out.getvalue()
    assert artifacts.path(digest).exists()
    assert folder.exists()
    assert not AuditEvent.objects.exists()
    call_command("retention", stdout=out)
    assert "2 deleted" in out.getvalue()
    events = AuditEvent.objects.filter(verb="retention.deleted").order_by("pk")
    assert [(event.subject, event.data["what"]) for event in events] == [
        ("forgotten", "run folder"), (digest, "artifact")
    ]  # fmt: skip
    assert events[0].data["bytes"] == 1000
    assert not artifacts.path(digest).exists()
    assert not folder.exists()


def test_what_cannot_be_deleted_keeps_nothing_else_and_is_no_deletion_on_record(
    tmp_path, settings, monkeypatch, caplog
):
    stuck, free, artifact = run_folder(settings, "a"), run_folder(settings, "b"), unnamed(tmp_path)
    remove = shutil.rmtree

    def refused(folder, **options):
        if folder == stuck:
            raise PermissionError(13, "Permission denied", str(folder / "attempt-1"))
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", refused)
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 2)
    assert [thing.name for thing in retention.sweep()] == ["b", artifact]
    assert (stuck.exists(), free.exists()) == (True, False)
    assert set(AuditEvent.objects.values_list("subject", flat=True)) == {"b", artifact}
    assert "cannot delete the run folder a" in caplog.text
    monkeypatch.setattr(shutil, "rmtree", remove)
    assert [thing.name for thing in retention.sweep()] == ["a"]


def test_the_tick_forgets_sessions_that_expired_and_no_others(settings):
    for name, days in (("over", -1), ("live", 1)):
        Session.objects.create(
            session_key=name, session_data="", expire_date=timezone.now() + timedelta(days=days)
        )
    retention.tick()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["live"]


def test_the_tick_sweeps_once_an_hour(tmp_path, settings):
    first = unnamed(tmp_path, "first")
    retention.tick()
    assert not artifacts.path(first).exists()
    second = unnamed(tmp_path, "second")
    retention.tick()
    assert artifacts.path(second).exists()
    os.utime(settings.RUNS / ".swept", (LONG_AGO, LONG_AGO))
    retention.tick()
    assert not artifacts.path(second).exists()
