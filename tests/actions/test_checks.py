"""Golds and repeats, hidden among the work: how they are drawn, and that nothing takes them for work."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from labeling.actions import (
    checks,
    demonstrations,
    finding,
    fresh,
    golds,
    items,
    leases,
    loop,
    outlook,
    quality,
    queue,
    rankings,
    rows,
)
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.golds import Right
from labeling.api.assignments import payload
from labeling.models import Assignment, Gold, Item, Kind, Origin, Purpose, Ranking, Slot
from labeling.pages import figures
from tests import build, laws, learn

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return learn.project()


@pytest.fixture
def ann(project):
    return build.member(project, "ann")


def give(person, answer=build.answer, **more):
    """The person's next item, answered; its assignment."""
    held = queue.claim(person, Kind.RANK)
    rankings.submit(held, answer(held, **more), build.key())
    return held


# --- making them -------------------------------------------------------------------------------------


def test_a_check_is_made_of_an_items_texts_and_leaves_the_item_as_it_is(project, ann):
    (item,) = build.rank_items(project, 1, k=3)
    right = Right([3, 1, 7], [[], ["hallucination"], []], ["hallucination"], {"en": "So.", "zh-hans": " "})
    gold = golds.make_from(item, "gold", right, actor=ann.user)
    made = gold.item
    assert (made.purpose, made.k, made.slots.count()) == (Purpose.GOLD, 3, 0)
    texts = [list(each.item_completions.values_list("completion", "position")) for each in (item, made)]
    assert texts[0] == texts[1]
    assert (gold.ranks, gold.flags, gold.flags_checked) == ([2, 1, 3], [0, 2, 0], 2)
    assert gold.explanation == {"en": "So."}
    assert queue.claim(ann, Kind.RANK).item_id == item.pk
    with pytest.raises(NotNow):
        golds.make_from(item, "gold", right)
    assert laws.broken() == {}


@pytest.mark.parametrize(
    ("purpose", "right", "field"),
    [
        ("work", Right([1, 2]), "purpose"),
        ("gold", Right([1, 1]), "ranks"),
        ("gold", Right([1, 2, 3]), "ranks"),
        ("gold", Right([1, "2"]), "ranks"),
        ("gold", Right([1, 2], [[], ["rude"]], ["rude"]), "flags"),
        ("gold", Right([1, 2], [[], ["hallucination"]], ["fails_instruction"]), "flags"),
        ("gold", Right([1, 2], [[]], ["hallucination"]), "flags"),
        ("gold", Right([1, 2], explanation={"tlh": "Qapla'"}), "explanation"),
        ("gold", Right([1, 2], explanation={"en": "\x00"}), "explanation"),
    ],
)
def test_a_check_that_says_nothing_or_nonsense_is_refused(project, purpose, right, field):
    (item,) = build.rank_items(project, 1, k=2)
    with pytest.raises(BadInput) as refused:
        golds.make_from(item, purpose, right)
    assert refused.value.field == field
    assert not Gold.objects.exists()


def test_items_that_people_ordered_alike_are_offered_with_their_order_and_flags(project):
    alike, apart = build.rank_items(project, 2, k=3, overlap=2)
    for name, answer in (("ann", build.right_answer), ("ben", build.right_answer)):
        person = build.member(project, name)
        for _ in range(2):
            held = queue.claim(person, Kind.RANK)
            reverse = name == "ben" and held.item_id == apart.pk
            body = build.wrong_answer(held) if reverse else answer(held)
            rankings.submit(held, body, build.key())
    assert [found.item for found in golds.candidates(project)] == [alike]
    suggested = golds.suggest(alike)
    assert (suggested.ranks, suggested.flags) == ([1, 2, 3], [[], [], ["hallucination"]])
    golds.make_from(alike, "test", suggested)
    assert golds.candidates(project) == []


# --- being given one ----------------------------------------------------------------------------------


def test_a_gold_is_claimed_in_place_of_work_and_looks_like_it(project, ann):
    build.rank_items(project, 1)
    (gold,) = build.golds(project, 1)
    build.policy(project, gold_rate=1.0)
    held = queue.claim(ann, Kind.RANK)
    assert held.item == gold.item
    assert held.slot.reserved_for == ann.user
    build.policy(project, gold_rate=0.0)
    plain = queue.claim(build.member(project, "ben"), Kind.RANK)
    one, other = payload(held), payload(plain)
    assert one.keys() == other.keys()
    assert {key: one[key] for key in ("kind", "state", "rubric", "draft", "lease_seconds")} == {
        key: other[key] for key in ("kind", "state", "rubric", "draft", "lease_seconds")
    }
    rankings.submit(held, build.answer(held), build.key())
    assert Ranking.objects.get(item=gold.item).slot.state == Slot.State.FILLED
    assert laws.broken() == {}


