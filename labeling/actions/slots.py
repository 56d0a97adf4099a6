"""Slots and answers: which slot an answer fills, and what becomes of a slot that is free again.

Both are called with the assignment locked, and lock the item before its slots.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from labeling.actions.errors import NotNow
from labeling.actions.prepared import Statement
from labeling.models import Assignment, Demonstration, Item, Kind, Ranking, Review, Slot, WrittenPrompt
from labeling.models.answers import Answer

ANSWER = """
WITH filled AS (UPDATE labeling_slot SET state = 'filled' WHERE id = %(slot)s)
UPDATE labeling_assignment SET state = 'answered', closed_at = clock_timestamp() WHERE id = %(assignment)s
"""


ANSWERS: dict[str, type[Answer]] = {
    Kind.RANK: Ranking,
    Kind.DEMONSTRATE: Demonstration,
    Kind.PROMPT: WrittenPrompt,
    Kind.REVIEW: Review,
}


def stored(held: Assignment) -> dict[str, Any] | None:
    """The answer to this assignment, and the number of its latest revision; None where there is none."""
    answers: Any = ANSWERS[held.kind]
    found = answers.objects.filter(assignment=held).annotate(latest=Max("revisions__number"))
    one = found.values_list("public_id", "latest").first()
    return None if one is None else {"answer": one[0], "revision": one[1]}


def check_unanswered(held: Assignment) -> None:
    """Raises NotNow if this assignment was skipped, or answered, perhaps in another tab.

    Then the refusal names the stored answer: what was written beside it can still be made a change of it.
    """
    if held.state == Assignment.State.ANSWERED:
        data = {"code": "done", "stored": stored(held)}
        raise NotNow(_("You have already answered this item."), data=data)
    if held.state == Assignment.State.SKIPPED:
        raise NotNow(_("You have skipped this item."), data={"code": "skipped"})


def take_slot(held: Assignment) -> tuple[int | None, Statement]:
    """The slot that an answer under this assignment fills, or None: then the answer is an extra.

    And the statement that fills it and ends the assignment, to be run before the answer is written.

    While the lease lives it is the assignment's own. Later it is the same one if still free, else any
    free one of the item, else a closed one while the item has fewer live slots than it wants; one that is
    reserved for the labeler stays theirs.
    To be called with the assignment locked; locks the item if the lease is over. A live one needs no
    more: nobody else may touch a slot that it holds, and a held slot counts as live like a filled one.
    """
    chosen = held.slot_id if held.state in Assignment.LIVE else _free_for(held)
    return chosen, (ANSWER, {"slot": chosen, "assignment": held.pk})


def _free_for(late: Assignment) -> int | None:
    item = Item.objects.select_for_update(no_key=True).get(pk=late.item_id)
    every = list(Slot.objects.select_for_update().filter(item=item).order_by("number"))
    own = next(slot for slot in every if slot.pk == late.slot_id)
    if own.reserved_for_id is not None:
        return own.pk if own.state == Slot.State.CLOSED else None
    slots = [slot for slot in every if slot.reserved_for_id is None]
    free = [slot.pk for slot in slots if slot.state == Slot.State.OPEN]
    live = sum(slot.state != Slot.State.CLOSED for slot in slots)
    if not free and live < item.overlap:
        free = [slot.pk for slot in slots if slot.state == Slot.State.CLOSED]
    return late.slot_id if late.slot_id in free else (free[0] if free else None)


def free_slot(slot_id: int) -> None:
    """A held slot is free again: an extra answer to its item takes it, else it opens or closes.

    Called with the item locked. It closes where the item was retired, or its overlap lowered meanwhile; one
    that is reserved for a labeler closes too, and nobody else's answer ever fills it.
    """
    slot = Slot.objects.select_for_update(of=("self",)).select_related("item").get(pk=slot_id)
    live = Slot.objects.filter(item=slot.item, reserved_for=None).exclude(state=Slot.State.CLOSED).count()
    if slot.reserved_for_id is not None or live > slot.item.overlap:
        Slot.objects.filter(pk=slot.pk).update(state=Slot.State.CLOSED)
    elif not fill_with_extra(slot):
        retired = slot.item.state == Item.State.RETIRED
        Slot.objects.filter(pk=slot.pk).update(state=Slot.State.CLOSED if retired else Slot.State.OPEN)


def fill_with_extra(slot: Slot) -> bool:
    answers: Any = ANSWERS[slot.kind]
    extra = answers.objects.filter(item_id=slot.item_id, slot=None).order_by("pk").first()
    if extra is None:
        return False
    Slot.objects.filter(pk=slot.pk).update(state=Slot.State.FILLED)
    answers.objects.filter(pk=extra.pk).update(slot=slot)
    return True
