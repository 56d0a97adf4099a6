"""The queue's verbs: claim an item, keep its lease, give it back. Items come from items.py.

Locks are always taken in the order cursor → assignment → item → slot; where a claim must lock a slot
first, or a sweep several items, it does so with SKIP LOCKED. So two verbs never wait for each other.
"""

from __future__ import annotations

import datetime
import random
import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.slots import free_slot
from labeling.actions.text import check_json, check_text
from labeling.models import (
    Assignment,
    Draft,
    Item,
    Kind,
    Membership,
    QueueCursor,
    Rubric,
    Slot,
)
from labeling.models.queue import BANDS

LEASE: dict[str, datetime.timedelta] = {
    Kind.RANK: datetime.timedelta(minutes=20),
    Kind.DEMONSTRATE: datetime.timedelta(minutes=60),
}
RESERVATION = datetime.timedelta(minutes=5)
"""Of the item loaded ahead; renewed with the open one."""
SKIPS_TO_REVIEW = 3
"""After so many skips an item goes to the last band and a reviewer sees it."""
MAX_DRAFT_BYTES = 512 * 1024

SKIP_REASONS = ("unclear", "too_hard", "language", "sensitive", "broken", "other")


# --- claiming ----------------------------------------------------------------------------------------

# What makes a slot's item this labeler's to do: its language is theirs, they were never given it (a lost
# lease may come back), and no text of it is their own.
ELIGIBLE = """
      (%(all_languages)s OR slot.language = '' OR slot.language = ANY(%(languages)s))
      AND NOT EXISTS (
          SELECT 1 FROM labeling_assignment given
          WHERE given.item_id = slot.item_id AND given.labeler_id = %(labeler)s
            AND given.state IN ('reserved', 'open', 'answered', 'skipped'))
      AND (NOT slot.has_authors OR NOT EXISTS (
          SELECT 1 FROM labeling_itemcompletion part
          JOIN labeling_completion written ON written.id = part.completion_id
          WHERE part.item_id = slot.item_id AND written.author_id = %(labeler)s))
"""

# One open slot in a band, read on from a place in the random order.
CLAIM = f"""
UPDATE labeling_slot SET state = 'held' WHERE id = (
    SELECT slot.id FROM labeling_slot slot
    WHERE slot.project_id = %(project)s AND slot.kind = %(kind)s AND slot.state = 'open'
      AND slot.band = %(band)s AND slot.key > %(after)s AND slot.key <= %(upto)s
      AND (slot.reserved_for_id IS NULL OR slot.reserved_for_id = %(labeler)s)
      AND {ELIGIBLE}
    ORDER BY slot.key, slot.number LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING id, item_id, key, band
"""  # noqa: S608 - a constant of our own

# An item that somebody else has loaded ahead but not seen, when nothing else is free.
TAKE = f"""
UPDATE labeling_assignment SET state = 'released', closed_at = clock_timestamp() WHERE id = (
    SELECT ahead.id FROM labeling_assignment ahead
    JOIN labeling_slot slot ON slot.id = ahead.slot_id
    WHERE ahead.project_id = %(project)s AND ahead.kind = %(kind)s AND ahead.state = 'reserved'
      AND ahead.labeler_id <> %(labeler)s AND slot.reserved_for_id IS NULL
      AND {ELIGIBLE}
    ORDER BY ahead.lease_until LIMIT 1
    FOR UPDATE OF ahead SKIP LOCKED)
RETURNING slot_id, item_id
"""  # noqa: S608

ASSIGN = """
INSERT INTO labeling_assignment
    (token, slot_id, item_id, project_id, kind, labeler_id, state, is_repeat, shown_order, rubric_id,
     lease_until, opened_at, skip_reason, skip_comment)
VALUES (%(token)s, %(slot)s, %(item)s, %(project)s, %(kind)s, %(labeler)s, %(state)s, false, %(order)s,
     %(rubric)s, clock_timestamp() + make_interval(secs => %(lease)s),
     CASE WHEN %(state)s = 'open' THEN clock_timestamp() END, '', '')
ON CONFLICT (item_id, labeler_id) WHERE NOT is_repeat DO UPDATE SET
    token = excluded.token, slot_id = excluded.slot_id, state = excluded.state,
    lease_until = excluded.lease_until, closed_at = NULL,
    opened_at = coalesce(labeling_assignment.opened_at, excluded.opened_at)
RETURNING id
"""


