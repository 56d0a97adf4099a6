"""The queue's verb: claim an item. Items come from items.py; leases.py is what becomes of one that is held.

Locks are always taken in the order membership → cursor → assignment → item → slot, and several of a kind by
their keys; where a claim must lock a slot first, or a sweep several items, it does so with SKIP LOCKED. So
two verbs never wait for each other.
(An answer under a live lease fills its own slot without the item's lock: slots.take_slot.)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from labeling.actions import admission, checks, prepared
from labeling.actions.checks import Chosen
from labeling.actions.finding import Place, hold_next, lock_place, take_reserved
from labeling.actions.leases import HELD, LEASE, RESERVATION, end_overdue, expire_leases, opened
from labeling.actions.prepared import Statement
from labeling.models import Assignment, Kind, Membership, Role

EXTREMES_FROM = 7
"""Below so many completions, best and worst first settles too few pairs to be worth it."""

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
        end_overdue(Q(labeler_id=labeler, project_id=project, kind=kind))
        place, mine = _locked(project, labeler, kind)
    if (state := _state(ahead)) in mine:
        return place, Assignment.objects.get(pk=mine[state][0])
    if not ahead and Assignment.State.RESERVED in mine:
        return place, opened(mine[Assignment.State.RESERVED][0], kind)
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
