"""Where a labeler's claims read on: nothing is lost behind their place, and nothing is read twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labeling.actions import finding, items, leases, projects, queue, rankings
from labeling.models import Kind, QueueCursor, Slot
from tests import build, laws

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


def keyed(project, *keys, **more):
    """One item for each key, in that order."""
    made = build.rank_items(project, len(keys), **more)
    for item, key in zip(made, keys, strict=True):
        Slot.objects.filter(item=item).update(key=key)
    return made


def done(person):
    """The person's next item, answered; its id."""
    held = queue.claim(person, Kind.RANK)
    rankings.submit(held, build.answer(held), build.key())
    return held.item_id


def test_items_come_in_the_order_of_their_keys(project):
    last, first, middle = keyed(project, 30, 10, 20)
    ann = build.member(project, "ann")
    assert [done(ann) for _ in range(3)] == [first.pk, middle.pk, last.pk]


def test_an_item_given_back_behind_a_place_is_met_after_those_ahead(project):
    first, second, third = keyed(project, 10, 20, 30)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    bens = queue.claim(ben, Kind.RANK)
    assert done(ann) == second.pk
    leases.release(bens)
    assert [done(ann), done(ann)] == [third.pk, first.pk]
    assert queue.claim(ann, Kind.RANK) is None
    assert laws.broken() == {}


def test_new_items_are_met_by_those_who_had_come_to_the_end(project):
    keyed(project, 500)
    ann = build.member(project, "ann")
    done(ann)
    assert queue.claim(ann, Kind.RANK) is None
    new = keyed(project, 2, 1)
    assert {done(ann), done(ann)} == {item.pk for item in new}


def test_an_item_that_becomes_urgent_comes_first_also_where_there_was_nothing_urgent_before(project):
    made = keyed(project, 10, 20, 30, 40)
    ann = build.member(project, "ann")
    assert done(ann) == made[0].pk
    Slot.objects.filter(item=made[3]).update(band=0)
    assert [done(ann), done(ann)] == [made[3].pk, made[1].pk]


def test_raising_overlap_brings_an_item_to_those_who_have_passed_it(project):
    passed, other = keyed(project, 10, 20)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    assert [done(ann), done(ben)] == [passed.pk, other.pk]
    items.set_overlap(passed.pk, 2)
    assert done(ben) == passed.pk


def test_every_opening_has_a_number_of_its_own_and_later_ones_are_higher(project):
    first, second = build.rank_items(project, 2, overlap=2)
    before = list(Slot.objects.order_by("pk").values_list("opening", flat=True))
    assert len(set(before)) == 4
    held = queue.claim(build.member(project, "ann"), Kind.RANK)
    leases.release(held)
    again = Slot.objects.get(pk=held.slot_id).opening
    assert again > max(before)
    Slot.objects.filter(item__in=[first, second]).update(band=2)
    assert min(Slot.objects.values_list("opening", flat=True)) > again


@pytest.mark.parametrize(("minutes", "is_found"), [(9, False), (11, True)])
def test_whoever_finds_nothing_begins_again_at_the_start_but_not_all_the_time(project, minutes, is_found):
    """A slot that was locked by a failed claim as it was passed over is behind the place like this."""
    build.rank_items(project, 1)
    ann = build.member(project, "ann")
    passed(ann, openings=finding.LOOK_BACK, minutes=minutes)
    assert (queue.claim(ann, Kind.RANK) is not None) == is_found


def test_a_slot_whose_opening_is_seen_after_a_later_one_is_found_at_once(project):
    """The transaction that opened it ended last: the place has passed its number before it was there."""
    build.rank_items(project, 1)
    ann = build.member(project, "ann")
    passed(ann, openings=10, minutes=1)
    assert queue.claim(ann, Kind.RANK) is not None


