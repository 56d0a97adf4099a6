"""Freezing: what goes in, that bytes follow from rows, and that a version stays as it is."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from labeling.actions import artifacts, datasets, queue, rankings
from labeling.actions.errors import BadInput
from labeling.models import DatasetRow, DatasetVersion, Kind, Ranking
from tests import build, learn
from training.contracts import ComparisonRow, ContractError, DemonstrationRow, PromptRow, read_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"
    return settings.ARTIFACTS


@pytest.fixture
def project():
    return learn.project()


def test_a_comparisons_version_groups_the_rankings_of_an_item(project):
    build.rank_items(project, 2, k=3, overlap=2)
    for name in ("ann", "ben"):
        learn.rank(build.member(project, name), 2, flags={"A": ["hallucination"]})
    version = datasets.freeze(project, "comparisons")
    rows = list(read_rows(datasets.file(version), ComparisonRow))
    assert [len(row.rankings) for row in rows] == [2, 2]
    first = rows[0]
    assert [len(first.completions), first.split] == [3, "train"]
    for ranking in first.rankings:
        best = ranking.ranks.index(1)
        assert ranking.scores[best] == 7
        assert ranking.flags[best] == ("hallucination",)
    assert version.counts == {
        "rows": 2, "rankings": 4, "all_bad": 0, "ties": 0, "simulated": 0, "labelers": 2,
        "splits": {"train": 2}, "extras_left_out": 0, "simulated_left_out": 0,
    }  # fmt: skip
    assert DatasetRow.objects.filter(version=version).count() == 4


def test_the_current_revision_is_taken_and_named(project):
    build.rank_items(project, 1, k=2)
    (ranking,) = learn.rank(build.member(project, "ann"))
    body = build.answer(ranking.assignment, scores={"A": 1, "B": 1}, tiers=None, all_bad=True, base=1)
    rankings.revise(ranking, body, build.key())
    version = datasets.freeze(project, "comparisons")
    (row,) = read_rows(datasets.file(version), ComparisonRow)
    assert (row.rankings[0].revision, row.rankings[0].ranks, row.rankings[0].all_bad) == (2, None, True)
    assert version.counts["all_bad"] == 1
    assert DatasetRow.objects.get(version=version).ranking.number == 2


def test_extras_stay_out_and_are_counted(project):
    build.rank_items(project, 1)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    late = queue.claim(ann, Kind.RANK)
    build.overdue(project)
    learn.rank(ben)
    rankings.submit(late, build.answer(late), build.key())
    assert Ranking.objects.count() == 2
    version = datasets.freeze(project, "comparisons")
    assert (version.counts["rankings"], version.counts["extras_left_out"]) == (1, 1)


def test_simulated_answers_are_taken_only_where_the_policy_includes_them(project):
    build.rank_items(project, 2)
    learn.rank(build.member(project, "ann"))
    learn.rank(learn.simulated(project, "robot"))
    without = datasets.freeze(project, "comparisons")
    assert (without.counts["rankings"], without.counts["simulated_left_out"]) == (1, 1)
    project.loop_policy.include_simulated = True
    project.loop_policy.save()
    included = datasets.freeze(project, "comparisons")
    assert (included.number, included.counts["rankings"], included.counts["simulated"]) == (2, 2, 1)


def test_an_sft_version_holds_written_and_imported_demonstrations_and_no_identity(project):
    learn.imported(project, 2)
    learn.imported(project, 1, is_simulated=True)
    ann = build.member(project, "ann")
    learn.demonstrate(ann, "the sea")
    version = datasets.freeze(project, "sft")
    rows = list(read_rows(datasets.file(version), DemonstrationRow))
    assert sorted(row.response for row in rows) == ["0", "1", "the sea"]
    (written,) = [row for row in rows if row.source == "labeler"]
    assert len(written.labeler) == 16
    content = datasets.file(version).read_text()
    assert ann.user.public_id not in content
    assert "ann" not in content
    assert version.counts["imported"] == 2
    assert version.counts["simulated_left_out"] == 1


def test_a_prompts_version_narrows_to_splits(project):
    learn.imported(project, 3)
    learn.imported(project, 2, split="valid")
    learn.imported(project, 1, split="test")
    version = datasets.freeze(project, "prompts", splits=("train", "valid"))
    rows = list(read_rows(datasets.file(version), PromptRow))
    assert [row.prompt for row in rows] == sorted(row.prompt for row in rows)
    assert version.counts == {"rows": 5, "splits": {"train": 3, "valid": 2}}


def test_the_same_rows_give_the_same_version_and_new_rows_a_new_one(project):
    learn.imported(project, 3)
    first = datasets.freeze(project, "sft")
    assert datasets.freeze(project, "sft") == first
    assert DatasetVersion.objects.count() == 1
    learn.imported(project, 1)
    second = datasets.freeze(project, "sft")
    assert (first.number, second.number) == (1, 2)
    assert first.digest != second.digest


def test_bytes_follow_from_rows_alone(project):
    learn.imported(project, 20)
    version = datasets.freeze(project, "sft")
    before = datasets.file(version).read_bytes()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL rankloop.erasing = 'on'")
        version.delete()
    again = datasets.freeze(project, "sft")
    assert datasets.file(again).read_bytes() == before
    assert again.digest == hashlib.sha256(before).hexdigest()
    assert again.artifact == version.artifact


def test_a_control_moves_the_answers_of_each_item_and_says_so(project):
    build.rank_items(project, 12, k=4, overlap=2)
    for name in ("ann", "ben"):
        learn.rank(build.member(project, name), 12)
    plain = datasets.freeze(project, "comparisons")
    control = datasets.freeze(project, "comparisons", permute_seed=7)
    assert control.recipe["permute_seed"] == 7
    assert datasets.freeze(project, "comparisons", permute_seed=7) == control
    moved = 0
    rows = zip(
        read_rows(datasets.file(plain), ComparisonRow),
        read_rows(datasets.file(control), ComparisonRow),
        strict=True,
    )
    for row, shuffled in rows:
        assert row.completions == shuffled.completions
        both, both_shuffled = (
            sorted(zip(*(ranking.ranks for ranking in each.rankings), strict=True))
            for each in (row, shuffled)
        )
        assert both == both_shuffled, "two labelers of an item are moved alike"
        moved += row.rankings != shuffled.rankings
    assert moved >= 9


def test_a_complete_version_cannot_be_changed_or_deleted(project):
    learn.imported(project, 2)
    version = datasets.freeze(project, "sft")
    for change in (
        lambda: DatasetVersion.objects.filter(pk=version.pk).update(digest="0" * 64),
        lambda: version.rows.all().delete(),
        lambda: version.rows.update(ordinal=7),
        lambda: DatasetRow.objects.create(
            version=version, ordinal=9, demonstration=version.rows.first().demonstration
        ),
        lambda: DatasetVersion.objects.filter(pk=version.pk).delete(),
    ):
        with pytest.raises(IntegrityError, match="complete"), transaction.atomic():
            change()


def test_nothing_is_left_of_a_freeze_that_fails(project, store):
    with pytest.raises(BadInput, match="nothing to freeze"):
        datasets.freeze(project, "sft")
    learn.imported(project, 1)
    with suppress(RuntimeError), datasets.snapshot():
        datasets.take(project, "sft")
        raise RuntimeError
    assert DatasetVersion.objects.count() == 0
    assert list((store / "staging").iterdir()) == []


def test_a_changed_file_is_noticed(project):
    learn.imported(project, 2)
    version = datasets.freeze(project, "sft")
    path = datasets.file(version)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"echo", b"ECHO"))
    with pytest.raises(ContractError, match=r"sft\.jsonl"):
        datasets.export(version, io.BytesIO())


def test_export_writes_the_frozen_bytes(project, tmp_path):
    learn.imported(project, 3)
    version = datasets.freeze(project, "sft")
    for arguments in ([version.public_id], [project.slug, "sft"]):
        output = tmp_path / "out.jsonl"
        call_command("export", *arguments, output=output, stderr=io.StringIO())
        assert output.read_bytes() == datasets.file(version).read_bytes()
    with pytest.raises(CommandError, match="no complete"):
        call_command("export", "strings", "comparisons")


def test_keeping_an_artifact_twice_is_fine_and_a_broken_one_is_refused(tmp_path):
    from training.contracts import write_manifest

    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "weights").write_bytes(b"abc")
        write_manifest(folder)
        digests.append(artifacts.keep(folder))
    assert digests[0] == digests[1]
    assert (artifacts.verified(digests[0]) / "weights").read_bytes() == b"abc"
    folder = tmp_path / "three"
    folder.mkdir()
    (folder / "weights").write_bytes(b"abc")
    write_manifest(folder)
    (folder / "weights").write_bytes(b"abd")
    with pytest.raises(ContractError, match="weights"):
        artifacts.keep(folder)
    with pytest.raises(ValueError, match="address"):
        artifacts.path("../../etc")


@pytest.mark.slow
def test_thousands_of_demonstrations(project):
    learn.imported(project, 3_000)
    version = datasets.freeze(project, "sft")
    assert version.counts["rows"] == 3_000