@transaction.atomic
def claim(membership: Membership, kind: str, *, ahead: bool = False) -> Assignment | None:
    """The labeler's open item of this kind, or a new one; None where nothing is there for them.

    `ahead` reserves the one after it instead, and returns the reservation. A claim never hands out an
    item twice to one person, nor more slots than an item has.
    """
    cursor = _lock_cursor(membership, kind)
    _end_overdue(Q(labeler_id=membership.user_id, project_id=membership.project_id, kind=kind))
    mine = {
        live.state: live
        for live in Assignment.objects.select_for_update().filter(
            labeler_id=membership.user_id,
            project_id=membership.project_id,
            kind=kind,
            state__in=Assignment.LIVE,
        )
    }
    state = Assignment.State.RESERVED if ahead else Assignment.State.OPEN
    if state in mine:
        return _loaded(mine[state].pk)
    if not ahead and Assignment.State.RESERVED in mine:
        return _open(mine[Assignment.State.RESERVED])
    found = _find_slot(cursor, membership, kind)
    if found is None and expire_leases(Q(project_id=membership.project_id, kind=kind)):
        found = _find_slot(cursor, membership, kind)
    if found is None and not ahead:
        found = _take_reserved(membership, kind)
    if found is None:
        return None
    return _assign(membership, kind, state, *found)


def _lock_cursor(membership: Membership, kind: str) -> QueueCursor:
    locked = QueueCursor.objects.select_for_update().filter(membership=membership, kind=kind).first()
    if locked is None:
        QueueCursor.objects.bulk_create(
            [QueueCursor(membership=membership, kind=kind)], ignore_conflicts=True
        )
        locked = QueueCursor.objects.select_for_update().get(membership=membership, kind=kind)
    return locked


def _find_slot(cursor: QueueCursor, membership: Membership, kind: str) -> tuple[int, int] | None:
    """Band by band: on from the labeler's place, then round from the start to it."""
    for band in range(BANDS):
        place = cursor.keys[band]
        for after, upto in ((place, 2**63 - 1), (-1, place)):
            if after >= upto:
                continue
            row = _execute(CLAIM, membership, kind, band=band, after=after, upto=upto)
            if row:
                slot, item, key, _band = row
                cursor.keys[band] = key
                QueueCursor.objects.filter(pk=cursor.pk).update(keys=cursor.keys)
                return slot, item
    return None


def _take_reserved(membership: Membership, kind: str) -> tuple[int, int] | None:
    row = _execute(TAKE, membership, kind)
    return (row[0], row[1]) if row else None


