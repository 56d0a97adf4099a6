"""From a new member to a qualified one, and what a lead may change about it."""

from __future__ import annotations

import pytest

from labeling.actions import (
    admission,
    care,
    demonstrations,
    golds,
    leases,
    onboarding,
    projects,
    queue,
    rankings,
)
from labeling.actions.errors import BadInput, NotNow
from labeling.models import (
    Item,
    Kind,
    Membership,
    Purpose,
    Ranking,
    Review,
    ReviewRevision,
    Role,
    User,
)
from tests import build, laws, learn

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    made = learn.project()
    build.rank_items(made, 3)
    build.golds(made, 2, Purpose.TUTORIAL)
    build.golds(made, 2, Purpose.TEST)
    build.policy(made, onboarding=True)
    return made


@pytest.fixture
def new(project):
    return projects.add_member(project, User.objects.create(username="new"), Role.LABELER)


@pytest.fixture
def lead(project):
    return build.member(project, "lin", Role.LEAD)


def do(member, answer=build.right_answer):
    """The next item of the member's stage, answered; its purpose."""
    held = onboarding.claim(member)
    rankings.submit(held, answer(held), build.key())
    return held.item.purpose


def through(member, *answers):
    for answer in answers:
        do(member, answer)
    return onboarding.move_on(member)


RIGHT, WRONG = build.right_answer, build.wrong_answer


def test_new_labelers_begin_with_the_tutorial_and_those_who_lead_or_simulate_do_not(project, new):
    assert new.onboarding == "tutorial"
    others = [("lin", Role.LEAD, False), ("rev", Role.REVIEWER, False), ("sim", Role.LABELER, True)]
    for name, role, simulated in others:
        user = User.objects.create(username=name, is_simulated=simulated)
        assert projects.add_member(project, user, role).onboarding == "waived"
    build.policy(project, onboarding=False)
    user = User.objects.create(username="late")
    assert projects.add_member(project, user, Role.LABELER).onboarding == "waived"


@pytest.mark.parametrize("stage", ["tutorial", "test", "review", "failed"])
def test_no_work_is_handed_out_before(project, new, stage):
    new.onboarding = stage
    new.save()
    with pytest.raises(NotNow) as refused:
        queue.claim(new, Kind.RANK)
    assert refused.value.data == {"code": stage}
    assert queue.claim(new, Kind.RANK, ahead=True) is None


def test_the_tutorial_leads_to_the_test_and_the_test_to_the_work(project, new):
    assert [do(new, WRONG) for _ in range(2)] == ["tutorial", "tutorial"]
    assert onboarding.last_tutorial_answer(new).item.gold.explanation == {"en": "The first one **answers**."}
    assert [do(new) for _ in range(2)] == ["test", "test"]
    assert onboarding.claim(new) is None
    new.refresh_from_db()
    assert new.onboarding == "passed"
    assert queue.claim(new, Kind.RANK).item.purpose == Purpose.WORK
    assert laws.broken() == {}


def test_what_is_to_be_done_before_all_else_is_asked_in_onboarding_too(project, new, monkeypatch):
    reason = NotNow("Accept the guidelines first.", data={"code": "guidelines"})
    monkeypatch.setattr(admission, "HINDRANCES", [lambda member: reason, admission.onboarding])
    with pytest.raises(NotNow) as refused:
        onboarding.claim(new)
    assert refused.value.data == {"code": "guidelines"}


def test_an_open_item_comes_again_and_a_skipped_one_does_not(project, new):
    held = onboarding.claim(new)
    assert onboarding.claim(new).token == held.token
    leases.skip(held, "unclear")
    assert onboarding.claim(new).item_id != held.item_id


def test_it_is_decided_by_pairs_and_flags_against_the_leads_thresholds(project, new):
    assert through(new, RIGHT, RIGHT, RIGHT, WRONG) == "failed"
    found = onboarding.result(new)
    assert (found.rankings.same, found.rankings.of) == (6, 12)
    # Wrong flags: the last of four completions of one item.
    assert (found.flags.same, found.flags.of) == (7, 8)
    assert (found.rankings.passed, found.flags.passed, found.passed) == (False, True, False)
    build.policy(project, least_ranking_agreement=0.5)
    assert onboarding.result(new).passed


def test_a_skipped_test_item_counts_as_not_agreed_with(project, new):
    through(new, RIGHT, RIGHT, RIGHT)
    leases.skip(onboarding.claim(new), "unclear")
    assert onboarding.move_on(new) == "failed"
    assert onboarding.result(new).rankings.share == 0.5
    assert laws.broken() == {}


def test_what_a_member_does_not_read_or_want_to_see_is_not_asked(project, new):
    for item in Item.objects.filter(purpose__in=["tutorial", "test"]).order_by("pk")[1::2]:
        item.prompt.sensitive = ["violence"]
        item.prompt.save()
    care.set_wishes(new, opt_outs=["violence"], weekly_summary=False)
    assert [do(new) for _ in range(2)] == ["tutorial", "test"]
    assert onboarding.move_on(new) == "passed"


