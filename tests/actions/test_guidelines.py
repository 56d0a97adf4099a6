"""Guidelines are versions: written on top of each other, accepted before there is work."""

from __future__ import annotations

import pytest

from labeling.actions import guidelines, leases, projects, queue
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.models import Acceptance, AuditEvent, Guidelines, Kind, Role
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def ann(project):
    return build.member(project, "ann")


def test_a_new_project_begins_with_what_it_was_given():
    made = projects.create_project("letters", "Letters", guidelines="# Read it")
    version = guidelines.latest(made)
    assert (version.version, version.text, version.binding) == (1, "# Read it", False)
    assert guidelines.latest(projects.create_project("empty", "Empty")) is None


def test_versions_are_written_on_top_of_each_other(project, ann):
    guidelines.write(project, "one", base=0)
    second = guidelines.write(project, "two\r\nlines", base=1, note=" why \n not ", actor=ann.user)
    assert (second.version, second.text, second.note, second.created_by) == (
        2,
        "two\nlines",
        "why not",
        ann.user,
    )
    assert guidelines.latest(project) == second
    event = AuditEvent.objects.filter(verb="guidelines.written").latest("pk")
    assert event.data == {"version": 2, "binding": False}


def test_who_writes_on_an_older_version_is_told_and_overwrites_nothing(project):
    guidelines.write(project, "one", base=0)
    with pytest.raises(Stale) as refused:
        guidelines.write(project, "mine", base=0)
    assert refused.value.data["stored"] == {"version": 1, "text": "one"}
    assert Guidelines.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"text": "one"}, NotNow),
        ({"text": " ", "binding": True}, BadInput),
        ({"text": "a\x00"}, BadInput),
        ({"text": "x" * (64 * 1024 + 1)}, BadInput),
        ({"text": "two", "note": "x" * 201}, BadInput),
    ],
)
def test_what_cannot_be_a_version_is_refused(project, given, error):
    guidelines.write(project, "one", base=0)
    with pytest.raises(error):
        guidelines.write(project, base=1, **given)
    assert Guidelines.objects.count() == 1


def test_a_binding_version_is_accepted_before_there_is_work(project, ann):
    build.rank_items(project, 1)
    guidelines.write(project, "free", base=0)
    guidelines.write(project, "bound", base=1, binding=True)
    with pytest.raises(NotNow) as refused:
        queue.claim(ann, Kind.RANK)
    assert refused.value.data == {"code": "guidelines"}
    guidelines.accept(ann, 2)
    guidelines.accept(ann, 2)
    assert Acceptance.objects.count() == 1
    assert queue.claim(ann, Kind.RANK) is not None


def test_a_later_version_that_binds_nobody_keeps_the_earlier_one_binding(project, ann):
    guidelines.write(project, "bound", base=0, binding=True)
    guidelines.write(project, "free", base=1)
    assert guidelines.must_accept(ann)
    guidelines.accept(ann, 2)
    assert not guidelines.must_accept(ann)
    guidelines.write(project, "bound again", base=2, binding=True)
    assert guidelines.must_accept(ann)


def test_only_the_version_in_force_can_be_accepted(project, ann):
    guidelines.write(project, "one", base=0, binding=True)
    guidelines.write(project, "two", base=1, binding=True)
    for version in (0, 1, 3):
        with pytest.raises(NotNow):
            guidelines.accept(ann, version)
    assert guidelines.accepted(ann) is None


def test_what_others_and_other_projects_accepted_counts_for_nobody_else(project, ann):
    other = build.project("other")
    for one in (project, other):
        guidelines.write(one, "bound", base=0, binding=True)
    bob = build.member(project, "bob", Role.REVIEWER)
    away = build.member(other, "ann")
    guidelines.accept(bob, 1)
    guidelines.accept(away, 1)
    assert guidelines.must_accept(ann)
    assert guidelines.yet_to_accept(project) == 1
    assert guidelines.yet_to_accept(other) == 0


def test_what_somebody_holds_when_new_guidelines_bind_can_still_be_answered(project, ann):
    from labeling.actions import rankings

    build.rank_items(project, 2)
    held = queue.claim(ann, Kind.RANK)
    guidelines.write(project, "bound", base=0, binding=True)
    leases.save_draft(held, 1, {"comment": "half way"})
    assert rankings.submit(held, build.answer(held), build.key()).created
    with pytest.raises(NotNow):
        queue.claim(ann, Kind.RANK)
