"""Hidden golds and hidden repeats: among the items that a labeler ranks, and in nothing different from them.

Whether a claim gives one is drawn before anything is looked for, by the rates of the project's quality
policy, so that a project without them pays nothing. A check has a slot of its own, born in the transaction of
its claim and reserved for one labeler. Where no work is left none is drawn: checks that come alone show.

Here also stands how much sensitive content a labeler may be shown in a day: whoever has had that much is, for
the rest of their day, treated as one who opted out of all of it.
"""

from __future__ import annotations

import datetime
import random
import zoneinfo
from copy import copy
from dataclasses import dataclass

from labeling.actions import finding, prepared
from labeling.actions.finding import Place
from labeling.models import Kind, Membership, Sensitive

REPEAT_AFTER = 20
"""A repeat is at least so many items back: so many of one's own answers can be opened and looked at."""
REPEAT_WITHIN = 300

# A gold of a prompt that this labeler has not met, in whatever item. One that they gave back may come again.
GOLD = """
SELECT item.id FROM labeling_gold gold
JOIN labeling_item item ON item.id = gold.item_id
JOIN labeling_prompt prompt ON prompt.id = item.prompt_id
WHERE item.project_id = %(project)s AND item.kind = %(kind)s AND item.purpose = 'gold' AND gold.is_active
  AND (cardinality(%(languages)s::text[]) = 0 OR prompt.language = ''
       OR prompt.language = ANY(%(languages)s::text[]))
  AND NOT prompt.sensitive && %(opt_outs)s::varchar[]
  AND NOT EXISTS (
      SELECT 1 FROM labeling_assignment given JOIN labeling_item met ON met.id = given.item_id
      WHERE met.prompt_id = item.prompt_id AND given.labeler_id = %(labeler)s
        AND (given.item_id <> item.id OR given.state NOT IN ('released', 'expired')))
  AND NOT EXISTS (
      SELECT 1 FROM labeling_itemcompletion part
      JOIN labeling_completion written ON written.id = part.completion_id
      WHERE part.item_id = item.id AND written.author_id = %(labeler)s)
ORDER BY random() LIMIT 1
FOR NO KEY UPDATE OF item SKIP LOCKED
"""

# By when it was opened, and among the last answers neither: those can be read (pages/last_answers.py).
REPEAT = """
SELECT item.id, given.shown_order FROM (
    SELECT * FROM labeling_assignment
    WHERE labeler_id = %(labeler)s AND project_id = %(project)s AND opened_at IS NOT NULL
      AND kind = %(kind)s AND state = 'answered'
    ORDER BY opened_at DESC OFFSET %(after)s LIMIT %(within)s) given
JOIN labeling_item item ON item.id = given.item_id
JOIN labeling_prompt prompt ON prompt.id = item.prompt_id
WHERE item.purpose = 'work' AND NOT given.is_repeat AND NOT prompt.sensitive && %(opt_outs)s::varchar[]
  AND given.id NOT IN (
      SELECT assignment_id FROM labeling_ranking
      WHERE labeler_id = %(labeler)s AND project_id = %(project)s AND assignment_id IS NOT NULL
      ORDER BY id DESC LIMIT %(after)s)
  AND NOT EXISTS (
      SELECT 1 FROM labeling_assignment before
      WHERE before.item_id = item.id AND before.labeler_id = %(labeler)s AND before.is_repeat)
ORDER BY random() LIMIT 1
FOR NO KEY UPDATE OF item SKIP LOCKED
"""

AGAIN = """
UPDATE labeling_slot SET state = 'held' WHERE id = (
    SELECT id FROM labeling_slot
    WHERE item_id = %(item)s AND reserved_for_id = %(labeler)s AND state = 'closed' LIMIT 1)
RETURNING id
"""

RESERVE = """
INSERT INTO labeling_slot
    (item_id, number, state, project_id, kind, band, key, language, sensitive, has_authors, reserved_for_id)
SELECT item.id, (SELECT coalesce(max(number), -1) + 1 FROM labeling_slot WHERE item_id = item.id), 'held',
       item.project_id, item.kind, 1, 0, prompt.language, prompt.sensitive, false, %(labeler)s
FROM labeling_item item JOIN labeling_prompt prompt ON prompt.id = item.prompt_id
WHERE item.id = %(item)s
RETURNING id
"""

SHOWN_TODAY = """
SELECT count(*) FROM labeling_assignment given JOIN labeling_slot slot ON slot.id = given.slot_id
WHERE given.labeler_id = %(labeler)s AND given.project_id = %(project)s AND given.opened_at >= %(since)s
  AND cardinality(slot.sensitive) > 0
"""


@dataclass(frozen=True)
class Chosen:
    """A slot that is held for one labeler, its item, and in which order it is shown (None: any)."""

    slot: int
    item: int
    order: list[int] | None = None
    is_repeat: bool = False


def hidden(place: Place, membership: Membership, kind: str) -> Chosen | None:
    """A hidden check in place of the labeler's next item, where chance wants one and there is one.

    To be called with their place locked; locks the item.
    """
    if kind != Kind.RANK or not place.has_more:
        return None
    drawn = random.random()
    if drawn < place.gold_rate:
        found = prepared.row(GOLD, finding.who(membership, kind))
        return reserve(found[0], membership.user_id) if found else None
    if drawn < place.gold_rate + place.repeat_rate:
        window = {"after": REPEAT_AFTER, "within": REPEAT_WITHIN}
        found = prepared.row(REPEAT, finding.who(membership, kind) | window)
        if found:
            return reserve(found[0], membership.user_id, order=_another(found[1]), is_repeat=True)
    return None


def reserve(item: int, labeler: int, *, order: list[int] | None = None, is_repeat: bool = False) -> Chosen:
    """Hold a slot of a check for this labeler: the one they gave back, or a new one. The item is locked."""
    values = {"item": item, "labeler": labeler}
    slot = prepared.row(AGAIN, values) or prepared.row(RESERVE, values)
    assert slot is not None
    return Chosen(slot[0], item, order, is_repeat)


def within_exposure(place: Place, membership: Membership) -> Membership:
    """The membership as this claim is to see it: with all opt-outs, once the day's share has been shown."""
    if place.sensitive_per_day is None:
        return membership
    values = {
        "labeler": membership.user_id,
        "project": membership.project_id,
        "since": _midnight(membership.user.time_zone),
    }
    shown = prepared.row(SHOWN_TODAY, values)
    assert shown is not None
    if shown[0] < place.sensitive_per_day:
        return membership
    spared = copy(membership)
    spared.opt_outs = Sensitive.values
    return spared


def _another(order: list[int]) -> list[int]:
    """The same positions in any other order."""
    places = list(order)
    while places == order:
        random.shuffle(places)
    return places


def _midnight(time_zone: str) -> datetime.datetime:
    """When the labeler's day began."""
    here = zoneinfo.ZoneInfo(time_zone or "UTC")
    return datetime.datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0)