def rate(text, value):
    reviewer = build.member(text.project, f"reviewer {Review.objects.count()}", Role.REVIEWER)
    held = queue.claim(reviewer, Kind.REVIEW)
    assert held.item.demonstration == text
    review = Review.objects.create(
        project=text.project, item=held.item, assignment=held, slot=None, labeler=reviewer.user
    )
    ReviewRevision.objects.create(
        review=review, number=1, labeler=reviewer.user, verdict="accepted", rating=value, body_digest=b"x"
    )


@pytest.mark.parametrize(("rating", "stage"), [(6, "passed"), (5, "failed")])
def test_what_is_written_in_the_test_waits_for_a_reviewers_rating(project, new, rating, stage):
    golds.ask_to_write(build.prompt(project, "write for the test"))
    through(new, RIGHT, RIGHT, RIGHT, RIGHT)
    held = onboarding.claim(new)
    assert held.kind == Kind.DEMONSTRATE
    text = demonstrations.submit(held, {"text": "So it is."}, build.key()).answer
    assert onboarding.move_on(new) == "review"
    assert onboarding.rated(new) == "review"
    text.refresh_from_db()
    assert text.wants_review
    rate(text, rating)
    assert onboarding.rated(new) == stage
    assert onboarding.result(new).rating == rating


def test_another_try_asks_the_same_again_and_counts_what_is_new(project, new, lead):
    assert through(new, RIGHT, RIGHT, WRONG, WRONG) == "failed"
    onboarding.try_again(new, by=lead)
    assert new.onboarding == "test"
    assert through(new, RIGHT, RIGHT) == "passed"
    assert onboarding.result(new).rankings.share == 1.0
    assert Ranking.objects.filter(item__purpose="test", labeler=new.user, slot=None).count() == 2
    with pytest.raises(NotNow):
        onboarding.try_again(new, by=lead)
    assert laws.broken() == {}


def test_a_third_try_is_like_the_second(project, new, lead):
    through(new, RIGHT, RIGHT, WRONG, WRONG)
    for answer, stage in ((WRONG, "failed"), (RIGHT, "passed")):
        onboarding.try_again(new, by=lead)
        assert through(new, answer, answer) == stage
    assert laws.broken() == {}


def test_a_lead_may_let_anybody_in(project, new, lead):
    held = onboarding.claim(new)
    onboarding.waive(new, by=lead)
    assert queue.claim(new, Kind.RANK).item.purpose == Purpose.WORK
    held.refresh_from_db()
    assert held.state == "released"
    with pytest.raises(NotNow):
        onboarding.waive(Membership.objects.get(pk=new.pk), by=lead)


def test_without_a_test_nobody_passes_by_answering_nothing(project, new):
    for item in Item.objects.filter(purpose="test"):
        golds.set_active(item, False)
    through(new, RIGHT, RIGHT)
    assert new.onboarding == "test"
    assert onboarding.claim(new) is None
    golds.set_active(Item.objects.filter(purpose="test").first(), True)
    assert through(new, RIGHT) == "passed"


# --- the policy, and what members wish --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"gold_rate": 1.5}, "gold_rate"),
        ({"gold_rate": 0.3, "repeat_rate": 0.3}, "repeat_rate"),
        ({"least_demonstration_rating": 0}, "least_demonstration_rating"),
        ({"sensitive_per_day": -1}, "sensitive_per_day"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_and_names_the_field(project, values, field):
    with pytest.raises(BadInput) as refused:
        care.set_policy(project, values)
    assert refused.value.field == field


def test_a_test_that_asks_nothing_is_not_turned_on():
    project = learn.project("empty")
    with pytest.raises(BadInput) as refused:
        care.set_policy(project, {"onboarding": True})
    assert refused.value.field == "onboarding"
    build.golds(project, 1, Purpose.TEST)
    assert care.set_policy(project, {"onboarding": True, "gold_rate": 0.1}).gold_rate == 0.1


def test_who_opts_out_gives_back_what_they_hold_of_it(project):
    ann = build.member(project, "ann")
    held = queue.claim(ann, Kind.RANK)
    held.slot.sensitive = ["hate"]
    held.slot.save()
    leases.save_draft(held, 1, {"comment": "begun"})
    care.set_wishes(ann, opt_outs=["hate"], weekly_summary=True)
    held.refresh_from_db()
    assert (held.state, held.item.skips, held.draft.body) == ("released", 0, {"comment": "begun"})
    assert queue.claim(ann, Kind.RANK).item_id != held.item_id
    with pytest.raises(BadInput):
        care.set_wishes(ann, opt_outs=["spiders"], weekly_summary=True)
