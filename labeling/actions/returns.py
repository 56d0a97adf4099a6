"""Answers sent back to who gave them, and what comes of it. The model's docstring draws the state machine."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import audit, verdicts
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.text import check_text
from labeling.models import (
    Demonstration,
    Ranking,
    Return,
    Review,
    ReviewRevision,
    User,
    Verdict,
    WrittenPrompt,
)

Sent: TypeAlias = Ranking | Demonstration | WrittenPrompt
MAX_BYTES = 10_000


def name_of(answer: Sent) -> str:
    """The column of Return that holds such an answer."""
    return {Ranking: "ranking", Demonstration: "demonstration", WrittenPrompt: "written_prompt"}[type(answer)]


def answer_of(returned: Return) -> Any:
    return returned.ranking or returned.demonstration or returned.written_prompt


def set_sent(review: Review, wanted: list[tuple[Sent, str]]) -> None:
    """What a review sends back, as it stands now: others that it had sent and that are still open are taken
    back. To be called in the transaction of the review.
    """
    kept = []
    for answer, comment in wanted:
        before = Return.objects.filter(review=review, **{name_of(answer): answer}).last()
        if before is None or before.state == Return.State.CLOSED:
            before = _send(review, answer, comment)
        elif before.state == Return.State.OPEN:
            Return.objects.filter(pk=before.pk, state=Return.State.OPEN).update(comment=comment)
        kept.append(before.pk)
    gone = Return.objects.filter(review=review, state=Return.State.OPEN).exclude(pk__in=kept)
    gone.update(state=Return.State.CLOSED, closed_at=Now())


def _send(review: Review, answer: Sent, comment: str) -> Return:
    assert answer.labeler_id is not None
    assert review.labeler is not None
    sent = Return.objects.create(
        project_id=review.project_id,
        review=review,
        labeler_id=answer.labeler_id,
        reviewer=review.labeler,
        comment=comment,
        **{name_of(answer): answer},
    )
    audit.record(
        "answer.returned",
        project=review.project,
        actor=review.labeler,
        subject=answer.public_id,
        returned=sent.public_id,
    )
    return sent


@transaction.atomic
def reply(returned: Return, text: Any) -> None:
    """The labeler says something to it instead of changing the answer, or besides.

    Raises BadInput, and NotNow where it is closed or was replied to before.
    """
    check_text(text, "reply", max_bytes=MAX_BYTES)
    held = Return.objects.select_for_update().get(pk=returned.pk)
    if held.state == Return.State.CLOSED:
        raise NotNow(_("This has been closed meanwhile."), data={"code": "closed"})
    if held.reply:
        if held.reply == text:
            return
        raise NotNow(_("You have replied to this already."), data={"code": "done"})
    Return.objects.filter(pk=held.pk).update(reply=text, state=Return.State.ANSWERED, answered_at=Now())


@transaction.atomic
def close(returned: Return, by: User, verdict: str = "") -> None:
    """A reviewer has read what came back, or takes it back. A text gets its verdict with it.

    Closing twice is the same as once. Raises BadInput where a text that came back gets no verdict, or a
    ranking one; NotNow where somebody would judge their own answer.
    """
    if returned.labeler_id == by.pk:
        raise NotNow(_("This is your own answer: another reviewer looks at it."), data={"code": "own"})
    answer = answer_of(returned)
    if not isinstance(answer, Ranking):
        answer = type(answer).objects.select_for_update(of=("self",)).get(pk=answer.pk)
    held = Return.objects.select_for_update().get(pk=returned.pk)
    if held.state == Return.State.CLOSED:
        return
    if verdict and (isinstance(answer, Ranking) or verdict not in (Verdict.ACCEPTED, Verdict.REJECTED)):
        raise BadInput(_("A text is accepted or not used; a ranking is only closed."), field="verdict")
    if not verdict and not isinstance(answer, Ranking):
        raise BadInput(_("Say whether the text is accepted."), field="verdict")
    if verdict:
        _judge(held, answer, by, verdict)
    Return.objects.filter(pk=held.pk).update(state=Return.State.CLOSED, closed_at=Now())
    audit.record("return.closed", project=held.project, actor=by, subject=held.public_id, verdict=verdict)


def _judge(returned: Return, answer: Any, by: User, verdict: str) -> None:
    """The verdict on a text that came back is one more revision of the review that sent it."""
    if returned.review is not None:
        latest = returned.review.revisions.order_by("-number")[0]
        ReviewRevision.objects.create(
            review=returned.review,
            number=latest.number + 1,
            base=latest.number,
            labeler=by,
            body_digest=b"",
            verdict=verdict,
            rating=latest.rating,
        )
    verdicts.judge(answer, verdict)
