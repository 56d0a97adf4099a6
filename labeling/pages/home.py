"""Home: what is there to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling import access
from labeling.actions import admission, items
from labeling.actions.items import Counted
from labeling.doors import entered
from labeling.models import (
    Assignment,
    Demonstration,
    Kind,
    Membership,
    Ranking,
    Return,
    Role,
    WrittenPrompt,
)


@dataclass
class Work:
    """One project as its member meets it: how much is open, begun and done, by kind."""

    membership: Membership
    rank: Counted
    demonstrate: Counted
    prompt: Counted
    begun_rank: bool = False
    begun_demonstrate: bool = False
    begun_prompt: bool = False
    given: int = 0
    review: Counted = field(default_factory=lambda: Counted(0, True))
    begun_review: bool = False
    sent_back: int = 0
    came_back: int = 0

    @property
    def is_reviewer(self) -> bool:
        return self.membership.may(Role.REVIEWER)

    @property
    def is_qualified(self) -> bool:
        return admission.is_qualified(self.membership)

    @property
    def is_lead(self) -> bool:
        return self.membership.may(Role.LEAD)


def home(request: HttpRequest) -> HttpResponse:
    works = [_work(membership) for membership in access.projects(entered(request).person)]
    return render(request, "home.html", {"works": works})


def _work(membership: Membership) -> Work:
    user, project = membership.user, membership.project
    begun = set(
        Assignment.objects.filter(labeler=user, project=project, state=Assignment.State.OPEN).values_list(
            "kind", flat=True
        )
    )
    may_review = membership.may(Role.REVIEWER)
    sent = Return.objects.filter(project=project)
    return Work(
        membership=membership,
        review=items.open_for(membership, Kind.REVIEW) if may_review else Counted(0, True),
        begun_review=may_review and Kind.REVIEW in begun,
        sent_back=sent.filter(labeler=user, state=Return.State.OPEN).count(),
        came_back=sent.filter(state=Return.State.ANSWERED).exclude(labeler=user).count() if may_review else 0,
        rank=items.open_for(membership, Kind.RANK),
        demonstrate=items.open_for(membership, Kind.DEMONSTRATE),
        prompt=items.open_for(membership, Kind.PROMPT),
        begun_rank=Kind.RANK in begun,
        begun_demonstrate=Kind.DEMONSTRATE in begun,
        begun_prompt=Kind.PROMPT in begun,
        given=Ranking.objects.filter(project=project, labeler=user).count()
        + Demonstration.objects.filter(project=project, labeler=user).count()
        + WrittenPrompt.objects.filter(project=project, labeler=user).count(),
    )
