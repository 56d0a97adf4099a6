"""Filling the queue: items, their slots, how many answers they want, and how they leave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import models, transaction
from django.utils.translation import gettext as _

from labeling.actions import audit, finding, prepared
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.finding import eligible
from labeling.actions.import_rows import check_label
from labeling.actions.slots import fill_with_extra
from labeling.actions.text import check_text
from labeling.models import (
    Completion,
    Item,
    ItemCompletion,
    Kind,
    Membership,
    ModelVersion,
    Origin,
    Project,
    Prompt,
    PromptKind,
    Round,
    Slot,
    User,
)
from labeling.models.queue import BANDS, MAX_K, random_key

MOST_PROMPTS = 1000
"""That may be asked for at once."""


@dataclass(frozen=True)
class NewItem:
    """An item to be. `completions` take positions 0 to K-1 in the order given; `brief` is for a prompt to be
    written, of which there is none yet."""

    prompt: Prompt | None
    kind: str
    completions: Sequence[Completion] = ()
    brief: dict[str, str] = field(default_factory=dict)
    overlap: int = 1
    origin: str = Origin.IMPORTED
    model: ModelVersion | None = None
    round: Round | None = None
    band: int = 1
    arm: str = "uniform"
    probability: float = 1.0

    @property
    def language(self) -> str:
        return self.prompt.language if self.prompt else self.brief.get("language", "")

    @property
    def sensitive(self) -> list[str]:
        return self.prompt.sensitive if self.prompt else []


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
                brief=new.brief,
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
            ItemCompletion(item=row, prompt_id=completion.prompt_id, completion=completion, position=position)
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
                language=new.language,
                sensitive=new.sensitive,
                has_authors=has_authors,
            )
            for number in range(new.overlap)
        ]
    # In the order of their keys: openings are as random as keys are.
    Slot.objects.bulk_create(sorted(slots, key=lambda slot: slot.key), batch_size=5000)
    return len(rows)


@transaction.atomic
def ask_for_prompts(
    project: Project,
    count: int,
    *,
    kind: str,
    use_case: str = "",
    language: str = "",
    note: str = "",
    demonstrate: bool = False,
    actor: User | None = None,
) -> int:
    """Ask labelers for `count` prompts of a kind; what is left empty is theirs to choose.

    With `demonstrate`, an answer to each is asked for next. Raises BadInput that names the field.
    """
    if not 1 <= count <= MOST_PROMPTS:
        raise BadInput(_("From 1 to %(most)d is wanted.") % {"most": MOST_PROMPTS}, field="count")
    if kind not in PromptKind.values:
        raise BadInput(_("Choose one of: %(kinds)s.") % {"kinds": ", ".join(PromptKind.values)}, field="kind")
    note = check_text(note, "note", max_bytes=10_000, required=False).strip()
    if kind == PromptKind.USER_BASED and not note:
        raise BadInput(_("Describe who would ask, and what for."), field="note")
    brief = {
        "kind": str(kind),
        "use_case": check_label("use_case", use_case) if use_case else "",
        "language": check_label("language", language) if language else "",
        "note": note,
    }
    if demonstrate:
        brief["demonstrate"] = "yes"
    made = create_items(project, [NewItem(None, Kind.PROMPT, brief=brief) for _number in range(count)])
    audit.record("prompts.asked_for", project=project, actor=actor, items=made, kind=str(kind))
    return made


@transaction.atomic
def set_overlap(item_id: int, overlap: int, *, actor: User | None = None) -> Item:
    """Want more or fewer answers: adds slots, or closes open ones (never held or filled ones)."""
    if overlap < 1:
        raise BadInput(_("At least one answer is wanted."), field="overlap")
    item = Item.objects.select_for_update(no_key=True).select_related("project").get(pk=item_id)
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
        every = Slot.objects.filter(item=item).aggregate(last=models.Max("number"))
        added = Slot.objects.bulk_create(
            Slot(
                item=item,
                number=every["last"] + 1 + offset,
                project_id=item.project_id,
                kind=item.kind,
                band=first.band,
                key=first.key,
                language=first.language,
                sensitive=first.sensitive,
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


LOOKED_FOR_ONE = 1_000
LOOKED_FOR_ALL = 5_000
"""Open slots that a count looks at: at a million of them, a page would wait for seconds."""


@dataclass(frozen=True)
class Counted:
    """How many there are; or at least so many, where only the first slots were looked at."""

    number: int
    is_all: bool

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_all else f"{self.number:,}+"

    def __bool__(self) -> bool:
        return self.number > 0 or not self.is_all


def _ahead(order: str, place: str) -> str:
    return f"""
        (SELECT ahead.* FROM labeling_slot ahead
         WHERE ahead.project_id = %(project)s AND ahead.kind = %(kind)s AND ahead.state = 'open'
           AND ahead.band = bands.band AND ahead.{order} > coalesce({place}[bands.band + 1], -1)
         ORDER BY ahead.{order} LIMIT {LOOKED_FOR_ONE})
    """  # noqa: S608 - constants of our own


# What lies ahead of the labeler's place, as a claim would read it (finding.py).
OPEN_FOR = f"""
WITH looked AS (
    SELECT slot.* FROM generate_series(0, {BANDS - 1}) AS bands(band)
    LEFT JOIN labeling_queuecursor place ON place.membership_id = %(membership)s AND place.kind = %(kind)s
    CROSS JOIN LATERAL ({_ahead("key", "place.keys")} UNION {_ahead("opening", "place.openings")}) AS slot
    LIMIT {LOOKED_FOR_ONE}
)
SELECT count(DISTINCT slot.item_id) FILTER (
           WHERE (slot.reserved_for_id IS NULL OR slot.reserved_for_id = %(labeler)s) AND {eligible()}),
       count(*) < {LOOKED_FOR_ONE},
       (SELECT count(*) FROM labeling_assignment held JOIN labeling_slot own ON own.id = held.slot_id
        WHERE held.labeler_id = %(labeler)s AND held.project_id = %(project)s AND held.kind = %(kind)s
          AND own.reserved_for_id IS NULL AND held.state IN ('reserved', 'open'))
