"""What reviewers sent back: the labeler's page of it, and the reviewers' of what came again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import returns, verdicts
from labeling.actions.errors import ActionError
from labeling.doors import entered
from labeling.models import Ranking, RankingRevision, Return
from labeling.pages.work import change_address

SHOWN = 50
"""Of each list; what is older waits behind what is done first."""


@dataclass(frozen=True)
class Sent:
    """One answer that was sent back. `then` is what the reviewer read, `now` how it reads today."""

    returned: Return
    messages: list[dict[str, str]]
    then: list[Any]
    now: list[Any]
    change: str = ""

    @property
    def is_text(self) -> bool:
        return self.returned.ranking_id is None

    @property
    def turns(self) -> list[tuple[Any, Any]]:
        return list(zip(self.then, self.now, strict=False))

    @property
    def is_changed(self) -> bool:
        return self.then != self.now


@require_GET
def sent_back(request: HttpRequest, project: str) -> HttpResponse:
    """A labeler's answers that reviewers sent back: what they say, and how to answer it."""
    membership = entered(request).membership
    mine = _whole(Return.objects.filter(project=membership.project, labeler=membership.user))
    waiting = mine.filter(state=Return.State.OPEN).order_by("pk")[:SHOWN]
    before = mine.exclude(state=Return.State.OPEN).order_by("-pk")[:SHOWN]
    context = {
        "membership": membership,
        "waiting": [_sent(each) for each in waiting],
        "before": [_sent(each) for each in before],
    }
    return render(request, "work/sent_back.html", context)


@require_POST
def reply(request: HttpRequest, returned: str) -> HttpResponse:
    """The labeler replies instead of changing the answer."""
    sent: Return = entered(request).found
    try:
        returns.reply(sent, request.POST.get("reply", ""))
    except ActionError as error:
        messages.error(request, _("Not sent: %(reason)s") % {"reason": error.message})
    else:
        messages.success(request, _("Your reply is with the reviewers."))
    return redirect("sent-back", sent.project.public_id)


@require_GET
def came_back(request: HttpRequest, project: str) -> HttpResponse:
    """What labelers have answered, for a reviewer to read and close; nobody's own answers."""
    membership = entered(request).membership
    others = Return.objects.filter(project=membership.project).exclude(labeler=membership.user)
    answered = _whole(others.filter(state=Return.State.ANSWERED)).order_by("answered_at")[:SHOWN]
    context = {
        "membership": membership,
        "answered": [_sent(each) for each in answered],
        "waiting": others.filter(state=Return.State.OPEN).count(),
    }
    return render(request, "work/came_back.html", context)


@require_POST
def close(request: HttpRequest, returned: str) -> HttpResponse:
    """A reviewer has read it. A text gets its verdict with that."""
    here = entered(request)
    sent: Return = here.found
    try:
        returns.close(sent, here.person, request.POST.get("verdict", ""))
    except ActionError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Closed."))
    return redirect("came-back", sent.project.public_id)


def _whole(rows: Any) -> Any:
    return rows.select_related(
        "project", "ranking__item__prompt", "demonstration__prompt", "demonstration__item",
        "written_prompt__item", "ranking__assignment__rubric",
    )  # fmt: skip


def _sent(returned: Return) -> Sent:
    answer = returns.answer_of(returned)
    latest = answer.revisions.order_by("-number").first()
    read = answer.revisions.filter(created_at__lte=returned.created_at).order_by("-number").first() or latest
    if isinstance(answer, Ranking):
        asked = answer.item.asked.messages if answer.item else []
        then, now = _places(read, answer), _places(latest, answer)
    else:
        asked = answer.prompt.messages if returned.demonstration else []
        then, now = verdicts.turns_of(read), verdicts.turns_of(latest)
    return Sent(returned, asked, then, now, change_address(answer))


def _places(revision: RankingRevision, ranking: Ranking) -> list[dict[str, Any]]:
    """What a ranking says, by the letters that its labeler saw."""
    assert ranking.assignment is not None
    letters = zip("ABCDEFGHI", ranking.assignment.shown_order, strict=False)
    texts = dict(revision.item.item_completions.values_list("position", "completion__text"))
    return [
        {
            "letter": letter,
            "text": texts.get(place, ""),
            "rank": revision.ranks[place] if revision.ranks else None,
            "score": revision.scores[place],
            "flags": ranking.assignment.rubric.keys(revision.flags[place]),
        }
        for letter, place in letters
    ]
