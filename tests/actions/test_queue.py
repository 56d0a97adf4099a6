"""Claiming, leases, skips and late answers, one labeler at a time."""

from __future__ import annotations

import pytest

from labeling.actions import items, leases, queue, rankings
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.models import Assignment, Item, Kind, Slot, User
from tests import build, laws

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


def test_a_claim_gives_the_open_item_again_until_it_is_done(project):
    build.rank_items(project, 3)
    ann = build.member(project, "ann")
    first = queue.claim(ann, Kind.RANK)
    assert queue.claim(ann, Kind.RANK).token == first.token
    rankings.submit(first, build.answer(first), build.key())
    assert queue.claim(ann, Kind.RANK).item_id != first.item_id


def test_an_item_with_overlap_two_is_given_to_two_people_and_not_a_third(project):
    build.rank_items(project, 1, overlap=2)
    people = [build.member(project, name) for name in ("ann", "ben", "cat")]
    given = [queue.claim(person, Kind.RANK) for person in people]
    assert [bool(each) for each in given] == [True, True, False]


def test_the_item_ahead_is_reserved_and_becomes_the_next_open_one(project):
    build.rank_items(project, 2)
    ann = build.member(project, "ann")
    first, ahead = queue.claim(ann, Kind.RANK), queue.claim(ann, Kind.RANK, ahead=True)
    assert ahead.state == "reserved"
    assert ahead.item_id != first.item_id
    with pytest.raises(NotNow):
        leases.show(ahead)
    rankings.submit(first, build.answer(first), build.key())
    assert leases.show(ahead).state == "open"
    assert queue.claim(ann, Kind.RANK).token == ahead.token


def test_a_reserved_item_is_taken_by_somebody_else_when_nothing_else_is_free(project):
    build.rank_items(project, 2)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    queue.claim(ann, Kind.RANK)
    ahead = queue.claim(ann, Kind.RANK, ahead=True)
    taken = queue.claim(ben, Kind.RANK)
    assert taken.item_id == ahead.item_id
    with pytest.raises(NotNow) as lost:
        leases.show(ahead)
    assert lost.value.data["code"] == "lease_lost"
    assert laws.broken() == {}


def test_a_skipped_item_goes_to_others_but_never_back_to_the_same_person(project):
    build.rank_items(project, 1)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    leases.skip(queue.claim(ann, Kind.RANK), "unclear", "which one?")
    assert queue.claim(ann, Kind.RANK) is None
    assert queue.claim(ben, Kind.RANK) is not None


def test_three_skips_send_an_item_to_the_reviewers_and_to_the_last_band(project):
    (item,) = build.rank_items(project, 1)
    for name in ("ann", "ben", "cat"):
        leases.skip(queue.claim(build.member(project, name), Kind.RANK), "unclear")
    item.refresh_from_db()
    assert item.needs_review
    assert item.skips == 3
    assert set(Slot.objects.filter(item=item).values_list("band", "state")) == {(2, "open")}


def test_a_lost_lease_gives_the_item_to_others_and_comes_back_with_its_draft_and_order(project):
    build.rank_items(project, 1, k=9)
    ann = build.member(project, "ann")
    first = queue.claim(ann, Kind.RANK)
    leases.save_draft(first, 1, {"comment": "half"})
    build.overdue(project)
    again = queue.claim(ann, Kind.RANK)
    assert again.token == first.token
    assert again.shown_order == first.shown_order
    assert again.draft.body == {"comment": "half"}


def test_a_late_answer_fills_its_slot_if_that_is_still_free(project):
    build.rank_items(project, 1)
    late = queue.claim(build.member(project, "ann"), Kind.RANK)
    build.overdue(project)
    leases.expire_leases()
    assert not rankings.submit(late, build.answer(late), build.key()).extra
    assert laws.broken() == {}


def test_a_late_answer_to_a_slot_given_away_is_kept_as_an_extra_and_is_first_when_one_reopens(project):
    build.rank_items(project, 1)
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    late = queue.claim(ann, Kind.RANK)
    build.overdue(project)
    bens = queue.claim(ben, Kind.RANK)
    kept = rankings.submit(late, build.answer(late), build.key())
    assert kept.extra
    leases.skip(bens, "too_hard")
    kept.answer.refresh_from_db()
    assert kept.answer.slot_id == bens.slot_id
    assert laws.broken() == {}


def test_a_late_answer_to_a_retired_item_still_counts(project):
    (item,) = build.rank_items(project, 1)
    late = queue.claim(build.member(project, "ann"), Kind.RANK)
    build.overdue(project)
    leases.expire_leases()
    items.retire(Item.objects.filter(pk=item.pk), project=project)
    assert not rankings.submit(late, build.answer(late), build.key()).extra
    assert laws.broken() == {}


def test_retiring_leaves_a_live_lease_alone(project):
    (item,) = build.rank_items(project, 1, overlap=2)
    live = queue.claim(build.member(project, "ann"), Kind.RANK)
    items.retire(Item.objects.filter(pk=item.pk), project=project)
    assert queue.claim(build.member(project, "ben"), Kind.RANK) is None
    assert not rankings.submit(live, build.answer(live), build.key()).extra
    assert laws.broken() == {}


