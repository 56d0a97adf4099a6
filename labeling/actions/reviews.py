"""Submitting and revising a review; reviewed.py is what the reviewer is shown.

Blind both ways: a reviewer sees answers as labelers 1, 2, 3 … in an order drawn for this review
(`Assignment.shown_order`), and completions by letters in another order of its own; a labeler learns what was
decided or sent back, never by whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import items, prepared, rankings, returns, verdicts
from labeling.actions.answers import Request, Submitted, check_base, receive
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.returns import MAX_BYTES, Sent
from labeling.actions.reviewed import answers, check_role, letter_order
from labeling.actions.slots import check_unanswered, take_slot
from labeling.actions.text import check_text
from labeling.actions.verdicts import Text
from labeling.models import (
    Assignment,
    Item,
    Ranking,
    Review,
    ReviewRevision,
    Verdict,
)

FIELDS = frozenset(
    {
        "scores", "tiers", "tied", "returns",  # of an item's answers
        "revision", "rating", "edit",  # of a text
        "verdict", "comment", "active_seconds", "mode",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What a review says; `turns` is how its text shall read, `sent` what goes back to its labeler."""

    columns: dict[str, Any]
    turns: list[str] = field(default_factory=list)
    sent: list[tuple[Sent, str]] = field(default_factory=list)


