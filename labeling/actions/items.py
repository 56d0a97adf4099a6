"""Filling the queue: items, their slots, how many answers they want, and how they leave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from labeling.actions import audit
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.slots import fill_with_extra
from labeling.models import (
    Assignment,
    Completion,
    Item,
    ItemCompletion,
    Kind,
    Membership,
    ModelVersion,
    Origin,
    Project,
    Prompt,
    Round,
    Slot,
    User,
)
from labeling.models.queue import MAX_K, random_key


@dataclass(frozen=True)
class NewItem:
    """An item to be. `completions` take positions 0 to K-1 in the order given."""

    prompt: Prompt
    kind: str
    completions: Sequence[Completion] = ()
    overlap: int = 1
    origin: str = Origin.IMPORTED
    model: ModelVersion | None = None
    round: Round | None = None
    band: int = 1
    arm: str = "uniform"
    probability: float = 1.0


@transaction.atomic
def create_items(project: Project, items: Iterable[NewItem]) -> int:
    """Write items with their completions and slots; returns how many.

    Raises BadInput if an item to rank has fewer than 2 or more than 9 completions.
    """
    wanted = list(items)
    for new in wanted:
        if new.kind == Kind.RANK and not 2 <= len(new.completions) <= MAX_K:
            raise BadInput(
                _("An item has 2 to %(most)d completions, not %(k)d.")
                % {"most": MAX_K, "k": len(new.completions)},
                field="completions",
            )
    rows = Item.objects.bulk_create(
        [
            Item(
                project=project,
                kind=new.kind,
                prompt=new.prompt,
                k=len(new.completions),
                overlap=new.overlap,
                origin=new.origin,
                model=new.model,
                round=new.round,
                arm=new.arm,
                probability=new.probability,
            )
            for new in wanted
        ],
        batch_size=2000,
    )
    ItemCompletion.objects.bulk_create(
        [
            ItemCompletion(item=row, prompt_id=row.prompt_id, completion=completion, position=position)
            for row, new in zip(rows, wanted, strict=True)
            for position, completion in enumerate(new.completions)
        ],
        batch_size=5000,
    )
    slots: list[Slot] = []
    for row, new in zip(rows, wanted, strict=True):
        key = random_key()
        has_authors = any(completion.author_id for completion in new.completions)
        slots += [
            Slot(
                item=row,
                number=number,
                project=project,
                kind=new.kind,
                band=new.band,
                key=key,
                language=new.prompt.language,
                has_authors=has_authors,
            )
            for number in range(new.overlap)
        ]
    Slot.objects.bulk_create(slots, batch_size=5000)
    return len(rows)


@transaction.atomic
def set_overlap(item_id: int, overlap: int, *, actor: User | None = None) -> Item:
    """Want more or fewer answers: adds slots, or closes open ones (never held or filled ones)."""
    if overlap < 1:
        raise BadInput(_("At least one answer is wanted."), field="overlap")
    item = Item.objects.select_for_update(no_key=True).select_related("project", "prompt").get(pk=item_id)
    if item.state == Item.State.RETIRED:
        raise NotNow(_("The item is retired."))
    before = item.overlap
    Item.objects.filter(pk=item.pk).update(overlap=overlap)
    item.overlap = overlap
    slots = list(Slot.objects.select_for_update().filter(item=item, reserved_for=None).order_by("number"))
    live = sum(slot.state != Slot.State.CLOSED for slot in slots)
    if live < overlap:
        reopened = [slot for slot in slots if slot.state == Slot.State.CLOSED][: overlap - live]
        Slot.objects.filter(pk__in=[slot.pk for slot in reopened]).update(state=Slot.State.OPEN)
        first = slots[0]
        added = Slot.objects.bulk_create(
            Slot(
                item=item,
                number=len(slots) + offset,
                project_id=item.project_id,
                kind=item.kind,
                band=first.band,
                key=first.key,
                language=first.language,
                has_authors=first.has_authors,
            )
            for offset in range(overlap - live - len(reopened))
        )
        for slot in [*reopened, *added]:
            fill_with_extra(slot)
    elif live > overlap:
        open_slots = [slot.pk for slot in reversed(slots) if slot.state == Slot.State.OPEN]
        Slot.objects.filter(pk__in=open_slots[: live - overlap]).update(state=Slot.State.CLOSED)
    audit.record(
        "item.overlap",
        project=item.project,
        actor=actor,
        subject=item.public_id,
        before=before,
        after=overlap,
    )
    return item


@transaction.atomic
def retire(items: models.QuerySet[Item], *, actor: User | None = None, project: Project) -> int:
    """Take items out of the queue: open slots close; live leases and late answers still count."""
    ids = list(
        items.filter(state=Item.State.OPEN)
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    Item.objects.filter(pk__in=ids).update(state=Item.State.RETIRED)
    Slot.objects.filter(item_id__in=ids, state=Slot.State.OPEN).update(state=Slot.State.CLOSED)
    if ids:
        audit.record("items.retired", project=project, actor=actor, items=len(ids))
    return len(ids)


def open_for(membership: Membership, kind: str, *, most: int = 1000) -> int:
    """How many items this labeler could be given now, counted no further than `most`."""
    slots = Slot.objects.filter(project_id=membership.project_id, kind=kind, state=Slot.State.OPEN).filter(
        Q(reserved_for=None) | Q(reserved_for_id=membership.user_id)
    )
    if membership.languages:
        slots = slots.filter(Q(language="") | Q(language__in=membership.languages))
    given = Assignment.objects.filter(
        item_id=models.OuterRef("item_id"), labeler_id=membership.user_id
    ).exclude(state__in=[Assignment.State.EXPIRED, Assignment.State.RELEASED])
    waiting = slots.filter(~models.Exists(given)).values("item_id").distinct()[:most].count()
    held = Assignment.objects.filter(
        labeler_id=membership.user_id,
        project_id=membership.project_id,
        kind=kind,
        state__in=Assignment.LIVE,
    ).count()
    return waiting + held


def unfillable_slots(project: Project) -> int:
    """Open slots that no labeler may fill: none reads it, or all wrote a text of it or had it."""
    sql = """
        SELECT count(*) FROM labeling_slot slot WHERE slot.project_id = %s AND slot.state = 'open'
        AND NOT EXISTS (
            SELECT 1 FROM labeling_membership member JOIN labeling_user person ON person.id = member.user_id
            WHERE member.project_id = slot.project_id AND member.is_active AND person.is_active
              AND (slot.reserved_for_id IS NULL OR slot.reserved_for_id = member.user_id)
              AND (member.languages = '{}' OR slot.language = '' OR slot.language = ANY(member.languages))
              AND NOT EXISTS (
                  SELECT 1 FROM labeling_assignment given
                  WHERE given.item_id = slot.item_id AND given.labeler_id = member.user_id
                    AND given.state IN ('reserved', 'open', 'answered', 'skipped'))
              AND (NOT slot.has_authors OR NOT EXISTS (
                  SELECT 1 FROM labeling_itemcompletion part
                  JOIN labeling_completion written ON written.id = part.completion_id
                  WHERE part.item_id = slot.item_id AND written.author_id = member.user_id)))
    """
    with connection.cursor() as database:
        database.execute(sql, [project.pk])
        (count,) = database.fetchone()
    return int(count)
