"""Home: what is there to do."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling import access
from labeling.actions import admission, items
from labeling.actions.items import Counted
from labeling.doors import entered
from labeling.models import Assignment, Demonstration, Kind, Membership, Ranking, Role, WrittenPrompt


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
    return Work(
        membership=membership,
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
