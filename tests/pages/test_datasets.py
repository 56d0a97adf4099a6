"""Dataset versions on the pages: freezing by a button, and downloading the bytes as they are."""

from __future__ import annotations

import hashlib

import pytest
from django.urls import reverse

from labeling.actions import datasets
from labeling.celery import app
from labeling.models import DatasetVersion
from tests import build, learn
from tests.pages import world


@pytest.fixture
def worker_at_hand():
    """Messages are worked off where they are sent."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def freeze(client, project, kind):
    return client.post(
        reverse("freeze", args=[project.public_id]), {"kind": kind}, follow=True
    ).content.decode()


@pytest.mark.parametrize("kind", ["sft", "prompts", "comparisons"])
def test_the_freeze_button_makes_a_version(client, lead, project, worker_at_hand, kind):
    learn.imported(project, 3)
    build.rank_items(project, 1)
    learn.rank(project.memberships.get(user__username="ann"))
    assert "Freezing." in freeze(client, project, kind)
    version = DatasetVersion.objects.get()
    assert (version.kind, version.state, version.created_by) == (kind, "complete", lead.user)


def test_freezing_nothing_is_refused_with_the_reason(client, project, worker_at_hand):
    assert "There is nothing to freeze yet." in freeze(client, project, "comparisons")
    assert not DatasetVersion.objects.exists()


@pytest.mark.parametrize("kind", ["", "everything", "sft\x00"])
def test_an_unknown_kind_is_refused(client, project, worker_at_hand, kind):
    learn.imported(project, 1)
    assert "There is no such kind of dataset." in freeze(client, project, kind)


def test_a_page_says_so_when_no_worker_can_be_reached(client, project):
    learn.imported(project, 1)
    address, app.conf.broker_url = app.conf.broker_url, "redis://127.0.0.1:1/0"
    app._after_fork()  # forget the connections that earlier tests have opened
    try:
        assert "The workers cannot be reached right now." in freeze(client, project, "sft")
    finally:
        app.conf.broker_url = address
        app._after_fork()


def test_the_download_is_the_version_byte_for_byte(client, project):
    learn.imported(project, 3)
    version = datasets.freeze(project, "sft")
    answer = client.get(reverse("download-dataset", args=[version.public_id]))
    content = b"".join(answer.streaming_content)
    assert content == datasets.file(version).read_bytes()
    assert hashlib.sha256(content).hexdigest() == version.digest
    assert answer["Content-Disposition"] == 'attachment; filename="strings-sft-1.jsonl"'


def test_an_incomplete_version_cannot_be_downloaded(client, project):
    version = DatasetVersion.objects.create(project=project, kind="sft", number=1)
    assert client.get(reverse("download-dataset", args=[version.public_id])).status_code == 404
    assert "Being frozen." in client.get(reverse("dataset", args=[version.public_id])).content.decode()


def test_a_version_shows_its_counts_and_its_digest(client, project):
    learn.imported(project, 2)
    learn.imported(project, 1, split="valid")
    version = datasets.freeze(project, "sft")
    answer = client.get(reverse("dataset", args=[version.public_id]))
    counts = dict(answer.context["counts"])
    assert (counts["rows"], counts["split · train"], counts["split · valid"]) == ("3", "2", "1")
    assert version.digest in answer.content.decode()
    assert "No run has read it yet." in answer.content.decode()


def test_a_version_of_another_project_does_not_exist(client, project):
    other = learn.project("other")
    version = world.frozen(other)
    assert client.get(reverse("dataset", args=[version.public_id])).status_code == 404
    assert client.get(reverse("download-dataset", args=[version.public_id])).status_code == 404
