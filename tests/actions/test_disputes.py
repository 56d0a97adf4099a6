"""What answers to an item make it one for a reviewer; each such dispute is found once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labeling.actions import disputes, items, leases, queue, rankings
from labeling.models import Assignment, Item, Kind, Ranking, RankingRevision
from tests import build, laws

pytestmark = pytest.mark.django_db
BEST_FIRST = {"scores": {"A": 7, "B": 5, "C": 3}, "tiers": [["A"], ["B"], ["C"]]}
WORST_FIRST = {"scores": {"A": 1, "B": 3, "C": 5}, "tiers": [["C"], ["B"], ["A"]]}
ALL_BAD = {"scores": {"A": 1, "B": 1, "C": 1}, "all_bad": True}


@pytest.fixture
def project():
    return build.project()


def found(after=0):
    """Look as the tick does, without waiting for anybody's second thoughts."""
    return disputes.find(after, settled=timedelta())


def rank(project, *bodies, item=None):
    """One item, ranked by as many labelers; letters are the item's positions to each of them."""
    item = item or build.rank_items(project, 1, k=3, overlap=len(bodies) + 1)[0]
    given = []
    for number, body in enumerate(bodies):
        member = project.memberships.filter(user__username=f"labeler {number}").first()
        held = queue.claim(member or build.member(project, f"labeler {number}"), Kind.RANK)
        Assignment.objects.filter(pk=held.pk).update(shown_order=[0, 1, 2])
        given.append(rankings.submit(held, body, build.key()).answer)
    return item, given


def reasons(item):
    return sorted(Item.objects.filter(subject=item).values_list("reason", flat=True))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([BEST_FIRST, BEST_FIRST], []),
        ([BEST_FIRST, WORST_FIRST], ["disagreement"]),
        ([BEST_FIRST, {**BEST_FIRST, "tiers": [["A"], ["C"], ["B"]]}], []),
        ([BEST_FIRST, ALL_BAD], ["all_bad"]),
        ([BEST_FIRST, BEST_FIRST, WORST_FIRST], ["disagreement"]),
        ([BEST_FIRST], []),
    ],
)
def test_answers_that_disagree_go_to_a_reviewer_and_others_do_not(project, answers, expected):
    item, _given = rank(project, *answers)
    found()
    assert reasons(item) == expected
    assert laws.broken() == {}


def test_a_flag_that_one_sets_and_another_denies_is_a_dispute_and_one_left_out_is_none(project):
    item, (one, other) = rank(project, {**BEST_FIRST, "flags": {"A": ["hallucination"]}}, BEST_FIRST)
    found()
    assert reasons(item) == []
    columns = {
        name: getattr(other.revisions.get(), name)
        for name in ("item_id", "k", "rubric_id", "scores", "ranks", "moved", "body_digest", "mode")
    }
    RankingRevision.objects.create(
        ranking=other, number=2, base=1, flags=[0, 0, 0], denied=[2, 0, 0], labeler=other.labeler, **columns
    )
    found()
    assert reasons(item) == ["flags"]
    assert one.revisions.get().flags == [2, 0, 0]


def test_each_dispute_is_found_once_and_its_place_moves_on(project):
    item, _given = rank(project, BEST_FIRST, WORST_FIRST)
    place, made = found()
    assert made == 1
    assert found(place) == (place, 0)
    assert found() == (place, 0)
    held = Item.objects.get(subject=item)
    assert (held.kind, held.overlap, held.prompt) == ("review", 1, item.prompt)


def test_what_was_answered_a_moment_ago_waits_for_second_thoughts(project):
    item, _given = rank(project, BEST_FIRST, WORST_FIRST)
    assert disputes.find() == (0, 0)
    assert reasons(item) == []


def test_a_batch_ends_where_the_next_one_begins(project):
    first, _ = rank(project, BEST_FIRST, WORST_FIRST)
    leases.skip(queue.claim(build.member(project, "somebody"), Kind.RANK), "too_hard")
    items.set_overlap(first.pk, 2)
    second, _ = rank(project, BEST_FIRST, WORST_FIRST)
    place, made = disputes.find(0, settled=timedelta(), limit=2)
    assert (made, reasons(first), reasons(second)) == (1, ["disagreement"], [])
    assert disputes.find(place, settled=timedelta(), limit=2)[1] == 1
    assert reasons(second) == ["disagreement"]


def test_programs_that_disagree_among_themselves_are_nobodys_to_judge(project):
    item, _given = rank(project, BEST_FIRST, WORST_FIRST)
    Ranking.objects.update(is_simulated=True)
    found()
    assert reasons(item) == []


def test_an_item_that_several_skipped_and_one_whose_prompt_was_reported_are_looked_at(project):
    skipped, reported = build.rank_items(project, 2, k=2)
    for item, why in ((skipped, "too_hard"), (reported, "broken")):
        ann = build.member(project, f"ann of {item.pk}")
        held = queue.claim(ann, Kind.RANK)
        other = None
        if held.item_id != item.pk:
            other, held = held, queue.claim(ann, Kind.RANK, ahead=True)
            leases.skip(other, "too_hard")
            held = queue.claim(ann, Kind.RANK)
        leases.skip(held, why)
    Assignment.objects.filter(item=reported, skip_reason="broken").update(skip_reason="report")
    Item.objects.filter(pk__in=[skipped.pk, reported.pk]).update(needs_review=True)
    found()
    assert (reasons(skipped), reasons(reported)) == (["skipped"], ["reported"])
    assert found()[1] == 0
