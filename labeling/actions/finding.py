"""Which slot a labeler gets next.

Each labeler reads the queue at a place of their own (`QueueCursor`), band by band. A band is read once in
the order of the items' random keys, and after that in the order in which slots have opened since. What was
passed over on the way was not theirs to do, and is not looked at again unless it opens anew: so a claim
costs the same however long the queue is, and however much of it this labeler has done.

A slot can hide behind a labeler's place: the transaction that opened it ended after that of a later one, or
somebody's claim of it failed just as it was passed over. So where nothing is found, the last openings are
looked at once more, and the labeler begins at the start again, at most once in START_OVER.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from labeling.actions import prepared
from labeling.actions.prepared import Row, Statement
from labeling.models import Membership, Role
from labeling.models.queue import BANDS

START_OVER = datetime.timedelta(minutes=10)
LOOK_BACK = 200
"""Openings, of all projects together: more than can be under way at once, and quickly read."""
BEGINNING, END = -1, 2**63 - 1


def eligible(
    labeler: str = "%(labeler)s",
    languages: str = "%(languages)s::text[]",
    opt_outs: str = "%(opt_outs)s::varchar[]",
) -> str:
    """What makes a slot's item this labeler's to do, in SQL.

    Its language is theirs, it is of no sensitive kind that they opted out of, they were never given it (a
    lost lease may come back), and no text of it is their own. The subqueries give a value, so that each is
    asked for one slot at a time: NOT EXISTS might become a join with everything that the labeler has ever
    done.
    """
    return f"""
      (cardinality({languages}) = 0 OR slot.language = '' OR slot.language = ANY({languages}))
      AND NOT slot.sensitive && {opt_outs}
      AND coalesce((
          SELECT given.state NOT IN ('reserved', 'open', 'answered', 'skipped')
          FROM labeling_assignment given
          WHERE given.item_id = slot.item_id AND given.labeler_id = {labeler} AND NOT given.is_repeat), true)
      AND (NOT slot.has_authors OR NOT coalesce((
          SELECT bool_or(written.author_id = {labeler}) FROM labeling_itemcompletion part
          JOIN labeling_completion written ON written.id = part.completion_id
          WHERE part.item_id = slot.item_id), false))
      AND {_reviewable(labeler)}
    """  # noqa: S608 - constants of our own


def _reviewable(labeler: str) -> str:
    """A review is a reviewer's to give, of what they have not worked on themselves; and who has seen others'
    answers to an item in a review does not answer it any more."""
    return f"""CASE WHEN slot.kind = 'review' THEN
      coalesce((
          SELECT reviewer.is_active AND reviewer.role IN ('{Role.REVIEWER}', '{Role.LEAD}')
          FROM labeling_membership reviewer
          WHERE reviewer.project_id = slot.project_id AND reviewer.user_id = {labeler}), false)
      AND NOT coalesce((
          SELECT bool_or(own.state = 'reserved' OR own.opened_at IS NOT NULL AND own.state <> 'skipped')
          FROM labeling_item about
          LEFT JOIN labeling_demonstration demonstration ON demonstration.id = about.demonstration_id
          LEFT JOIN labeling_writtenprompt written ON written.id = about.written_prompt_id
          JOIN labeling_assignment own
            ON own.item_id = coalesce(about.subject_id, demonstration.item_id, written.item_id)
          WHERE about.id = slot.item_id AND own.labeler_id = {labeler}), false)
      ELSE NOT coalesce((
          SELECT bool_or(seen.opened_at IS NOT NULL) FROM labeling_item review
          JOIN labeling_assignment seen ON seen.item_id = review.id
          WHERE review.subject_id = slot.item_id AND seen.labeler_id = {labeler}), false)
      END"""  # noqa: S608 - constants of our own


def _hold(order: str) -> str:
    """Hold the first open slot of a band behind a place in this order."""
    return f"""
    UPDATE labeling_slot SET state = 'held' WHERE id = (
        SELECT slot.id FROM labeling_slot slot
        WHERE slot.project_id = %(project)s AND slot.kind = %(kind)s AND slot.state = 'open'
          AND slot.band = %(band)s AND slot.{order} > %(after)s
          AND (slot.reserved_for_id IS NULL OR slot.reserved_for_id = %(labeler)s)
          AND {eligible()}
        ORDER BY slot.{order} LIMIT 1
        FOR UPDATE SKIP LOCKED)
    RETURNING id, item_id, {order}
    """  # noqa: S608 - constants of our own


BY_KEY, BY_OPENING = _hold("key"), _hold("opening")

# An item that somebody else has loaded ahead but not seen, when nothing else is free.
TAKE = f"""
UPDATE labeling_assignment SET state = 'released', closed_at = clock_timestamp() WHERE id = (
    SELECT ahead.id FROM labeling_assignment ahead
    JOIN labeling_slot slot ON slot.id = ahead.slot_id
    WHERE ahead.project_id = %(project)s AND ahead.kind = %(kind)s AND ahead.state = 'reserved'
      AND ahead.labeler_id <> %(labeler)s AND slot.reserved_for_id IS NULL
      AND {eligible()}
    ORDER BY ahead.lease_until LIMIT 1
    FOR UPDATE OF ahead SKIP LOCKED)
