"""Slots and answers: which slot an answer fills, and what becomes of a slot that is free again.

Both are called with the assignment locked, and lock the item before its slots.
"""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now

from labeling.models import Assignment, Demonstration, Item, Kind, Ranking, Slot


def take_slot(held: Assignment) -> int | None:
    """The slot that an answer under this assignment fills, or None: then the answer is an extra.

    While the lease lives it is the assignment's own. Later it is the same one if still free, else any
    free one of the item, else a closed one while the item has fewer live slots than it wants.
    To be called with the assignment locked; locks the item.
    """
    item = Item.objects.select_for_update(no_key=True).get(pk=held.item_id)
    if held.state in Assignment.LIVE:
        chosen: int | None = held.slot_id
    else:
        slots = list(
            Slot.objects.select_for_update()
            .filter(item=item)
            .filter(Q(reserved_for=None) | Q(reserved_for_id=held.labeler_id))
            .order_by("number")
        )
        free = [slot.pk for slot in slots if slot.state == Slot.State.OPEN]
        live = sum(slot.state != Slot.State.CLOSED for slot in slots)
        if not free and live < item.overlap:
            free = [slot.pk for slot in slots if slot.state == Slot.State.CLOSED]
        chosen = held.slot_id if held.slot_id in free else (free[0] if free else None)
    if chosen is not None:
        Slot.objects.filter(pk=chosen).update(state=Slot.State.FILLED)
    Assignment.objects.filter(pk=held.pk).update(state=Assignment.State.ANSWERED, closed_at=Now())
    return chosen


def free_slot(slot_id: int) -> None:
    """A held slot is free again: an extra answer to its item takes it, else it opens or closes.

    Called with the item locked. It closes where the item was retired, or its overlap lowered meanwhile.
    """
    slot = Slot.objects.select_for_update(of=("self",)).select_related("item").get(pk=slot_id)
    live = Slot.objects.filter(item=slot.item, reserved_for=None).exclude(state=Slot.State.CLOSED).count()
    if slot.reserved_for_id is None and live > slot.item.overlap:
        Slot.objects.filter(pk=slot.pk).update(state=Slot.State.CLOSED)
    elif not fill_with_extra(slot):
        retired = slot.item.state == Item.State.RETIRED
        Slot.objects.filter(pk=slot.pk).update(state=Slot.State.CLOSED if retired else Slot.State.OPEN)


def fill_with_extra(slot: Slot) -> bool:
    answers = Ranking if slot.kind == Kind.RANK else Demonstration
    extra = answers.objects.filter(item_id=slot.item_id, slot=None).order_by("pk").first()
    if extra is None:
        return False
    Slot.objects.filter(pk=slot.pk).update(state=Slot.State.FILLED)
    answers.objects.filter(pk=extra.pk).update(slot=slot)
    return True
