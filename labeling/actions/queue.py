"""The queue's verbs: claim an item, keep its lease, give it back. Items come from items.py.

Locks are always taken in the order membership → cursor → assignment → item → slot, and several of a kind by
their keys; where a claim must lock a slot first, or a sweep several items, it does so with SKIP LOCKED. So
two verbs never wait for each other.
(An answer under a live lease fills its own slot without the item's lock: slots.take_slot.)
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import admission, checks, prepared
from labeling.actions.checks import Chosen
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.finding import Place, hold_next, lock_place, take_reserved
from labeling.actions.prepared import Row, Statement
from labeling.actions.slots import check_unanswered, free_slot
from labeling.actions.text import check_json, check_text
from labeling.models import Assignment, Draft, Item, Kind, Membership, Role, Rubric, Slot
from labeling.models.queue import BANDS

LEASE: dict[str, datetime.timedelta] = {
    Kind.RANK: datetime.timedelta(minutes=20),
    Kind.DEMONSTRATE: datetime.timedelta(minutes=60),
    Kind.PROMPT: datetime.timedelta(minutes=60),
    Kind.REVIEW: datetime.timedelta(minutes=30),
}
RESERVATION = datetime.timedelta(minutes=5)
"""Of the item loaded ahead; renewed with the open one."""
EXTREMES_FROM = 7
"""Below so many completions, best and worst first settles too few pairs to be worth it."""
SKIPS_TO_REVIEW = 3
"""After so many skips an item goes to the last band and a reviewer sees it."""
MAX_DRAFT_BYTES = 512 * 1024

REPORT = "report"
"""A skip that says that something is wrong with the prompt itself: a reviewer sees it at once."""
SKIP_REASONS = ("unclear", "too_hard", "language", "sensitive", "broken", "other", REPORT)


# --- claiming ----------------------------------------------------------------------------------------

HELD = prepared.columns(Assignment)

MINE = """
SELECT id, state, lease_until < clock_timestamp() FROM labeling_assignment
WHERE labeler_id = %(labeler)s AND project_id = %(project)s AND kind = %(kind)s
  AND state IN ('reserved', 'open')
FOR UPDATE
"""

# What is put in a random order: completions, or for a review the answers that it is about (shown_order of a
# review: actions/reviews.py).
SHOWN = """CASE WHEN item.subject_id IS NULL THEN item.k ELSE (
    SELECT count(*)::int FROM labeling_ranking given
    WHERE given.item_id = item.subject_id AND NOT given.is_repeat) END"""

ASSIGN = f"""
INSERT INTO labeling_assignment
    (token, slot_id, item_id, project_id, kind, labeler_id, state, is_repeat, method, shown_order,
     rubric_id, lease_until, opened_at, skip_reason, skip_comment)
SELECT %(token)s, %(slot)s, item.id, item.project_id, item.kind, %(labeler)s, %(state)s::text, %(is_repeat)s,
     CASE WHEN item.kind <> 'rank' THEN ''
          WHEN project.ranking_method = 'extremes' AND item.k < {EXTREMES_FROM} THEN 'rate'
          ELSE project.ranking_method END,
     coalesce(%(order)s::smallint[],
              ARRAY(SELECT place FROM generate_series(0, {SHOWN} - 1) AS place ORDER BY random())),
     (SELECT id FROM labeling_rubric WHERE project_id = item.project_id ORDER BY version DESC LIMIT 1),
     clock_timestamp() + make_interval(secs => %(lease)s),
     CASE WHEN %(state)s::text = 'open' THEN clock_timestamp() END, '', ''
FROM labeling_item item JOIN labeling_project project ON project.id = item.project_id
WHERE item.id = %(item)s
ON CONFLICT (item_id, labeler_id) WHERE NOT is_repeat DO UPDATE SET
    slot_id = excluded.slot_id, state = excluded.state,
    lease_until = excluded.lease_until, closed_at = NULL,
    opened_at = coalesce(labeling_assignment.opened_at, excluded.opened_at)