FROM looked slot
"""  # noqa: S608


def open_for(membership: Membership, kind: str) -> Counted:
    """How many items this labeler could be given from here on, those that they hold included."""
    values = {"membership": membership.pk, **finding.who(membership, kind)}
    found = prepared.row(OPEN_FOR, values)
    assert found is not None
    waiting, is_all, held = found
    return Counted(waiting + held, is_all)


UNFILLABLE = f"""
WITH looked AS (
    SELECT * FROM labeling_slot WHERE project_id = %(project)s AND state = 'open'
    ORDER BY kind, band, key LIMIT {LOOKED_FOR_ALL}
), members AS MATERIALIZED (
    SELECT member.user_id, member.languages, member.opt_outs FROM labeling_membership member
    JOIN labeling_user person ON person.id = member.user_id
    WHERE member.project_id = %(project)s AND member.is_active AND person.is_active
)
SELECT count(*) FILTER (WHERE (
           SELECT true FROM members member
           WHERE (slot.reserved_for_id IS NULL OR slot.reserved_for_id = member.user_id)
             AND {eligible("member.user_id", "member.languages", "member.opt_outs")} LIMIT 1) IS NULL),
       count(*) < {LOOKED_FOR_ALL}
FROM looked slot
"""  # noqa: S608


def unfillable_slots(project: Project) -> Counted:
    """Open slots that no labeler may fill: none reads it, or all wrote a text of it or had it.

    Those that come first are looked at: there lie the ones that everybody has passed over.
    """
    found = prepared.row(UNFILLABLE, {"project": project.pk})
    assert found is not None
    return Counted(*found)
