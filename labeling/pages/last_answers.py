"""A labeler's last answers of each kind, each to be opened and changed; a change is a revision."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labeling.actions import rankings, verdicts, written_prompts
from labeling.actions.checks import REPEAT_AFTER
from labeling.actions.errors import NotNow
from labeling.doors import entered
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    Membership,
    Purpose,
    Ranking,
    RankingRevision,
    WrittenPrompt,
    WrittenPromptRevision,
)
from labeling.pages.work import change_address

SHOWN = REPEAT_AFTER
"""Of each kind: a hidden repeat is further back, so nobody reads here what they said the first time."""
KINDS: list[tuple[Promise, Any, Any]] = [
    (_("Rankings"), Ranking, RankingRevision),
    (_("Demonstrations"), Demonstration, DemonstrationRevision),
    (_("Prompts"), WrittenPrompt, WrittenPromptRevision),
]
BEGINNING = 200


@dataclass(frozen=True)
class Given:
    """An answer as it stands. `fixed` says why it can be changed no more; else `change` is where it is."""

    answer: Any
    prompt: str
    text: str = ""
    order: str = ""
    scores: str = ""
    is_all_bad: bool = False
    changes: int = 0
    changed_at: datetime.datetime | None = None
    is_reviewers: bool = False
    change: str = ""
    fixed: str = ""


@never_cache
@require_GET
def show(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    kinds = [(name, _last(membership, answers, revisions)) for name, answers, revisions in KINDS]
    context = {
        "membership": membership,
        "kinds": [(name, given) for name, given in kinds if given],
        "shown": SHOWN,
    }
    return render(request, "work/last_answers.html", context)


def _last(membership: Membership, answers: Any, revisions: Any) -> list[Given]:
    """Those of the tutorial and the test are done with: what is right was shown, or has been counted."""
    mine = answers.objects.filter(
        project=membership.project, labeler=membership.user, item__purpose__in=[Purpose.WORK, Purpose.GOLD]
    )
    whole = mine.select_related("project", "item__prompt", "assignment__rubric").prefetch_related(
        Prefetch("revisions", revisions.objects.order_by("-number"))
    )
    return [_given(answer) for answer in whole.order_by("-pk")[:SHOWN]]


def _given(answer: Any) -> Given:
    versions = list(answer.revisions.all())
    latest = versions[0]
    own = [version for version in versions if version.labeler_id == answer.labeler_id]
    fixed = _why_fixed(answer)
    return Given(
        answer,
        **_said(answer, latest),
        changes=len(own) - 1,
        changed_at=own[0].created_at if len(own) > 1 else None,
        is_reviewers=latest.labeler_id != answer.labeler_id,
        change="" if fixed else change_address(answer),
        fixed=fixed,
    )


def _said(answer: Any, latest: Any) -> dict[str, Any]:
    """What it says, in short."""
    if isinstance(answer, WrittenPrompt):
        return {"prompt": _beginning(verdicts.turns_of(latest)[-1]["content"])}
    prompt = _beginning(answer.item.asked.messages[-1]["content"])
    if isinstance(answer, Demonstration):
        return {"prompt": prompt, "text": _beginning(latest.text)}
    said = rankings.as_letters(latest, answer.assignment)
    return {
        "prompt": prompt,
        "order": " > ".join(" = ".join(tier) for tier in said["tiers"] or []),
        "scores": " · ".join(f"{letter} {score}" for letter, score in said["scores"].items()),
        "is_all_bad": said["all_bad"],
    }


def _beginning(text: str) -> str:
    """On one line, however it is set."""
    return Truncator(" ".join(text[: BEGINNING * 10].split())).chars(BEGINNING)


def _why_fixed(answer: Any) -> str:
    if isinstance(answer, WrittenPrompt):
        try:
            written_prompts.check_own(answer)
        except NotNow as refusal:
            return refusal.message
    return ""