def test_nobody_gets_a_gold_twice_nor_one_whose_prompt_they_have_met(project, ann):
    (item,) = build.rank_items(project, 1)
    golds.make_from(item, "gold", Right([1, 2, 3, 4]))
    give(ann)
    (gold,) = build.golds(project, 1)
    build.rank_items(project, 3)
    build.policy(project, gold_rate=1.0)
    assert give(ann).item_id == gold.item_id
    assert give(ann).item.purpose == Purpose.WORK


def test_a_gold_that_was_given_back_may_come_again_and_a_retired_one_does_not(project, ann):
    (gold,) = build.golds(project, 1)
    build.rank_items(project, 3)
    build.policy(project, gold_rate=1.0)
    held = queue.claim(ann, Kind.RANK, ahead=True)
    leases.release(held)
    assert Slot.objects.get(pk=held.slot_id).state == Slot.State.CLOSED
    again = queue.claim(ann, Kind.RANK)
    assert (again.item, again.slot_id) == (gold.item, held.slot_id)
    assert again.token == held.token
    leases.release(again)
    golds.set_active(gold.item, False)
    assert queue.claim(ann, Kind.RANK).item.purpose == Purpose.WORK
    assert laws.broken() == {}


def test_a_gold_answered_after_its_time_is_kept_and_one_that_is_skipped_is_nobodys(project, ann):
    build.golds(project, 2)
    build.rank_items(project, 1)
    build.policy(project, gold_rate=1.0)
    late = queue.claim(ann, Kind.RANK)
    build.overdue(project)
    leases.expire_leases()
    assert rankings.submit(late, build.answer(late), build.key()).extra is False
    skipped = queue.claim(ann, Kind.RANK)
    leases.skip(skipped, "unclear")
    skipped.refresh_from_db()
    assert (skipped.state, skipped.item.skips, skipped.slot.state) == ("skipped", 0, "closed")
    assert laws.broken() == {}


def ranked(person, count):
    build.rank_items(person.project, count + 3)
    return [give(person) for _ in range(count)]


def test_a_repeat_is_an_item_answered_a_while_ago_in_another_order_and_once(project, ann):
    first, *_others = ranked(ann, checks.REPEAT_AFTER + 1)
    build.policy(project, repeat_rate=1.0)
    again = queue.claim(ann, Kind.RANK)
    assert (again.item_id, again.is_repeat) == (first.item_id, True)
    assert again.shown_order != first.shown_order
    assert sorted(again.shown_order) == sorted(first.shown_order)
    rankings.submit(again, build.answer(again), build.key())
    assert Ranking.objects.filter(item=first.item, labeler=ann.user, is_repeat=True).count() == 1
    # The second item is now as far back as the first was; the first does not come a third time.
    assert give(ann).item_id == _others[0].item_id
    assert give(ann).item.purpose == Purpose.WORK
    assert laws.broken() == {}


def test_what_is_still_among_the_last_answers_is_not_asked_again(project, ann):
    *_others, last = ranked(ann, checks.REPEAT_AFTER + 1)
    # Opened before all others, and answered after them.
    Assignment.objects.filter(pk=last.pk).update(opened_at=last.opened_at - timedelta(hours=9))
    build.policy(project, repeat_rate=1.0)
    assert not queue.claim(ann, Kind.RANK).is_repeat


def test_a_repeat_leaves_the_items_own_slots_and_skips_alone(project, ann):
    ranked(ann, checks.REPEAT_AFTER + 1)
    build.policy(project, repeat_rate=1.0)
    again = queue.claim(ann, Kind.RANK)
    items.set_overlap(again.item_id, 2)
    leases.skip(again, "unclear")
    assert Item.objects.get(pk=again.item_id).skips == 0
    assert sorted(Slot.objects.filter(item=again.item_id).values_list("state", flat=True)) == [
        "closed", "filled", "open",
    ]  # fmt: skip
    assert laws.broken() == {}


def test_rates_are_kept_to_on_the_whole(project, ann):
    build.rank_items(project, 30)
    build.golds(project, 30, k=2)
    build.policy(project, gold_rate=0.5)
    given = [give(ann).item.purpose for _ in range(30)]
    assert 2 <= given.count(Purpose.GOLD) <= 28


def test_where_no_work_is_left_there_is_no_check_either(project, ann):
    build.rank_items(project, 1)
    give(ann)
    assert queue.claim(ann, Kind.RANK) is None
    build.golds(project, 1)
    build.policy(project, gold_rate=1.0)
    assert queue.claim(ann, Kind.RANK) is None


