"""Dataset versions are waited for, and come whole or not at all."""

from __future__ import annotations

import hashlib

import pytest
from celery.contrib.testing.worker import start_worker
from django.db import connection

from labeling.actions import datasets
from labeling.celery import app
from rankloop_client import Conflict, Damaged, MaybeDone, NotFound, TookTooLong
from tests import learn


@pytest.fixture
def frozen(project):
    learn.imported(project, 30)
    return datasets.freeze(project, "sft")


def test_a_version_is_asked_for_waited_for_and_pulled(project, lead, lin, tmp_path):
    learn.imported(project, 3)
    with start_worker(app, pool="solo", perform_ping_check=False):
        first = lead.make_dataset(project.public_id, "sft")
        learn.imported(project, 2)
        second = lead.make_dataset(project.public_id, "sft")
    assert (first.number, second.number) == (1, 2)
    assert (first.counts["rows"], second.counts["rows"]) == (3, 5)
    assert second.created_by.user == lin.user.public_id
    file = tmp_path / "rows.jsonl"
    assert lead.pull_dataset(second.dataset, file) == second
    assert hashlib.sha256(file.read_bytes()).hexdigest() == second.digest
    assert list(lead.dataset_rows(second.dataset)) == learn.lines(file)


def test_where_nothing_is_new_no_version_comes(project, lead, frozen):
    with pytest.raises(TookTooLong, match=frozen.public_id):
        lead.make_dataset(project.public_id, "sft", patience=0)


def test_another_s_version_is_not_taken_for_one_s_own(project, lead, frozen, relay):
    learn.imported(project, 1)

    def somebody_else_freezes(seen):
        if "/datasets?" in seen.path:
            datasets.freeze(project, "sft")
            connection.close()

    relay.meanwhile = somebody_else_freezes
    with pytest.raises(TookTooLong):
        lead.make_dataset(project.public_id, "sft", patience=0)
    assert [version.number for version in lead.datasets(project.public_id)] == [2, 1]


def test_a_freeze_whose_answer_was_lost_is_not_asked_for_again(project, lead, frozen, relay):
    relay.spoil("lost")
    with pytest.raises(MaybeDone):
        lead.freeze_dataset(project.public_id, "sft")
    assert len(relay.seen) == 1


def test_a_download_that_broke_off_begins_anew(lead, frozen, relay, tmp_path):
    file = tmp_path / "rows.jsonl"
    relay.spoil("", "cut", "503")
    lead.pull_dataset(frozen.public_id, file)
    assert file.read_bytes() == datasets.file(frozen).read_bytes()
    assert len(relay.seen) == 4


def test_a_damaged_download_leaves_what_was_there(lead, frozen, relay, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("of yesterday")
    relay.spoil("", "flipped")
    with pytest.raises(Damaged, match=frozen.digest):
        lead.pull_dataset(frozen.public_id, file)
    assert file.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["rows.jsonl"]


def test_no_row_of_a_damaged_download_is_handed_out(lead, frozen, relay):
    relay.spoil("", "flipped")
    with pytest.raises(Damaged):
        next(lead.dataset_rows(frozen.public_id))


def test_a_version_that_is_lost_or_unknown_leaves_no_file(lead, frozen, tmp_path):
    datasets.file(frozen).unlink()
    for name, error in ((frozen.public_id, Conflict), ("23456789abcdefgh", NotFound)):
        with pytest.raises(error):
            lead.pull_dataset(name, tmp_path / "rows.jsonl")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