RETURNING slot_id, item_id
"""  # noqa: S608

LOCK = f"""
SELECT place.id, place.keys, place.openings, place.begun_at IS NULL,
       place.begun_at < clock_timestamp() - make_interval(secs => %(start_over)s),
       ARRAY(SELECT coalesce((SELECT max(slot.opening) FROM labeling_slot slot
                              WHERE slot.project_id = %(project)s AND slot.kind = %(kind)s
                                AND slot.state = 'open' AND slot.band = bands.band), 0)
             FROM generate_series(0, {BANDS - 1}) AS bands(band) ORDER BY bands.band),
       coalesce(policy.gold_rate, 0), coalesce(policy.repeat_rate, 0), policy.sensitive_per_day
FROM labeling_queuecursor place JOIN labeling_membership member ON member.id = place.membership_id
LEFT JOIN labeling_qualitypolicy policy ON policy.project_id = member.project_id
WHERE member.project_id = %(project)s AND member.user_id = %(labeler)s AND place.kind = %(kind)s
FOR UPDATE OF place
"""  # noqa: S608

FORGET = """
UPDATE labeling_queuecursor SET begun_at = NULL WHERE membership_id = %(membership)s
"""

MOVE = """
UPDATE labeling_queuecursor SET keys = %(keys)s, openings = %(openings)s,
    begun_at = CASE WHEN %(begins)s THEN clock_timestamp() ELSE begun_at END
WHERE id = %(place)s
"""


@dataclass
class Place:
    """How far a labeler has read each band, by key and by opening; `newest` is the last opening of each.

    And what the project's quality policy says of claims (checks.py), which is read along with it.
    """

    pk: int
    keys: list[int]
    openings: list[int]
    is_new: bool
    may_begin: bool
    newest: list[int]
    gold_rate: float = 0.0
    repeat_rate: float = 0.0
    sensitive_per_day: int | None = None
    begins: bool = False

    @property
    def has_more(self) -> bool:
        """Whether there may be work ahead that this labeler has not met."""
        unread = zip(self.keys, self.openings, self.newest, strict=True)
        return self.is_new or any(key < END or opening < newest for key, opening, newest in unread)

    def begin(self) -> None:
        """At the first key; everything that has opened so far will be met on the way."""
        self.keys, self.openings = [BEGINNING] * BANDS, list(self.newest)
        self.begins, self.may_begin = True, False


def lock_place(project: int, labeler: int, kind: str, *after: Statement) -> tuple[Place, list[list[Row]]]:
    """Lock the labeler's place, so that their requests go one after another.

    Also gives the rows of the statements `after` it, which are sent with it. May be called again for what
    has opened meanwhile. To be called in a transaction.
    """
    values = {"project": project, "labeler": labeler, "kind": kind, "start_over": START_OVER.total_seconds()}
    (found,), *others = prepared.together((LOCK, values), *after)
    return Place(*found), others


def begin_anew(membership: Membership) -> None:
    """What they may do has changed: what they have passed over could be theirs now."""
    prepared.run(FORGET, {"membership": membership.pk})


def hold_next(
    place: Place, membership: Membership, kind: str
) -> tuple[tuple[int, int] | None, list[Statement]]:
    """Hold this labeler's next slot: its id and its item's, or None; and what moves their locked place."""
    before = (list(place.keys), list(place.openings))
    if place.is_new:
        place.begin()
    found = _read_on(place, membership, kind) or _look_back(place, membership, kind)
    if found is None and place.may_begin:
        place.begin()
        found = _read_on(place, membership, kind)
    if not place.begins and before == (place.keys, place.openings):
        return found, []
    values = {"keys": place.keys, "openings": place.openings, "begins": place.begins, "place": place.pk}
    return found, [(MOVE, values)]


def _read_on(place: Place, membership: Membership, kind: str) -> tuple[int, int] | None:
    values = who(membership, kind)
    for band in range(BANDS):
        if place.keys[band] < END:
            found = prepared.row(BY_KEY, values | {"band": band, "after": place.keys[band]})
            place.keys[band] = found[2] if found else END
            if found:
                return found[0], found[1]
        if place.openings[band] < place.newest[band]:
            found = prepared.row(BY_OPENING, values | {"band": band, "after": place.openings[band]})
            place.openings[band] = found[2] if found else place.newest[band]
            if found:
                return found[0], found[1]
    return None


def _look_back(place: Place, membership: Membership, kind: str) -> tuple[int, int] | None:
    """Also finds what has opened since the place was locked: `newest` was read before that."""
    values = who(membership, kind)
    for band in range(BANDS):
        after = max(place.openings[band], place.newest[band]) - LOOK_BACK
        found = prepared.row(BY_OPENING, values | {"band": band, "after": after})
        if found:
            return found[0], found[1]
    return None


def take_reserved(membership: Membership, kind: str) -> tuple[int, int] | None:
    """Take over an item that somebody else has loaded ahead: its slot, still held, and the item."""
    found = prepared.row(TAKE, who(membership, kind))
    return (found[0], found[1]) if found else None


def who(membership: Membership, kind: str) -> dict[str, object]:
    """The values that `eligible` and the statements around it take."""
    return {
        "project": membership.project_id,
        "kind": kind,
        "labeler": membership.user_id,
        "languages": membership.languages,
        "opt_outs": membership.opt_outs,
    }