def test_a_claim_asks_no_more_of_the_database_where_no_check_is_drawn(project, ann):
    build.rank_items(project, 6)
    give(ann)

    # Prepared statements pass Django by: they are counted where they are sent.
    sent = []
    run, together = checks.prepared.row, checks.prepared.together
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks.prepared, "row", lambda *given: sent.append("row") or run(*given))
        patch.setattr(checks.prepared, "together", lambda *given: sent.append("all") or together(*given))
        leases.release(queue.claim(ann, Kind.RANK, ahead=True))
        without = len(sent)
        build.golds(project, 1)
        build.policy(project, gold_rate=1e-12, repeat_rate=1e-12)
        sent.clear()
        leases.release(queue.claim(ann, Kind.RANK, ahead=True))
    assert len(sent) == without


# --- what nobody is to see, and what nobody is shown too much of -------------------------------------------


def sensitive(project, count, kinds):
    made = build.rank_items(project, count)
    for item in made:
        item.prompt.sensitive = kinds
        item.prompt.save()
    Slot.objects.filter(item__in=made).update(sensitive=kinds)
    return made


def test_who_opted_out_is_given_nothing_of_it_nor_is_it_counted_for_them(project, ann):
    sensitive(project, 2, ["violence", "hate"])
    (other,) = sensitive(project, 1, ["sexual"])
    ann.opt_outs = ["hate"]
    ann.save()
    assert items.open_for(ann, Kind.RANK).number == 1
    assert give(ann).item_id == other.pk
    assert queue.claim(ann, Kind.RANK) is None
    assert items.unfillable_slots(project).number == 2


def test_after_the_days_share_of_sensitive_items_only_others_come(project, ann):
    build.policy(project, sensitive_per_day=2)
    sensitive(project, 4, ["violence"])
    plain = build.rank_items(project, 1)
    Slot.objects.filter(item__in=plain).update(band=2)
    first, second, third = (give(ann).item_id for _ in range(3))
    assert plain[0].pk not in (first, second)
    assert third == plain[0].pk
    assert queue.claim(ann, Kind.RANK) is None
    Assignment.objects.update(opened_at="2020-01-01T00:00Z")
    finding.begin_anew(ann)
    assert queue.claim(ann, Kind.RANK) is not None


# --- no check is work --------------------------------------------------------------------------------------


@pytest.fixture
def mixed(project, ann):
    """Two rankings of work, and beside them golds, tests, a repeat and what somebody wrote for a test."""
    (item,) = build.rank_items(project, 1, overlap=2)
    ben = build.member(project, "ben")
    first = give(ann)
    give(ben)
    for person in (ann, ben):
        for gold in [*build.golds(project, 1), *build.golds(project, 1, Purpose.TEST)]:
            chosen = checks.reserve(gold.item_id, person.user_id)
            held = queue.claim_check(person, Kind.RANK, lambda chosen=chosen: chosen)
            rankings.submit(held, build.wrong_answer(held), build.key())
    chosen = checks.reserve(item.pk, ann.user_id, order=first.shown_order[::-1], is_repeat=True)
    held = queue.claim_check(ann, Kind.RANK, lambda: chosen)
    rankings.submit(held, build.answer(held, all_bad=True), build.key())
    asked = golds.ask_to_write(build.prompt(project, "write for the test"))
    chosen = checks.reserve(asked.pk, ann.user_id)
    held = queue.claim_check(ann, Kind.DEMONSTRATE, lambda: chosen)
    demonstrations.submit(held, {"text": "so"}, build.key())
    assert laws.broken() == {}
    return project


def test_datasets_take_no_check(mixed):
    chosen = rows.Selection(mixed, simulated=False)
    assert chosen.rankings().count() == 2
    assert chosen.demonstrations().count() == 0
    assert chosen.left_out("comparisons")["extras_left_out"] == 0
    (taken,) = rows.comparison_rows(chosen)
    assert taken.counts["rankings"] == 2


def test_agreement_compares_work_between_people(mixed):
    found = quality.agreement(mixed)
    assert (found.pairs, found.items) == (6, 1)
    assert len(quality.latest_of_items([Item.objects.get(purpose="work").pk])) == 1


def test_rounds_are_not_started_by_checks(mixed):
    assert loop.new_rankings(mixed) == 2
    assert loop.has_demonstrations(mixed) is False
    learn.imported(mixed, 1)
    assert "2" in outlook.next_step(mixed).sentence


def test_the_dashboard_counts_no_checks(mixed):
    found = figures.counts(mixed, fresh=True)
    assert (found.rankings["total"], found.demonstrations["total"], found.all_bad) == (2, 0, 0)
    assert found.open == {}


def test_a_check_on_a_prompt_does_not_count_as_its_item(mixed):
    policy = mixed.loop_policy
    policy.valid_share = 0
    policy.save()
    chosen = fresh.choose_prompts(mixed, 5, random.Random(0))
    # Those prompts that have no item of work come before the one that has.
    assert Item.objects.get(purpose="work").prompt_id not in chosen
    assert not Item.objects.exclude(purpose="work").filter(origin=Origin.GENERATED).exists()
