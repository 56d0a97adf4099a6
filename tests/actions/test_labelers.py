"""A labeler's own figures: how much, for how long, and how well it agrees."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection

from labeling.actions import checks, labelers, queue, rankings
from labeling.actions.labelers import Tally
from labeling.models import Kind, Ranking
from tests import build, learn

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return learn.project()


def checked(person, item, answer, **more):
    chosen = checks.reserve(item.pk, person.user_id, **more)
    held = queue.claim_check(person, Kind.RANK, lambda: chosen)
    return rankings.submit(held, answer(held), build.key()).answer


def ranked(person, answer):
    held = queue.claim(person, Kind.RANK)
    return rankings.submit(held, answer(held), build.key()).answer


def test_agreement_with_golds_with_oneself_and_with_others_is_counted_apart(project):
    (item,) = build.rank_items(project, 1, overlap=3)
    ann, ben, cat = (build.member(project, name) for name in ("ann", "ben", "cat"))
    ranked(ann, build.right_answer)
    ranked(ben, build.right_answer)
    ranked(cat, build.wrong_answer)
    first, second = build.golds(project, 2)
    checked(ann, first.item, build.right_answer)
    checked(ann, second.item, build.wrong_answer)
    checked(ann, item, build.wrong_answer, is_repeat=True)
    (week,) = labelers.weeks_of(ann)
    assert (week.golds, week.repeats, week.others) == (Tally(2, 12, 6), Tally(1, 6, 0), Tally(1, 12, 6))
    assert (week.items, week.total) == ({"ranking": 4}, 4)
    (bens,) = labelers.weeks_of(ben)
    assert (bens.golds, bens.others) == (Tally(), Tally(1, 12, 6))
    everybody = labelers.of_project(project, ann.user)
    assert everybody[cat.user_id].others == Tally(1, 12, 0)


def test_weeks_begin_on_monday_where_the_labeler_lives(project):
    build.rank_items(project, 2)
    ann = build.member(project, "ann")
    ann.user.time_zone = "Pacific/Auckland"
    monday = labelers.this_monday(ann.user)
    for moment in ("00:30", "23:30"):
        given = ranked(ann, build.right_answer)
        day = monday if moment == "00:30" else monday - datetime.timedelta(days=1)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE labeling_ranking SET created_at = %s::timestamp AT TIME ZONE %s WHERE id = %s",
                [f"{day} {moment}", "Pacific/Auckland", given.pk],
            )
    weeks = labelers.weeks_of(ann)
    assert [week.monday for week in weeks] == [monday, monday - datetime.timedelta(days=7)]
    assert labelers.together(weeks).total == 2


def test_active_time_is_that_of_an_answer_as_it_now_stands(project):
    build.rank_items(project, 1)
    ann = build.member(project, "ann")
    held = queue.claim(ann, Kind.RANK)
    given = rankings.submit(held, build.answer(held), build.key()).answer
    rankings.revise(given, {**build.answer(held), "base": 1, "comment": "better"}, build.key())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL rankloop.erasing = 'on'")
        cursor.execute("UPDATE labeling_rankingrevision SET active_seconds = 30 * number")
    assert labelers.weeks_of(ann)[0].seconds == 60
    assert Ranking.objects.count() == 1


def test_intervals_are_of_items_and_few_items_say_nothing():
    assert Tally(9, 54, 54).is_few
    assert not Tally(10, 60, 45).is_few
    low, high = Tally(10, 60, 45).interval
    assert (round(low, 3), round(high, 3)) == (0.442, 0.919)
    assert Tally(40, 60, 45).interval[0] > low
    assert Tally().interval is None
    assert Tally(10, 60, 60).interval[1] == 1.0
