"""Reviews are claimed blind, and a verdict does what it says."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from labeling.actions import demonstrations, items, queue, rankings, returns, reviewed, reviews
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.rows import Selection
from labeling.models import (
    Assignment,
    Demonstration,
    DemonstrationRevision,
    Item,
    Kind,
    QualityPolicy,
    Return,
    Review,
    ReviewRevision,
    Role,
    Verdict,
    WrittenPrompt,
    WrittenPromptRevision,
)
from tests import build, laws
from tests.actions.test_disputes import BEST_FIRST, WORST_FIRST, found, rank

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def rita(project):
    return build.member(project, "rita", Role.REVIEWER)


def demonstration(project, text="A first answer.", name="dora"):
    QualityPolicy.objects.update_or_create(project=project, defaults={"review_demonstrations": 1.0})
    build.demonstrate_items(project, 2)
    held = queue.claim(build.member(project, name), Kind.DEMONSTRATE)
    return demonstrations.submit(held, {"text": text}, build.key()).answer


# --- claiming ------------------------------------------------------------------------------------------


def test_a_labeler_is_refused_a_review_and_counts_none(project):
    rank(project, BEST_FIRST, WORST_FIRST)
    found()
    ann = build.member(project, "ann")
    with pytest.raises(PermissionDenied):
        queue.claim(ann, Kind.REVIEW)
    assert items.open_for(ann, Kind.REVIEW).number == 0
    assert items.open_for(build.member(project, "lea", Role.LEAD), Kind.REVIEW).number == 1


def test_nobody_reviews_an_item_that_they_have_answered_and_it_stays_for_another(project, rita):
    item, _given = rank(project, BEST_FIRST, WORST_FIRST)
    mine = queue.claim(rita, Kind.RANK)
    rankings.submit(mine, BEST_FIRST, build.key())
    found()
    assert queue.claim(rita, Kind.REVIEW) is None
    assert queue.claim(build.member(project, "rob", Role.REVIEWER), Kind.REVIEW).item.subject_id == item.pk


def test_nobody_reviews_a_text_of_their_own(project):
    written = demonstration(project)
    found()
    dora = project.memberships.get(user=written.labeler)
    dora.role = Role.REVIEWER
    dora.save()
    assert queue.claim(dora, Kind.REVIEW) is None


def test_who_has_seen_others_answers_in_a_review_is_not_given_the_item_to_rank(project, rita):
    rank(project, BEST_FIRST, WORST_FIRST)
    found()
    assert queue.claim(rita, Kind.REVIEW) is not None
    assert queue.claim(rita, Kind.RANK) is None
    assert queue.claim(build.member(project, "rob", Role.REVIEWER), Kind.RANK) is not None


def test_answers_are_shown_in_an_order_of_their_own_that_stays(project, rita):
    _item, given = rank(project, BEST_FIRST, WORST_FIRST, BEST_FIRST)
    found()
    held = queue.claim(rita, Kind.REVIEW)
    assert sorted(held.shown_order) == [0, 1, 2]
    shown = reviewed.answers(held)
    assert {answer.pk for answer in shown} == {answer.pk for answer in given}
    build.overdue(project)
    again = queue.claim(rita, Kind.REVIEW)
    assert [answer.pk for answer in reviewed.answers(again)] == [answer.pk for answer in shown]
    assert reviewed.letter_order(again, 3) == reviewed.letter_order(held, 3)


def test_who_is_no_reviewer_any_more_reads_no_answers_of_others(project, rita):
    rank(project, BEST_FIRST, WORST_FIRST)
    found()
    held = queue.claim(rita, Kind.REVIEW)
    assert len(reviewed.look(held).about["answers"]) == 2
    rita.role = Role.LABELER
    rita.save()
    with pytest.raises(PermissionDenied):
        reviewed.look(held)


# --- deciding ------------------------------------------------------------------------------------------


@pytest.fixture
def dispute(project, rita):
    """A review of two opposite rankings, held by rita."""
    rank(project, BEST_FIRST, WORST_FIRST)
    found()
    return queue.claim(rita, Kind.REVIEW)


def test_an_adjudication_is_stored_over_the_items_positions(dispute):
    order = reviewed.letter_order(dispute, 3)
    reviews.submit(dispute, BEST_FIRST, build.key())
    stored = ReviewRevision.objects.get()
    assert [stored.scores[place] for place in order] == [7, 5, 3]
    assert [stored.ranks[place] for place in order] == [1, 2, 3]
    assert Review.objects.get().slot_id == dispute.slot_id
    assert laws.broken() == {}


def test_the_same_review_sent_twice_lands_once(dispute):
    key = build.key()
    assert reviews.submit(dispute, BEST_FIRST, key).created
    assert not reviews.submit(dispute, BEST_FIRST, key).created
    assert ReviewRevision.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tiers": None}, "tiers"),
        ({"scores": {"A": 7}}, "scores"),
        ({"verdict": "edited"}, "verdict"),
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": "accepted"}, "scores"),
        ({"rating": 3}, "rating"),
        ({"returns": [{"labeler": 3, "comment": "no"}]}, "returns"),
        ({"returns": [{"labeler": 1, "comment": " "}]}, "returns"),
        ({"returns": [{"labeler": 1, "comment": "a"}, {"labeler": 1, "comment": "b"}]}, "returns"),
        ({"returns": {"labeler": 1}}, "returns"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_review_that_is_not_whole_is_refused_and_names_the_field(dispute, change, field):
    with pytest.raises(BadInput) as refused:
        reviews.submit(dispute, {**BEST_FIRST, **change}, build.key())
    assert refused.value.field == field
    assert not Review.objects.exists()


def test_somebody_who_is_no_reviewer_any_more_cannot_decide(dispute, rita):
    rita.role = Role.LABELER
    rita.save()
    with pytest.raises(PermissionDenied):
        reviews.submit(dispute, BEST_FIRST, build.key())


def test_an_item_can_be_left_as_it_is_or_taken_out_and_that_stands(dispute):
    review = reviews.submit(dispute, {"verdict": "accepted"}, build.key()).answer
    reviews.revise(review, {"verdict": "rejected", "base": 1}, build.key())
    subject = Item.objects.get(pk=dispute.item.subject_id)
    assert (subject.state, subject.needs_review) == ("retired", False)
    with pytest.raises(NotNow):
        reviews.revise(review, {**BEST_FIRST, "base": 2}, build.key())
    assert laws.broken() == {}


# --- sending back --------------------------------------------------------------------------------------


def test_an_answer_goes_back_to_its_labeler_and_their_change_answers_it(dispute, rita):
    shown = reviewed.answers(dispute)
    reviews.submit(dispute, {**BEST_FIRST, "returns": [{"labeler": 2, "comment": "Why C?"}]}, build.key())
    returned = Return.objects.get()
    assert (returned.ranking, returned.labeler) == (shown[1], shown[1].labeler)
    rankings.revise(shown[1], {**BEST_FIRST, "base": 1}, build.key())
    returned.refresh_from_db()
    assert returned.state == "answered"
    returns.close(returned, rita.user)
    returned.refresh_from_db()
    assert (returned.state, returned.closed_at is not None) == ("closed", True)


def test_a_labeler_may_reply_instead_once(dispute):
    reviews.submit(dispute, {**BEST_FIRST, "returns": [{"labeler": 1, "comment": "Why?"}]}, build.key())
    returned = Return.objects.get()
    with pytest.raises(BadInput):
        returns.reply(returned, "  ")
    returns.reply(returned, "Because it is wrong.")
    returns.reply(returned, "Because it is wrong.")
    with pytest.raises(NotNow):
        returns.reply(returned, "And another thing")
    returned.refresh_from_db()
    assert (returned.state, returned.reply) == ("answered", "Because it is wrong.")


def test_a_reviewer_who_thinks_again_takes_back_what_was_sent(dispute):
    sent = [{"labeler": 1, "comment": "Why?"}, {"labeler": 2, "comment": "And you?"}]
    review = reviews.submit(dispute, {**BEST_FIRST, "returns": sent}, build.key()).answer
    sent = [{"labeler": 2, "comment": "Please look again."}]
    reviews.revise(review, {**BEST_FIRST, "returns": sent, "base": 1}, build.key())
    assert list(Return.objects.order_by("pk").values_list("state", "comment")) == [
        ("closed", "Why?"),
        ("open", "Please look again."),
    ]


def test_nobody_closes_the_return_of_their_own_answer(dispute):
    reviews.submit(dispute, {**BEST_FIRST, "returns": [{"labeler": 1, "comment": "Why?"}]}, build.key())
    returned = Return.objects.get()
    with pytest.raises(NotNow):
        returns.close(returned, returned.labeler)


# --- texts ---------------------------------------------------------------------------------------------


@pytest.fixture
def text(project, rita):
    """A review of a demonstration, held by rita."""
    demonstration(project)
    found()
    return queue.claim(rita, Kind.REVIEW)


def taken(project):
    chosen = Selection(project, simulated=False)
    return chosen.demonstrations().count(), chosen.left_out("sft")["review_left_out"]


def test_a_demonstration_is_trained_on_once_a_reviewer_accepts_it(project, text):
    assert taken(project) == (0, 1)
    reviews.submit(text, {"verdict": "accepted", "revision": 1, "rating": 6}, build.key())
    assert taken(project) == (1, 0)
    assert Demonstration.objects.get().verdict == Verdict.ACCEPTED
    assert ReviewRevision.objects.get().rating == 6
    assert laws.broken() == {}


def test_an_edit_is_a_revision_by_the_reviewer_and_undoing_it_is_another(project, rita, text):
    edit = {"verdict": "edited", "revision": 1, "edit": ["A better answer."]}
    review = reviews.submit(text, edit, build.key()).answer
    latest = DemonstrationRevision.objects.get(number=2)
    assert (latest.text, latest.labeler, latest.base) == ("A better answer.", rita.user, 1)
    assert ReviewRevision.objects.get().edit == 2
    reviews.revise(review, {"verdict": "accepted", "revision": 1, "base": 1}, build.key())
    assert DemonstrationRevision.objects.get(number=3).text == "A first answer."
    assert (Demonstration.objects.get().verdict, taken(project)) == ("accepted", (1, 0))
    assert laws.broken() == {}


def test_a_text_that_changed_under_the_reviewers_eyes_is_read_again(text):
    demonstrations.revise(Demonstration.objects.get(), {"text": "A second one.", "base": 1}, build.key())
    with pytest.raises(Stale):
        reviews.submit(text, {"verdict": "accepted", "revision": 1}, build.key())
    reviews.submit(text, {"verdict": "accepted", "revision": 2}, build.key())


def test_a_text_that_is_sent_back_comes_back_and_is_accepted_then(project, text, rita):
    with pytest.raises(BadInput):
        reviews.submit(text, {"verdict": "returned", "revision": 1}, build.key())
    reviews.submit(text, {"verdict": "returned", "revision": 1, "comment": "Too short."}, build.key())
    assert taken(project) == (0, 1)
    demonstrations.revise(Demonstration.objects.get(), {"text": "A longer answer.", "base": 1}, build.key())
    returned = Return.objects.get()
    assert (returned.state, returned.comment, taken(project)) == ("answered", "Too short.", (0, 1))
    with pytest.raises(BadInput):
        returns.close(returned, rita.user)
    returns.close(returned, rita.user, "accepted")
    assert taken(project) == (1, 0)
    assert list(ReviewRevision.objects.order_by("number").values_list("verdict", flat=True)) == [
        "returned",
        "accepted",
    ]
    assert laws.broken() == {}


def test_an_accepted_text_that_its_labeler_changes_is_looked_at_anew(project, text, rita):
    reviews.submit(text, {"verdict": "accepted", "revision": 1}, build.key())
    demonstrations.revise(Demonstration.objects.get(), {"text": "Something else.", "base": 1}, build.key())
    assert taken(project) == (0, 1)
    assert found()[1] == 1
    assert found()[1] == 0
    assert queue.claim(rita, Kind.REVIEW).item.demonstration == Demonstration.objects.get()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "verdict"),
        ({"verdict": "accepted"}, "revision"),
        ({"verdict": "accepted", "revision": 9}, "revision"),
        ({"verdict": "accepted", "revision": True}, "revision"),
        ({"verdict": "accepted", "revision": 1, "rating": 8}, "rating"),
        ({"verdict": "accepted", "revision": 1, "edit": ["x"]}, "edit"),
        ({"verdict": "edited", "revision": 1}, "edit"),
        ({"verdict": "edited", "revision": 1, "edit": ["A first answer."]}, "edit"),
        ({"verdict": "edited", "revision": 1, "edit": ["x", "y"]}, "edit"),
        ({"verdict": "edited", "revision": 1, "edit": [" "]}, "edit"),
        ({"verdict": "accepted", "revision": 1, "scores": {"A": 1}}, "scores"),
        ({"verdict": "accepted", "revision": 1, "comment": "x" * 20_000}, "comment"),
    ],
)
def test_a_verdict_that_does_not_fit_is_refused_and_names_the_field(text, body, field):
    with pytest.raises(BadInput) as refused:
        reviews.submit(text, body, build.key())
    assert refused.value.field == field


def test_only_the_projects_share_of_demonstrations_is_looked_at(project):
    written = demonstration(project)
    assert written.wants_review
    project.quality_policy.review_demonstrations = 0.0
    project.quality_policy.save()
    held = queue.claim(project.memberships.get(user=written.labeler), Kind.DEMONSTRATE)
    assert not demonstrations.submit(held, {"text": "so"}, build.key()).answer.wants_review


def test_a_written_prompt_is_edited_turn_by_turn(project, rita):
    asked = Item.objects.create(project=project, kind=Kind.DEMONSTRATE, k=0, overlap=1, origin="imported",
                                prompt=build.prompt(project, "p"))  # fmt: skip
    asked.slots.create(number=0, project=project, kind=Kind.DEMONSTRATE)
    held = queue.claim(build.member(project, "wes"), Kind.DEMONSTRATE)
    Assignment.objects.filter(pk=held.pk).update(state="expired")
    written = WrittenPrompt.objects.create(
        project=project, item_id=held.item_id, assignment=held, labeler=held.labeler, wants_review=True
    )
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    WrittenPromptRevision.objects.create(
        written_prompt=written,
        number=1,
        kind="few_shot",
        messages=turns,
        labeler=held.labeler,
        body_digest=b"",
    )
    found()
    review = queue.claim(rita, Kind.REVIEW)
    reviews.submit(
        review, {"verdict": "edited", "revision": 1, "edit": ["Be brief.", "Why is it so?"]}, build.key()
    )
    assert written.revisions.get(number=2).messages[1] == {"role": "user", "content": "Why is it so?"}
    written.refresh_from_db()
    assert (written.verdict, written.wants_review) == ("edited", False)
