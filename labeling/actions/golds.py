"""Checks that a lead makes: golds for the tutorial, the test and among the work; texts that a test asks for.

A check is an item of its own, with the prompt and the completions of the item it was made from, so that the
answers to that one stay what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from labeling.actions import audit
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.quality import latest_of_items, pairs
from labeling.actions.text import check_text
from labeling.models import (
    Completion,
    Gold,
    Item,
    ItemCompletion,
    Kind,
    Origin,
    Project,
    Prompt,
    Purpose,
    ReviewRevision,
    Rubric,
    User,
)
from labeling.models.queue import MAX_K

CHECKS = [Purpose.TUTORIAL, Purpose.TEST, Purpose.GOLD]
MAX_EXPLANATION_BYTES = 20_000
CANDIDATES = 20
LOOKED_AT = 500
"""Items that are looked at for such as everybody ordered alike; the newest."""


@dataclass(frozen=True)
class Right:
    """What is right at an item to rank, over its positions: equal ranks are not compared."""

    ranks: Sequence[int]
    flags: Sequence[Sequence[str]] = ()
    checked: Sequence[str] = ()
    """Of these flags each completion has exactly those that `flags` names; of others nothing is said."""
    explanation: Mapping[str, str] | None = None


@transaction.atomic
def make(
    project: Project,
    prompt: Prompt,
    completions: Sequence[Completion],
    purpose: str,
    right: Right,
    *,
    actor: User | None = None,
) -> Gold:
    """An item to rank whose right answer is known.

    Raises BadInput, naming the field, for an order that says nothing, flags that the rubric does not have or
    an explanation in a language that the pages do not speak; NotNow where the prompt is such a check already.
    """
    _check_purpose(purpose, CHECKS)
    if not 2 <= len(completions) <= MAX_K or len({each.pk for each in completions}) < len(completions):
        raise BadInput(
            _("An item has 2 to %(most)d different completions.") % {"most": MAX_K}, field="completions"
        )
    if any(each.prompt_id != prompt.pk for each in completions) or prompt.project_id != project.pk:
        raise BadInput(_("The completions are of another prompt."), field="completions")
    ranks = _dense(right.ranks, len(completions))
    rubric = Rubric.objects.filter(project=project).order_by("-version").first()
    assert rubric is not None
    checked, flags = _flags(right, rubric, len(completions))
    explanation = _explanation(right.explanation or {})
    _check_new(project, prompt, Kind.RANK, purpose)
    item = _item(project, prompt, Kind.RANK, purpose, k=len(completions))
    ItemCompletion.objects.bulk_create(
        ItemCompletion(item=item, prompt=prompt, completion=completion, position=position)
        for position, completion in enumerate(completions)
    )
    gold = Gold.objects.create(
        item=item,
        rubric=rubric,
        ranks=ranks,
        flags=flags,
        flags_checked=checked,
        explanation=explanation,
        created_by=actor,
    )
    audit.record("check.made", project=project, actor=actor, subject=item.public_id, purpose=purpose)
    return gold


def make_from(item: Item, purpose: str, right: Right, *, actor: User | None = None) -> Gold:
    """A check with the prompt and completions of an item to rank. Raises as `make`."""
    if item.kind != Kind.RANK:
        raise BadInput(_("Only an item to rank has a right order."), field="item")
    parts = item.item_completions.select_related("completion").order_by("position")
    return make(item.project, item.asked, [part.completion for part in parts], purpose, right, actor=actor)


@transaction.atomic
def ask_to_write(prompt: Prompt, *, actor: User | None = None) -> Item:
    """Have the test ask for a demonstration of this prompt, which a reviewer then rates. Raises NotNow."""
    _check_new(prompt.project, prompt, Kind.DEMONSTRATE, Purpose.TEST)
    item = _item(prompt.project, prompt, Kind.DEMONSTRATE, Purpose.TEST)
    audit.record(
        "check.made", project=prompt.project, actor=actor, subject=item.public_id, purpose=Purpose.TEST
    )
    return item


@transaction.atomic
def set_active(item: Item, active: bool, *, actor: User | None = None) -> None:
    """Give a check to nobody any more, or again. What was answered stays. Raises BadInput for other items."""
    _check_purpose(item.purpose, CHECKS)
    changed = Item.objects.filter(pk=item.pk, state=_state(not active)).update(state=_state(active))
    Gold.objects.filter(item=item).update(is_active=active)
    if changed:
        verb = "check.reactivated" if active else "check.retired"
        audit.record(verb, project=item.project, actor=actor, subject=item.public_id)


def of_project(project: Project) -> Any:
    """Every check, newest first, with how many have answered it."""
    answered = Count("assignments", filter=Q(assignments__state="answered"))
    return (
        Item.objects.filter(project=project, purpose__in=CHECKS)
        .select_related("prompt", "gold")
        .annotate(answered=answered)
        .order_by("-pk")
    )


# --- what to make checks of ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """An item that could be made a check: how many ranked it, and who settled its order."""

    item: Item
    rankings: int
    adjudicated: bool


def candidates(project: Project) -> list[Candidate]:
    """Items of work that a reviewer adjudicated, or that two or more people ordered alike; newest first.

    Those whose prompt is a check already are left out.
    """
    taken = Item.objects.filter(project=project, purpose__in=CHECKS).values("prompt")
    items = (
        Item.objects.filter(project=project, kind=Kind.RANK, purpose=Purpose.WORK)
        .exclude(prompt__in=taken)
        .annotate(
            given=Count(
                "rankings",
                filter=Q(rankings__is_repeat=False, rankings__slot__isnull=False),
                distinct=True,
            ),
            settled=Count("reviewed_by__reviews", distinct=True),
        )
        .filter(Q(given__gte=2) | Q(settled__gt=0))
        .select_related("prompt")
        .order_by("-pk")[:LOOKED_AT]
    )
    found: list[Candidate] = []
    ranked = latest_of_items([item.pk for item in items])
    for item in items:
        if len(found) == CANDIDATES:
            break
        orders = [revision.ranks for revision in ranked.get(item.pk, ())]
        if item.settled or _alike(orders):
            found.append(Candidate(item, item.given, bool(item.settled)))
    return found


def suggest(item: Item) -> Right | None:
    """What people made of an item: the reviewer's order, else the mean of the labelers'; None: nobody has.

    A flag is suggested where more than half of them set it.
    """
    revisions = latest_of_items([item.pk]).get(item.pk, [])
    orders = [revision.ranks for revision in revisions if revision.ranks is not None]
    settled = (
        ReviewRevision.objects.filter(review__item__subject=item, ranks__isnull=False)
        .order_by("-review_id", "-number")
        .first()
    )
    if settled is not None:
        orders = [list(settled.ranks or [])]
    if not orders:
        return None
    means = [sum(column) / len(orders) for column in zip(*orders, strict=True)]
    places = {mean: rank for rank, mean in enumerate(sorted(set(means)), 1)}
    flags = []
    for position in range(item.k):
        set_by = Counter(
            key for revision in revisions for key in revision.rubric.keys(revision.flags[position])
        )
        flags.append([key for key, count in set_by.items() if 2 * count > len(revisions)])
    return Right(ranks=[places[mean] for mean in means], flags=flags)


def _alike(orders: Sequence[Sequence[int] | None]) -> bool:
    """Whether all order something, and no two order a pair differently."""
    given = [order for order in orders if order is not None]
    compared = [pairs(one, other) for one, other in combinations(given, 2)]
    return (
        len(given) == len(orders)
        and any(found.strict for found in compared)
        and all(found.same == found.strict for found in compared)
    )


# --- what is refused ----------------------------------------------------------------------------------


def _check_purpose(purpose: str, known: Sequence[str]) -> None:
    if purpose not in known:
        raise BadInput(_("Choose one of: %(known)s.") % {"known": ", ".join(known)}, field="purpose")


def _check_new(project: Project, prompt: Prompt, kind: str, purpose: str) -> None:
    known = Item.objects.filter(project=project, prompt=prompt, kind=kind, purpose=purpose)
    if known.filter(state=Item.State.OPEN).exists():
        raise NotNow(_("This prompt is a check of this kind already."))


def _dense(ranks: Sequence[int], k: int) -> list[int]:
    """Ranks without gaps. Raises BadInput."""
    if len(ranks) != k or any(isinstance(rank, bool) or not isinstance(rank, int) for rank in ranks):
        raise BadInput(_("A rank for each completion is wanted."), field="ranks")
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)), 1)}
    if len(places) < 2:
        raise BadInput(_("An order in which all are equal checks nothing."), field="ranks")
    return [places[rank] for rank in ranks]


def _flags(right: Right, rubric: Rubric, k: int) -> tuple[int, list[int]]:
    """The masks of the flags that are checked, and that are right. Raises BadInput."""
    if not right.checked:
        return 0, []
    if len(right.flags) != k:
        raise BadInput(_("Flags for each completion are wanted."), field="flags")
    try:
        checked = rubric.mask(list(right.checked))
        flags = [rubric.mask(list(keys)) for keys in right.flags]
    except KeyError as unknown:
        raise BadInput(
            _("There is no flag %(flag)s.") % {"flag": str(unknown.args[0])[:40]}, field="flags"
        ) from None
    if any(mask & ~checked for mask in flags):
        raise BadInput(_("A flag that is right must be one that is checked."), field="flags")
    return checked, flags


def _explanation(given: Mapping[str, str]) -> dict[str, str]:
    known = dict(settings.LANGUAGES)
    for language, text in given.items():
        if language not in known:
            raise BadInput(_("The pages do not speak this language."), field="explanation")
        check_text(text, "explanation", max_bytes=MAX_EXPLANATION_BYTES, required=False)
    return {language: text for language, text in given.items() if text.strip()}


def _item(project: Project, prompt: Prompt, kind: str, purpose: str, *, k: int = 0) -> Item:
    """It has no slots: each is born with a claim, for one labeler."""
    return Item.objects.create(
        project=project, kind=kind, purpose=purpose, prompt=prompt, k=k, origin=Origin.IMPORTED
    )


def _state(active: bool) -> str:
    return Item.State.OPEN if active else Item.State.RETIRED
