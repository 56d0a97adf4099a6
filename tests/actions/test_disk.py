"""Warnings before the disk is full, and the floor below which no run begins."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from labeling import launcher
from labeling.actions import datasets, disk, runs
from labeling.models import User
from tests import learn
from tests.pages import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def state(settings, tmp_path):
    settings.STATE = tmp_path / "state"
    settings.ARTIFACTS, settings.RUNS = settings.STATE / "artifacts", settings.STATE / "runs"
    settings.DISK_WARN_SHARE, settings.DISK_WARN_BYTES, settings.DISK_FLOOR_BYTES = 0.0, 0, 0


@pytest.fixture
def project():
    made = learn.project()
    learn.imported(made, 1)
    return made


def more_than_there_is(tmp_path) -> int:
    return shutil.disk_usage(tmp_path).total + 1


def test_room_is_low_below_a_share_or_a_number_of_bytes_whichever_is_more(settings, tmp_path):
    settings.DISK_WARN_SHARE, settings.DISK_WARN_BYTES = 0.05, 2 * 10**9
    lows = [
        disk.Room(tmp_path, total, free).low
        for total, free in [
            (100 * 10**9, 4 * 10**9), (100 * 10**9, 6 * 10**9), (10 * 10**9, 10**9), (10 * 10**9, 3 * 10**9)
        ]
    ]  # fmt: skip
    assert lows == [True, False, True, False]


def test_state_and_artifacts_on_one_disk_are_one_warning(settings, tmp_path):
    assert disk.filling_up() == []
    settings.DISK_WARN_BYTES = more_than_there_is(tmp_path)
    (room,) = disk.filling_up()
    assert str(room).startswith("The disk is filling up: ")
    assert room.place == settings.STATE


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system to be had")
def test_runs_and_a_moved_database_on_a_disk_of_their_own_are_watched_too(settings, tmp_path):
    settings.DISK_WARN_BYTES = 2**62
    settings.STATE.mkdir()
    elsewhere = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        settings.RUNS = elsewhere / "runs"
        assert [room.place for room in disk.filling_up()] == [settings.STATE, settings.RUNS]
        settings.RUNS = settings.STATE / "runs"
        (settings.STATE / "postgres").symlink_to(elsewhere)
        assert [room.place for room in disk.filling_up()] == [settings.STATE, settings.STATE / "postgres"]
    finally:
        shutil.rmtree(elsewhere)


def test_leads_and_operators_are_warned_and_labelers_are_not(settings, tmp_path, project):
    lead = world.lead(project)
    operator = User.objects.create(username="op", is_staff=True, is_superuser=True)
    labeler = learn.build.member(project, "ann").user
    dashboard, warning = f"/p/{project.public_id}/", "The disk is filling up"
    pages = [(lead.user, dashboard), (operator, "/admin/"), (labeler, "/")]
    for low, wanted in ((0, [False] * 3), (more_than_there_is(tmp_path), [True, True, False])):
        settings.DISK_WARN_BYTES = low
        shown = [warning in world.signed_in(user).get(page).content.decode() for user, page in pages]
        assert shown == wanted


def test_a_run_does_not_begin_below_the_floor_and_its_lead_sees_why(settings, tmp_path, project):
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})
    settings.DISK_FLOOR_BYTES = more_than_there_is(tmp_path)
    assert launcher.execute(run.pk) is False
    run.refresh_from_db()
    assert (run.state, run.attempt, run.failures) == ("waiting", 0, 0)
    page = world.signed_in(world.lead(project).user).get(f"/runs/{run.public_id}/").content.decode()
    assert "Too little room on the worker" in page
    # It waits a while before the next worker looks; when there is room again, it begins.
    assert runs.waiting_ids() == []
    settings.DISK_FLOOR_BYTES = 0
    type(run).objects.filter(pk=run.pk).update(not_before=run.created_at)
    assert runs.claim(run.pk) is not None