def test_a_language_that_was_added_brings_what_was_passed_over(project):
    chinese, english = keyed(project, 10, 20, language="zh")
    Slot.objects.filter(item=english).update(language="en")
    ann = build.member(project, "ann", languages=["en"])
    assert done(ann) == english.pk
    passed(ann, openings=finding.LOOK_BACK, minutes=1)
    assert queue.claim(ann, Kind.RANK) is None
    ann = projects.add_member(project, ann.user, ann.role, languages=["en", "zh"])
    assert done(ann) == chinese.pk


def passed(person, *, openings, minutes):
    """The person has read to the end of the queue, so many minutes ago, and of so many later openings."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(nextval('labeling_slot_opening')) FROM generate_series(1, %s)", [openings])
        (newest,) = cursor.fetchone()
    QueueCursor.objects.filter(membership=person, kind=Kind.RANK).update(
        keys=[finding.END] * 3,
        openings=[newest] * 3,
        begun_at=timezone.now() - timedelta(minutes=minutes),
    )


def test_a_member_is_born_with_a_place_for_each_kind_of_work(project):
    ann = build.member(project, "ann")
    assert set(QueueCursor.objects.filter(membership=ann).values_list("kind", flat=True)) == set(Kind.values)


def rows_read(sql, person, **values):
    """How many rows the statement's scans have read, by EXPLAIN ANALYZE."""
    who = {
        "project": person.project_id, "kind": "rank", "labeler": person.user_id, "languages": [],
        "opt_outs": [], "band": 1,
    }  # fmt: skip
    with connection.cursor() as cursor:
        # As for tables of any size: the few pages of these would be read whole.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("ANALYZE labeling_slot, labeling_assignment")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", who | values)
        ((plan,),) = cursor.fetchall()
    return _rows_of(plan[0]["Plan"])


def _rows_of(node):
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    own = (node["Actual Rows"] + removed) * node["Actual Loops"] if "Scan" in node["Node Type"] else 0
    return own + sum(_rows_of(child) for child in node.get("Plans", []))


def test_a_claim_reads_a_handful_of_rows_however_many_there_are_and_however_many_are_done(project):
    build.rank_items(project, 400, overlap=2)
    ann = build.member(project, "ann")
    for _ in range(60):
        done(ann)
    place = QueueCursor.objects.get(kind=Kind.RANK)
    ahead = {"after": place.keys[1]}
    assert rows_read(finding.BY_KEY, ann, **ahead) < 20
    since = {"after": Slot.objects.order_by("-opening")[3].opening}
    assert rows_read(finding.BY_OPENING, ann, **since) < 20


def test_what_is_open_for_a_labeler_is_what_they_could_be_given_and_what_they_hold(project):
    build.rank_items(project, 3, overlap=2)
    ann, bo = build.member(project, "ann"), build.member(project, "bo", languages=["zh"])
    build.rank_items(project, 1, language="zh")
    build.rank_items(project, 1, language="en")
    assert str(items.open_for(ann, Kind.RANK)) == "5"
    assert str(items.open_for(bo, Kind.RANK)) == "4"
    done(ann)
    held = queue.claim(ann, Kind.RANK)
    assert str(items.open_for(ann, Kind.RANK)) == "4"
    leases.skip(held, "unclear")
    assert str(items.open_for(ann, Kind.RANK)) == "3"
    assert not items.open_for(ann, Kind.DEMONSTRATE)


def test_a_count_that_looked_at_the_first_slots_only_says_so(project):
    build.rank_items(project, 8, overlap=700)
    ann = build.member(project, "ann", languages=["zh"])
    waiting, stuck = items.open_for(ann, Kind.RANK), items.unfillable_slots(project)
    assert (waiting.is_all, str(waiting)[-1], bool(waiting)) == (False, "+", True)
    assert (stuck.number, stuck.is_all) == (0, False)
    Slot.objects.update(language="en")
    assert (items.unfillable_slots(project).number, bool(items.open_for(ann, Kind.RANK))) == (5_000, True)