@transaction.atomic
def submit(assignment: Assignment, body: dict[str, Any], key: str) -> Submitted:
    """Store a review, fill the slot, and do what it says; late, it is an extra, which changes nothing.

    Of an item's answers it gives the reviewer's own scores and order, or the verdict "accepted" (they may
    stand beside each other) or "rejected" (the item leaves the queue), and what goes back, as `returns`:
    [{"labeler": 2, "comment": "…"}]. Of a text it gives a verdict on the `revision` that was read; `edit` is
    its turns as they shall read.

    The same key and body again give the stored review. Raises BadInput naming the field, KeyReused, Stale
    where the text was changed meanwhile, NotNow if the item was answered or skipped before, and
    PermissionDenied where somebody is no reviewer any more.
    """
    request = receive(assignment, body, key, FIELDS, ReviewRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    held = request.held
    check_role(held)
    check_unanswered(held)
    # Both items in the order of their keys, before their slots.
    list(Item.objects.select_for_update(no_key=True).filter(
        pk__in=[held.item_id, held.item.subject_id]).order_by("pk"))  # fmt: skip
    text = _lock_text(held.item)
    content = _parse(body, held, text, own_edits=set())
    slot, answered = take_slot(held)
    prepared.run(*answered)
    review = Review.objects.create(
        project_id=held.project_id,
        item_id=held.item_id,
        assignment=held,
        slot_id=slot,
        labeler_id=held.labeler_id,
        is_simulated=assignment.labeler.is_simulated,
    )
    return _submitted(_write(review, request, content, text, number=1, base=0), created=True)


@transaction.atomic
def revise(review: Review, body: dict[str, Any], key: str) -> Submitted:
    """Append a revision on the stated base, and do what it says instead. Raises as `submit`.

    NotNow also where it cannot be undone any more: an item has left the queue, a prompt is the project's.
    """
    assert review.assignment is not None
    request = receive(review.assignment, body, key, FIELDS | {"base"}, ReviewRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    check_role(request.held)
    item = request.held.item
    text = _lock_text(item)
    before = list(review.revisions.order_by("number"))
    latest = before[-1]
    base = check_base(body, latest.number, {"verdict": latest.verdict, "comment": latest.comment})
    if text is None and latest.verdict == Verdict.REJECTED:
        raise NotNow(_("The item has left the queue."), data={"code": "retired"})
    content = _parse(body, request.held, text, own_edits={each.edit for each in before if each.edit})
    revision = _write(review, request, content, text, number=latest.number + 1, base=base)
    return _submitted(revision, created=True)


def _lock_text(item: Item) -> Text | None:
    about = item.demonstration or item.written_prompt
    if about is None:
        return None
    locked: Text = type(about)._default_manager.select_for_update(of=("self",)).get(pk=about.pk)
    return locked


# --- what a review says --------------------------------------------------------------------------------


def _parse(body: dict[str, Any], held: Assignment, text: Text | None, *, own_edits: set[int]) -> Content:
    given = body.get("verdict", "")
    if given not in ("", *Verdict.values):
        raise BadInput(_("There is no such verdict."), field="verdict")
    comment = check_text(body.get("comment", ""), "comment", max_bytes=MAX_BYTES, required=False)
    if text is None:
        return _parse_order(body, held, given, comment)
    return _parse_text(body, held, text, given, comment, own_edits)


def _parse_order(body: dict[str, Any], held: Assignment, verdict: str, comment: str) -> Content:
    _refuse(body, ("revision", "rating", "edit"))
    subject = held.item.subject
    assert subject is not None
    columns: dict[str, Any] = {"verdict": verdict, "comment": comment}
    if verdict in (Verdict.EDITED, Verdict.RETURNED):
        raise BadInput(
            _("Give an order, leave the answers as they are, or take the item out."), field="verdict"
        )
    if verdict:
        _refuse(body, ("scores", "tiers", "tied"))
    elif not subject.k:
        raise BadInput(_("Keep the item, or take it out of the queue."), field="verdict")
    else:
        order = letter_order(held, subject.k)
        columns["scores"], columns["ranks"] = rankings.parse_order(body, order, held.rubric)
        if columns["ranks"] is None:
            raise BadInput(_("An order is wanted."), field="tiers")
    return Content(columns, sent=_parse_returns(body.get("returns", []), answers(held)))


def _parse_returns(given: Any, shown: list[Ranking]) -> list[tuple[Sent, str]]:
    if not isinstance(given, list):
        raise BadInput(_("A list is wanted."), field="returns")
    sent: dict[int, tuple[Sent, str]] = {}
    for entry in given:
        if not isinstance(entry, dict) or set(entry) != {"labeler", "comment"}:
            raise BadInput(_("A labeler and a comment are wanted."), field="returns")
        number = entry["labeler"]
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(shown):
            raise BadInput(_("There is no such labeler here."), field="returns")
        if number in sent:
            raise BadInput(_("One answer is sent back once."), field="returns")
        check_text(entry["comment"], "returns", max_bytes=MAX_BYTES, required=False)
        if not entry["comment"].strip():
            raise BadInput(
                _("Say why the answer goes back to labeler %(n)d.") % {"n": number}, field="returns"
            )
        sent[number] = (shown[number - 1], entry["comment"])
    return list(sent.values())


def _parse_text(
    body: dict[str, Any], held: Assignment, text: Text, verdict: str, comment: str, own_edits: set[int]
) -> Content:
    _refuse(body, ("scores", "tiers", "tied", "returns"))
    if not verdict:
        raise BadInput(_("A verdict is wanted."), field="verdict")
    read = body.get("revision")
    revision = None if isinstance(read, bool) else text.revisions.filter(number=read).first() if isinstance(
        read, int) and 0 < read < 2**31 else None  # fmt: skip
    if revision is None:
        raise BadInput(_("The number of the revision that you read is wanted."), field="revision")
    later = set(text.revisions.filter(number__gt=read).values_list("number", flat=True))
    if later - own_edits:
        raise Stale(
            _("The text was changed while you looked at it. It comes to you again as it is now."),
            field="revision",
        )
    turns = [turn["content"] for turn in verdicts.turns_of(revision)]
    edit = body.get("edit")
    if verdict == Verdict.EDITED:
        if not isinstance(edit, list) or len(edit) != len(turns):
            raise BadInput(_("The text as it shall read is wanted."), field="edit")
        edited = [check_text(turn, "edit") for turn in edit]
        if edited == turns:
            raise BadInput(_("You have changed nothing: accept it, or change it."), field="edit")
        turns = edited
    elif edit is not None:
        raise BadInput(_("Only a text that is accepted with changes has any."), field="edit")
    if verdict == Verdict.RETURNED and not comment.strip():
        raise BadInput(_("Say why the text goes back."), field="comment")
    if verdict == Verdict.RETURNED and text.labeler_id is None:
        raise BadInput(_("It was imported: there is nobody to send it back to."), field="verdict")
    sent: list[tuple[Sent, str]] = [(text, comment)] if verdict == Verdict.RETURNED else []
    columns = {"verdict": verdict, "comment": comment, "rating": _rating(body.get("rating"), held)}
    return Content(columns, turns=turns, sent=sent)


def _rating(given: Any, held: Assignment) -> int | None:
    if given is None:
        return None
    least, most = held.rubric.scale_min, held.rubric.scale_max
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise BadInput(
            _("A rating from %(least)d to %(most)d is wanted.") % {"least": least, "most": most},
            field="rating",
        )
    return given


def _refuse(body: dict[str, Any], fields: tuple[str, ...]) -> None:
    for name in fields:
        if body.get(name) not in (None, [], {}):
            raise BadInput(_("This is not asked for here."), field=name)


# --- what it does --------------------------------------------------------------------------------------


def _write(
    review: Review, request: Request, content: Content, text: Text | None, *, number: int, base: int
) -> ReviewRevision:
    """The revision, and, unless another review has filled the slot, what it does."""
    columns = dict(content.columns)
    counts = review.slot_id is not None
    assert review.labeler is not None
    if counts and text is not None:
        latest = verdicts.latest_of(text)
        if [turn["content"] for turn in verdicts.turns_of(latest)] != content.turns:
            columns["edit"] = verdicts.rewrite(text, content.turns, review.labeler, request.digest)
    revision = ReviewRevision.objects.create(
        review=review, **columns, **request.columns(number=number, base=base)
    )
    if not counts:
        return revision
    returns.set_sent(review, content.sent)
    if text is not None:
        verdicts.judge(text, columns["verdict"])
    else:
        about = Item.objects.filter(reviewed_by=request.held.item_id)
        if columns["verdict"] == Verdict.REJECTED:
            items.retire(about, actor=review.labeler, project=review.project)
        Item.objects.filter(pk__in=about.values("pk")).update(needs_review=False)
    return revision


def _submitted(revision: Any, *, created: bool) -> Submitted:
    return Submitted(answer=revision.review, revision=revision.number, created=created)