def _execute(sql: str, membership: Membership, kind: str, **more: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as database:
        database.execute(
            sql,
            {
                "project": membership.project_id,
                "kind": kind,
                "labeler": membership.user_id,
                "all_languages": not membership.languages,
                "languages": membership.languages,
                **more,
            },
        )
        row: tuple[Any, ...] | None = database.fetchone()
    return row


def _assign(membership: Membership, kind: str, state: str, slot: int, item: int) -> Assignment:
    order = list(range(Item.objects.values_list("k", flat=True).get(pk=item)))
    random.SystemRandom().shuffle(order)
    rubric = (
        Rubric.objects.filter(project_id=membership.project_id)
        .order_by("-version")
        .values_list("pk", flat=True)
    )
    with connection.cursor() as database:
        database.execute(
            ASSIGN,
            {
                "token": uuid.uuid4(),
                "slot": slot,
                "item": item,
                "project": membership.project_id,
                "kind": kind,
                "labeler": membership.user_id,
                "state": str(state),
                "order": order,
                "rubric": rubric[0],
                "lease": (RESERVATION if state == Assignment.State.RESERVED else LEASE[kind]).total_seconds(),
            },
        )
        (pk,) = database.fetchone()
    return _loaded(pk)


def _loaded(pk: int) -> Assignment:
    return Assignment.objects.select_related("item__prompt", "project", "rubric", "draft").get(pk=pk)


# --- holding a lease ---------------------------------------------------------------------------------


def lock(assignment: Assignment) -> Assignment:
    """Lock the labeler's cursor and then the assignment: one labeler's requests go one after another.

    To be called inside the transaction of the verb that will move the assignment.
    """
    membership = Membership.objects.get(project_id=assignment.project_id, user_id=assignment.labeler_id)
    _lock_cursor(membership, assignment.kind)
    return (
        Assignment.objects.select_for_update(of=("self",))
        .select_related("item__prompt", "project", "rubric")
        .get(pk=assignment.pk)
    )


@transaction.atomic
def show(assignment: Assignment) -> Assignment:
    """The reserved item is on the screen now. Raises NotNow if it was lost or another is still open."""
    held = lock(assignment)
    if held.state == Assignment.State.OPEN:
        return _loaded(held.pk)
    if held.state != Assignment.State.RESERVED:
        raise NotNow(_("This item was given to somebody else meanwhile."), data={"code": "lease_lost"})
    others = Assignment.objects.filter(
        labeler_id=held.labeler_id, project_id=held.project_id, kind=held.kind, state=Assignment.State.OPEN
    )
    _end_overdue(Q(pk__in=others.values("pk")))
    if others.exists():
        raise NotNow(_("Another item is still open."), data={"code": "another_open"})
    return _open(held)


def _open(held: Assignment) -> Assignment:
    Assignment.objects.filter(pk=held.pk).update(
        state=Assignment.State.OPEN, opened_at=Now(), lease_until=Now() + LEASE[held.kind]
    )
    return _loaded(held.pk)


@transaction.atomic
def renew(assignment: Assignment) -> datetime.datetime:
    """Activity: the open lease and the reservation behind it run anew. Raises NotNow if it was lost."""
    held = lock(assignment)
    return _renew(held)


def _renew(held: Assignment) -> datetime.datetime:
    if held.state not in Assignment.LIVE:
        raise NotNow(
            _("Your time for this item is over. You can still submit: nothing you wrote is lost."),
            data={"code": "lease_lost"},
        )
    both = Assignment.objects.filter(
        labeler_id=held.labeler_id, project_id=held.project_id, kind=held.kind, state__in=Assignment.LIVE
    )
    both.filter(state=Assignment.State.OPEN).update(lease_until=Now() + LEASE[held.kind])
    both.filter(state=Assignment.State.RESERVED).update(lease_until=Now() + RESERVATION)
    return Assignment.objects.values_list("lease_until", flat=True).get(pk=held.pk)


@transaction.atomic
def save_draft(assignment: Assignment, sequence: int, body: dict[str, Any]) -> datetime.datetime | None:
    """Keep what has been done so far and renew the lease; None where the lease is over (the draft stays).

    Raises Stale, with the stored draft, if a newer one is there; NotNow once the item is answered.
    """
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**53:
        raise BadInput(_("A sequence number is wanted."), field="sequence")
    if not isinstance(body, dict):
        raise BadInput(_("An object is wanted."), field="body")
    check_json(body, "body", max_bytes=MAX_DRAFT_BYTES)
    held = lock(assignment)
    if held.state in (Assignment.State.ANSWERED, Assignment.State.SKIPPED):
        raise NotNow(_("This item is already done."), data={"code": "done"})
    draft = Draft.objects.filter(assignment=held).first()
    if draft is not None and draft.sequence > sequence:
        raise Stale(
            _("A newer draft is stored, perhaps from another tab."),
            data={"draft": {"sequence": draft.sequence, "body": draft.body}},
        )
    Draft.objects.update_or_create(
        assignment=held, defaults={"sequence": sequence, "body": body, "updated_at": Now()}
    )
    return _renew(held) if held.state in Assignment.LIVE else None


@transaction.atomic
def release(assignment: Assignment) -> None:
    """Give an unfinished item back; its draft stays for when it comes again."""
    held = lock(assignment)
    if held.state in Assignment.LIVE:
        _end(held, Assignment.State.RELEASED)


@transaction.atomic
def skip(assignment: Assignment, reason: str, comment: str = "") -> None:
    """Pass on an item for good, with a reason. Skipping twice is the same as once.

    The slot is free again for others. After SKIPS_TO_REVIEW skips the item goes to the last band.
    """
    if reason not in SKIP_REASONS:
        raise BadInput(
            _("Choose one of: %(reasons)s.") % {"reasons": ", ".join(SKIP_REASONS)}, field="reason"
        )
    check_text(comment, "comment", max_bytes=10_000, required=False)
    held = lock(assignment)
    if held.state == Assignment.State.SKIPPED:
        return
    if held.state == Assignment.State.ANSWERED:
        raise NotNow(_("This item is already done."), data={"code": "done"})
    was_live = held.state in Assignment.LIVE
    Assignment.objects.filter(pk=held.pk).update(
        state=Assignment.State.SKIPPED, skip_reason=reason, skip_comment=comment, closed_at=Now()
    )
    item = Item.objects.select_for_update(no_key=True).get(pk=held.item_id)
    needs_review = item.skips + 1 >= SKIPS_TO_REVIEW
    Item.objects.filter(pk=item.pk).update(skips=F("skips") + 1, needs_review=needs_review)
    if was_live:
        free_slot(held.slot_id)
    if needs_review:
        Slot.objects.filter(item=item).update(band=BANDS - 1)


@transaction.atomic
def expire_leases(which: Q | None = None, *, limit: int = 1000) -> int:
    """End every lease that the database's clock says is over; returns how many."""
    return _end_overdue(which or Q(), limit=limit)


def _end_overdue(which: Q, *, limit: int = 1000) -> int:
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
        opened = held.state == Assignment.State.OPEN
        _end(held, Assignment.State.EXPIRED if opened else Assignment.State.RELEASED)
    return len(ending)


def _end(held: Assignment, state: str) -> None:
    Assignment.objects.filter(pk=held.pk).update(state=state, closed_at=Now())
    Item.objects.select_for_update(no_key=True).get(pk=held.item_id)
    free_slot(held.slot_id)
