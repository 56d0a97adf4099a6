"""What a reviewer is shown: others' answers, without who gave them or what wrote the completions."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from labeling.actions import rankings
from labeling.actions.shown import Shown
from labeling.actions.verdicts import Text, latest_of, turns_of
from labeling.models import (
    Assignment,
    Draft,
    Item,
    Membership,
    Prompt,
    Ranking,
    RankingRevision,
    Role,
    WrittenPromptRevision,
)


def answers(held: Assignment) -> list[Ranking]:
    """The rankings that a review is about: the first is labeler 1's.

    Those that came after the review was handed out are not shown in it.
    """
    given = list(Ranking.objects.filter(item=held.item.subject, is_repeat=False).order_by("pk"))
    return [given[place] for place in held.shown_order if place < len(given)]


def letter_order(held: Assignment, k: int) -> list[int]:
    """The subject's positions in the order in which this review shows them as A, B, C …

    A position may say which model wrote; it is drawn anew for each review, and the same each time it is read.
    """
    order = list(range(k))
    random.Random(f"review {held.pk}").shuffle(order)
    return order


def check_role(held: Assignment) -> None:
    """Raises PermissionDenied for who reviews no more: what others answered is not theirs to read either."""
    member = Membership.objects.filter(project_id=held.project_id, user_id=held.labeler_id).first()
    if member is None or not member.may(Role.REVIEWER):
        raise PermissionDenied(_("Your role in this project does not allow this."))


@dataclass(frozen=True)
class Look:
    """`lettered` is the assignment with its completions in the order of their letters, as to a labeler."""

    lettered: Assignment
    shown: Shown
    about: dict[str, Any]


def look(held: Assignment) -> Look:
    """What a review is about: an item with its answers, or a text. Raises PermissionDenied (`check_role`)."""
    check_role(held)
    item = Item.objects.select_related("prompt", "subject", "demonstration", "written_prompt").get(
        pk=held.item_id
    )
    lettered = copy.copy(held)
    lettered.shown_order = letter_order(held, item.subject.k) if item.subject else []
    about: dict[str, Any] = {
        "reason": item.reason, "answers": [], "skips": [], "turns": [], "revision": None, "flags": [],
    }  # fmt: skip
    prompt: Prompt | WrittenPromptRevision | None = item.prompt
    if item.subject is not None:
        about["answers"] = [_answer(lettered, n, given) for n, given in enumerate(answers(held), 1)]
        about["skips"] = _skips(item.subject)
    else:
        text: Text | None = item.demonstration or item.written_prompt
        assert text is not None
        latest = latest_of(text)
        about["turns"], about["revision"] = turns_of(latest), latest.number
        if isinstance(latest, WrittenPromptRevision):
            about["flags"], prompt = [str(flag) for flag in latest.flags], latest
    draft = Draft.objects.filter(assignment_id=held.pk).first()
    shown = Shown(
        project=held.project.public_id,
        messages=item.prompt.messages if item.prompt else [],
        language=prompt.language if prompt else "",
        use_case=prompt.use_case if prompt else "",
        sensitive=item.prompt.sensitive if item.prompt else [],
        texts=_texts(item.subject),
        rubric=held.rubric,
        draft={"sequence": draft.sequence, "body": draft.body} if draft else None,
    )
    return Look(lettered, shown, about)


def _texts(subject: Item | None) -> dict[int, str]:
    if subject is None:
        return {}
    return dict(subject.item_completions.values_list("position", "completion__text"))


def _answer(lettered: Assignment, number: int, ranking: Ranking) -> dict[str, Any]:
    revision = RankingRevision.objects.select_related("rubric").filter(ranking=ranking).latest("number")
    said = rankings.as_letters(revision, Assignment(shown_order=lettered.shown_order, rubric=revision.rubric))
    told = {name: said[name] for name in ("scores", "tiers", "flags", "all_bad", "comment")}
    return {"labeler": number, **told}


def _skips(subject: Item) -> list[dict[str, str]]:
    skipped = subject.assignments.filter(state=Assignment.State.SKIPPED).order_by("?")
    return [
        {"reason": reason, "comment": comment}
        for reason, comment in skipped.values_list("skip_reason", "skip_comment")
    ]
