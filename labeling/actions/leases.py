"""What becomes of an item that a labeler holds: its lease, its draft, how it is given back or passed on.

In which order locks are taken: queue.py, by which an item is claimed.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import prepared
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.finding import lock_place
from labeling.actions.prepared import Row, Statement
from labeling.actions.slots import check_unanswered, free_slot
from labeling.actions.text import check_json, check_text
from labeling.models import Assignment, Draft, Item, Kind, Membership, Rubric, Slot
from labeling.models.queue import BANDS

LEASE: dict[str, datetime.timedelta] = {
    Kind.RANK: datetime.timedelta(minutes=20),
    Kind.DEMONSTRATE: datetime.timedelta(minutes=60),
    Kind.PROMPT: datetime.timedelta(minutes=60),
    Kind.REVIEW: datetime.timedelta(minutes=30),
}
RESERVATION = datetime.timedelta(minutes=5)
"""Of the item loaded ahead; renewed with the open one."""
SKIPS_TO_REVIEW = 3
"""After so many skips an item goes to the last band and a reviewer sees it."""
MAX_DRAFT_BYTES = 512 * 1024

REPORT = "report"
"""A skip that says that something is wrong with the prompt itself: a reviewer sees it at once."""
SKIP_REASONS = ("unclear", "too_hard", "language", "sensitive", "broken", "other", REPORT)

HELD = prepared.columns(Assignment)

OPEN = f"""
UPDATE labeling_assignment SET state = 'open', opened_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(assignment)s RETURNING {HELD}
"""  # noqa: S608

LOCK = f"""
SELECT {prepared.columns(Assignment, "held")}, {prepared.columns(Rubric, "rubric")}
FROM labeling_assignment held JOIN labeling_rubric rubric ON rubric.id = held.rubric_id
WHERE held.id = %(assignment)s FOR UPDATE OF held
"""  # noqa: S608

RENEW = """
UPDATE labeling_assignment SET lease_until = clock_timestamp()
    + make_interval(secs => CASE state WHEN 'open' THEN %(lease)s ELSE %(reservation)s END)
WHERE labeler_id = %(labeler)s AND project_id = %(project)s AND kind = %(kind)s
  AND state IN ('reserved', 'open')
RETURNING id, lease_until
"""

DRAFT = """
INSERT INTO labeling_draft (assignment_id, sequence, body, updated_at)
VALUES (%(assignment)s, %(sequence)s, %(body)s::jsonb, clock_timestamp())
ON CONFLICT (assignment_id) DO UPDATE SET
    sequence = excluded.sequence, body = excluded.body, updated_at = excluded.updated_at
    WHERE labeling_draft.sequence < excluded.sequence
       OR (labeling_draft.sequence = excluded.sequence AND labeling_draft.body = excluded.body)