RETURNING {HELD}
"""  # noqa: S608 - constants of our own

OPEN = f"""
UPDATE labeling_assignment SET state = 'open', opened_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(assignment)s RETURNING {HELD}
"""  # noqa: S608


@transaction.atomic
def claim(membership: Membership, kind: str, *, ahead: bool = False) -> Assignment | None:
    """The labeler's open item of this kind, or a new one; None where nothing is there for them.

    `ahead` reserves the one after it instead, and returns the reservation. A claim never hands out an
    item twice to one person, nor more slots than an item has; a hidden repeat (checks.py) is no claim of
    theirs. Raises NotNow where something keeps this member from working yet (admission.py), and
    PermissionDenied where a labeler asks for a review.
    """
    if kind == Kind.REVIEW and not membership.may(Role.REVIEWER):
        raise PermissionDenied(_("Your role in this project does not allow this."))
    if not ahead:
        admission.check_admitted(membership)
    elif not admission.is_qualified(membership):
        return None
    place, held = _held(membership, kind, ahead=ahead)
    if held is not None:
        return held
    membership = checks.within_exposure(place, membership)
    if (hidden := checks.hidden(place, membership, kind)) is not None:
        return _assign(membership.user_id, kind, _state(ahead), hidden)
    project, labeler = membership.project_id, membership.user_id
    found, moves = hold_next(place, membership, kind)
    if found is None and expire_leases(Q(project_id=project, kind=kind)):
        prepared.together(*moves)
        place, _nothing = lock_place(project, labeler, kind)
        found, moves = hold_next(place, membership, kind)
    if found is None and not ahead:
        found = take_reserved(membership, kind)
    if found is None:
        prepared.together(*moves)
        return None
    return _assign(labeler, kind, _state(ahead), Chosen(*found), moves)


@transaction.atomic
def claim_check(membership: Membership, kind: str, choose: Callable[[], Chosen | None]) -> Assignment | None:
    """As `claim`, of what `choose` holds for this labeler; None where that is nothing (onboarding.py)."""
    _place, held = _held(membership, kind, ahead=False)
    if held is None and (chosen := choose()) is not None:
        return _assign(membership.user_id, kind, Assignment.State.OPEN, chosen)
    return held


def _state(ahead: bool) -> str:
    return Assignment.State.RESERVED if ahead else Assignment.State.OPEN


def _held(membership: Membership, kind: str, *, ahead: bool) -> tuple[Place, Assignment | None]:
    """The labeler's place, locked, and what they hold already of the kind that is asked for."""
    project, labeler = membership.project_id, membership.user_id
    place, mine = _locked(project, labeler, kind)
    if any(is_overdue for _pk, is_overdue in mine.values()):
        _end_overdue(Q(labeler_id=labeler, project_id=project, kind=kind))
        place, mine = _locked(project, labeler, kind)
    if (state := _state(ahead)) in mine:
        return place, Assignment.objects.get(pk=mine[state][0])
    if not ahead and Assignment.State.RESERVED in mine:
        return place, _open(mine[Assignment.State.RESERVED][0], kind)
    return place, None


def _locked(project: int, labeler: int, kind: str) -> tuple[Place, dict[str, tuple[int, bool]]]:
    """The labeler's place, and their reserved and open assignment by state: its id, and if it is overdue."""
    mine = (MINE, {"project": project, "labeler": labeler, "kind": kind})
    place, (found,) = lock_place(project, labeler, kind, mine)
    return place, {state: (pk, is_overdue) for pk, state, is_overdue in found}


def _assign(
    labeler: int, kind: str, state: str, chosen: Chosen, before: Sequence[Statement] = ()
) -> Assignment:
    lease = RESERVATION if state == Assignment.State.RESERVED else LEASE[kind]
    values = {
        "token": uuid.uuid4(),
        "slot": chosen.slot,
        "item": chosen.item,
        "labeler": labeler,
        "state": str(state),
        "order": chosen.order,
        "is_repeat": chosen.is_repeat,
        "lease": lease.total_seconds(),
    }
    *_others, (written,) = prepared.together(*before, (ASSIGN, values))
    return prepared.load(Assignment, written)


def _open(pk: int, kind: str) -> Assignment:
    opened = prepared.row(OPEN, {"assignment": pk, "lease": LEASE[kind].total_seconds()})
    assert opened is not None
    return prepared.load(Assignment, opened)


# --- holding a lease ---------------------------------------------------------------------------------

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
    _end_overdue(Q(pk__in=others.values("pk")))
    if others.exists():
        raise NotNow(_("Another item is still open."), data={"code": "another_open"})
    return _open(held.pk, held.kind)


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