def test_raising_overlap_adds_slots_and_lowering_it_closes_open_ones_only(project):
    (item,) = build.rank_items(project, 1, overlap=1)
    ann = queue.claim(build.member(project, "ann"), Kind.RANK)
    items.set_overlap(item.pk, 3)
    assert Slot.objects.filter(item=item, state="open").count() == 2
    items.set_overlap(item.pk, 1)
    states = sorted(Slot.objects.filter(item=item).values_list("state", flat=True))
    assert states == ["closed", "closed", "held"]
    assert not rankings.submit(ann, build.answer(ann), build.key()).extra
    with pytest.raises(BadInput):
        items.set_overlap(item.pk, 0)
    assert laws.broken() == {}


def test_a_labeler_gets_only_languages_they_read(project):
    build.rank_items(project, 1, language="zh")
    assert queue.claim(build.member(project, "ann", languages=["en"]), Kind.RANK) is None
    assert queue.claim(build.member(project, "bo", languages=["en", "zh"]), Kind.RANK) is not None


def test_nobody_ranks_a_text_of_their_own(project):
    ann, ben = build.member(project, "ann"), build.member(project, "ben")
    asked = build.prompt(project, "tell me")
    texts = [build.completion(asked, "mine", author=ann.user), build.completion(asked, "a model's")]
    items.create_items(project, [items.NewItem(asked, Kind.RANK, texts)])
    assert queue.claim(ann, Kind.RANK) is None
    assert queue.claim(ben, Kind.RANK) is not None


def test_an_urgent_band_comes_first(project):
    build.rank_items(project, 5)
    (urgent,) = build.rank_items(project, 1)
    Slot.objects.filter(item=urgent).update(band=0)
    assert queue.claim(build.member(project, "ann"), Kind.RANK).item_id == urgent.pk


def test_an_older_draft_from_another_tab_is_refused_with_the_newer_one(project):
    build.rank_items(project, 1)
    held = queue.claim(build.member(project, "ann"), Kind.RANK)
    leases.save_draft(held, 7, {"scores": {"A": 5}})
    with pytest.raises(Stale) as stale:
        leases.save_draft(held, 6, {})
    assert stale.value.data["draft"] == {"sequence": 7, "body": {"scores": {"A": 5}}}
    with pytest.raises(Stale):
        leases.save_draft(held, 7, {"scores": {"A": 1}})
    assert leases.save_draft(held, 7, {"scores": {"A": 5}}) > held.lease_until


def test_what_is_done_is_neither_shown_renewed_nor_drafted_and_the_refusal_names_the_answer(project):
    build.rank_items(project, 1)
    held = queue.claim(build.member(project, "ann"), Kind.RANK)
    done = rankings.submit(held, build.answer(held), build.key())
    again = [lambda: leases.show(held), lambda: leases.renew(held), lambda: leases.save_draft(held, 1, {}),
             lambda: rankings.submit(held, build.answer(held), build.key())]  # fmt: skip
    for verb in again:
        with pytest.raises(NotNow) as refused:
            verb()
        stored = {"answer": done.answer.public_id, "revision": 1}
        assert refused.value.data == {"code": "done", "stored": stored}


def test_an_item_loaded_ahead_is_given_back_only_until_it_is_shown(project):
    build.rank_items(project, 1)
    held = queue.claim(build.member(project, "ann"), Kind.RANK, ahead=True)
    leases.show(held)
    leases.release(held, ahead=True)
    held.refresh_from_db()
    assert held.state == Assignment.State.OPEN
    leases.release(held)
    held.refresh_from_db()
    assert held.state == Assignment.State.RELEASED


def test_saving_a_draft_renews_the_lease_and_after_its_end_keeps_the_text(project):
    build.rank_items(project, 1)
    held = queue.claim(build.member(project, "ann"), Kind.RANK)
    assert leases.save_draft(held, 1, {"a": 1}) > held.lease_until
    build.overdue(project)
    leases.expire_leases()
    assert leases.save_draft(held, 2, {"a": 2}) is None
    held.refresh_from_db()
    assert (held.state, held.draft.body) == (Assignment.State.EXPIRED, {"a": 2})


@pytest.mark.parametrize("k", [1, 10])
def test_an_item_has_two_to_nine_completions(project, k):
    asked = build.prompt(project, "many")
    texts = [build.completion(asked, f"text {n}") for n in range(k)]
    with pytest.raises(BadInput) as refused:
        items.create_items(project, [items.NewItem(asked, Kind.RANK, texts)])
    assert refused.value.field == "completions"


def test_the_shown_order_is_shuffled_and_stored(project):
    build.rank_items(project, 12, k=9)
    ann = build.member(project, "ann")
    orders = []
    for _ in range(12):
        held = queue.claim(ann, Kind.RANK)
        orders.append(tuple(held.shown_order))
        rankings.submit(held, build.answer(held), build.key())
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len(set(orders)) > 1


def test_slots_that_nobody_may_fill_are_counted(project):
    build.rank_items(project, 2, language="zh")
    build.rank_items(project, 1, language="en")
    ann = build.member(project, "ann", languages=["en"])
    assert items.unfillable_slots(project) == items.Counted(2, is_all=True)
    asked = build.prompt(project, "tell me")
    texts = [build.completion(asked, "mine", author=ann.user), build.completion(asked, "a model's")]
    items.create_items(project, [items.NewItem(asked, Kind.RANK, texts)])
    assert items.unfillable_slots(project) == items.Counted(3, is_all=True)
    User.objects.filter(pk=ann.user_id).update(is_active=False)
    assert items.unfillable_slots(project) == items.Counted(4, is_all=True)