RETURNING id
"""


def lock(assignment: Assignment) -> Assignment:
    """Lock the labeler's cursor and then the assignment: one labeler's requests go one after another.

    To be called inside the transaction of the verb that will move the assignment.
    """
    return lock_and(assignment)[0]


def lock_and(assignment: Assignment, *after: Statement) -> tuple[Assignment, list[list[Row]]]:
    """As `lock`; also the rows of the statements after it, which are sent with it."""
    own = (LOCK, {"assignment": assignment.pk})
    _place, ((found,), *others) = lock_place(
        assignment.project_id, assignment.labeler_id, assignment.kind, own, *after
    )
    split = len(Assignment._meta.concrete_fields)
    held = prepared.load(Assignment, found[:split])
    held.rubric = prepared.load(Rubric, found[split:])
    return held, others


def opened(pk: int, kind: str) -> Assignment:
    """The assignment, on the screen from now on and under a whole lease."""
    row = prepared.row(OPEN, {"assignment": pk, "lease": LEASE[kind].total_seconds()})
    assert row is not None
    return prepared.load(Assignment, row)


@transaction.atomic
def show(assignment: Assignment) -> Assignment:
    """The reserved item is on the screen now. Raises NotNow if it was lost or done, or another is open."""
    held = lock(assignment)
    if held.state == Assignment.State.OPEN:
        return held
    check_unanswered(held)
    if held.state != Assignment.State.RESERVED:
        raise NotNow(_("This item was given to somebody else meanwhile."), data={"code": "lease_lost"})
    others = Assignment.objects.filter(
        labeler_id=held.labeler_id, project_id=held.project_id, kind=held.kind, state=Assignment.State.OPEN
    )
    end_overdue(Q(pk__in=others.values("pk")))
    if others.exists():
        raise NotNow(_("Another item is still open."), data={"code": "another_open"})
    return opened(held.pk, held.kind)


@transaction.atomic
def renew(assignment: Assignment) -> datetime.datetime:
    """Activity: the open lease and the reservation behind it run anew. Raises NotNow if lost or done."""
    held = lock(assignment)
    check_unanswered(held)
    return _renew(held)


def _renew(held: Assignment) -> datetime.datetime:
    if held.state not in Assignment.LIVE:
        raise NotNow(
            _("Your time for this item is over. You can still submit: nothing you wrote is lost."),
            data={"code": "lease_lost"},
        )
    values = {
        "labeler": held.labeler_id, "project": held.project_id, "kind": held.kind,
        "lease": LEASE[held.kind].total_seconds(), "reservation": RESERVATION.total_seconds(),
    }  # fmt: skip
    renewed = prepared.rows(RENEW, values)
    until: datetime.datetime
    (until,) = (lease_until for pk, lease_until in renewed if pk == held.pk)
    return until


@transaction.atomic
def save_draft(assignment: Assignment, sequence: int, body: dict[str, Any]) -> datetime.datetime | None:
    """Keep what has been done so far and renew the lease; None where the lease is over (the draft stays).

    Raises Stale, with the stored draft, if a newer one is there, or another of the same number; NotNow once
    the item is done.
    """
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**53:
        raise BadInput(_("A sequence number is wanted."), field="sequence")
    if not isinstance(body, dict):
        raise BadInput(_("An object is wanted."), field="body")
    check_json(body, "body", max_bytes=MAX_DRAFT_BYTES)
    held = lock(assignment)
    check_unanswered(held)
    values = {"assignment": held.pk, "sequence": sequence, "body": json.dumps(body)}
    if prepared.row(DRAFT, values) is None:
        draft = Draft.objects.get(assignment=held)
        raise Stale(
            _("A newer draft is stored, perhaps from another tab."),
            data={"draft": {"sequence": draft.sequence, "body": draft.body}},
        )
    return _renew(held) if held.state in Assignment.LIVE else None


@transaction.atomic
def release(assignment: Assignment, *, ahead: bool = False) -> None:
    """Give an unfinished item back; its draft stays for when it comes again.

    With `ahead` only while it is loaded ahead: another tab may have it on the screen meanwhile.
    """
    held = lock(assignment)
    if held.state == Assignment.State.RESERVED or (held.state == Assignment.State.OPEN and not ahead):
        _end(held, Assignment.State.RELEASED)


@transaction.atomic
def release_all(membership: Membership) -> None:
    """Give back all that a labeler holds in a project; drafts stay. To be called when they have left it.

    A claim that has passed its door a moment before ends by the clock: no door lets anybody renew it.
    """
    project, labeler = membership.project_id, membership.user_id
    for kind in Kind.values:
        lock_place(project, labeler, kind)
    live = Assignment.objects.select_for_update().filter(
        project_id=project, labeler_id=labeler, state__in=Assignment.LIVE
    )
    for held in sorted(live, key=lambda held: held.item_id):
        _end(held, Assignment.State.RELEASED)


@transaction.atomic
def skip(assignment: Assignment, reason: str, comment: str = "") -> None:
    """Pass on an item for good, with a reason. Skipping twice is the same as once.

    The slot is free again for others. After SKIPS_TO_REVIEW skips, or one report (which wants a comment), a
    reviewer sees the item, and it goes to the last band. Of a check nobody else has anything, so that its
    skips are not counted. Raises BadInput, and NotNow once it is answered.
    """
    if reason not in SKIP_REASONS:
        raise BadInput(
            _("Choose one of: %(reasons)s.") % {"reasons": ", ".join(SKIP_REASONS)}, field="reason"
        )
    check_text(comment, "comment", max_bytes=10_000, required=False)
    if reason == REPORT and not comment.strip():
        raise BadInput(_("Say what is wrong with it, so that a reviewer can see to it."), field="comment")
    held = lock(assignment)
    if held.state == Assignment.State.SKIPPED:
        return
    check_unanswered(held)
    was_live = held.state in Assignment.LIVE
    Assignment.objects.filter(pk=held.pk).update(
        state=Assignment.State.SKIPPED, skip_reason=reason, skip_comment=comment, closed_at=Now()
    )
    item = Item.objects.select_for_update(no_key=True).get(pk=held.item_id)
    if Slot.objects.filter(pk=held.slot_id, reserved_for__isnull=False).exists():
        if was_live:
            free_slot(held.slot_id)
        return
    needs_review = item.needs_review or reason == REPORT or item.skips + 1 >= SKIPS_TO_REVIEW
    Item.objects.filter(pk=item.pk).update(skips=F("skips") + 1, needs_review=needs_review)
    if was_live:
        free_slot(held.slot_id)
    if needs_review:
        Slot.objects.filter(item=item).update(band=BANDS - 1)


@transaction.atomic
def expire_leases(which: Q | None = None, *, limit: int = 1000) -> int:
    """End every lease that the database's clock says is over; returns how many."""
    return end_overdue(which or Q(), limit=limit)


def end_overdue(which: Q, *, limit: int = 1000) -> int:
    """End overdue leases. This is the one verb that locks several items, so it waits for none of them."""
    overdue = list(
        Assignment.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(which, state__in=Assignment.LIVE, lease_until__lt=Now())
        .order_by("pk")[:limit]
    )
    free = Item.objects.select_for_update(no_key=True, skip_locked=True).filter(
        pk__in={held.item_id for held in overdue}
    )
    locked = set(free.values_list("pk", flat=True))
    ending = [held for held in overdue if held.item_id in locked]
    for held in ending:
        was_open = held.state == Assignment.State.OPEN
        _end(held, Assignment.State.EXPIRED if was_open else Assignment.State.RELEASED)
    return len(ending)


def _end(held: Assignment, state: str) -> None:
    Assignment.objects.filter(pk=held.pk).update(state=state, closed_at=Now())
    Item.objects.select_for_update(no_key=True).get(pk=held.item_id)
    free_slot(held.slot_id)
