"""Prompts by labelers, for a lead: asking for them, and what has come."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count, Max, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import items
from labeling.doors import entered
from labeling.models import (
    Item,
    Kind,
    Project,
    PromptFlag,
    Purpose,
    Slot,
    UseCase,
    WrittenPrompt,
    WrittenPromptRevision,
)
from labeling.pages.briefs import KINDS
from labeling.pages.moves import move, whole

PER_PAGE = 30
SHOWN = 300
"""Characters of a prompt in the table; the whole is in the API, and among the prompts once it is taken."""


@dataclass(frozen=True)
class Asked:
    """All items with one brief: how many prompts were asked for, are there, and may still be written.

    `item` is one of them: the address by which the request is withdrawn.
    """

    item: str
    kind: str
    use_case: str
    brief: dict[str, str]
    wanted: int
    written: int
    taken: int
    open: int


@dataclass(frozen=True)
class Row:
    """A prompt in the table, as it now stands."""

    written: WrittenPrompt
    text: str
    kind: str
    flags: list[str]


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    page = Paginator(_written(membership.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "membership": membership,
        "asked": _asked(membership.project),
        "kinds": KINDS.items(),
        "use_cases": UseCase.choices,
        "most": items.MOST_PROMPTS,
        "page": page,
        "rows": [_row(each) for each in page.object_list],
    }
    return render(request, "written_prompts/index.html", context)


@require_POST
def ask(request: HttpRequest, project: str) -> HttpResponse:
    here = entered(request)
    found, form = here.membership.project, request.POST
    move(
        request,
        lambda: items.ask_for_prompts(
            found,
            whole(form.get("count", ""), "count"),
            kind=form.get("kind", ""),
            use_case=form.get("use_case", ""),
            language=form.get("language", "").strip(),
            note=form.get("note", ""),
            demonstrate="demonstrate" in form,
            actor=here.person,
        ),
        _("Labelers are asked for them now."),
    )
    return redirect("written-prompts", found.public_id)


@require_POST
def withdraw(request: HttpRequest, item: str) -> HttpResponse:
    """Nobody is asked for the prompts of this brief any more; what somebody has begun still counts."""
    here = entered(request)
    one = here.the(Item)
    alike = Item.objects.filter(project=one.project, kind=Kind.PROMPT, purpose=Purpose.WORK, brief=one.brief)
    move(
        request,
        lambda: items.retire(alike, actor=here.person, project=one.project),
        _("Nobody is asked for them any more. What somebody has begun still counts."),
    )
    return redirect("written-prompts", one.project.public_id)


def _asked(project: Project) -> list[Asked]:
    briefs = (
        Item.objects.filter(project=project, kind=Kind.PROMPT, purpose=Purpose.WORK)
        .values("brief")
        .annotate(
            newest=Max("pk"),
            item=Max("public_id"),
            wanted=Count("pk", distinct=True),
            written=Count("writtenprompts", distinct=True),
            taken=Count("writtenprompts", distinct=True, filter=Q(writtenprompts__prompt__isnull=False)),
            open=Count("slots", distinct=True, filter=Q(slots__state=Slot.State.OPEN)),
        )
        .order_by("-newest")
    )
    use_cases = dict(UseCase.choices)
    return [
        Asked(
            kind=str(KINDS[row["brief"]["kind"]]),
            use_case=str(use_cases.get(row["brief"]["use_case"], "")),
            **{name: value for name, value in row.items() if name != "newest"},
        )
        for row in briefs
    ]


def _written(project: Project) -> QuerySet[WrittenPrompt]:
    latest = WrittenPromptRevision.objects.order_by("-number")
    found = WrittenPrompt.objects.filter(project=project).select_related("prompt")
    return found.prefetch_related(Prefetch("revisions", latest)).order_by("-pk")


def _row(written: WrittenPrompt) -> Row:
    revision = written.revisions.all()[0]
    text = "\n".join(turn["content"] for turn in revision.messages)
    return Row(
        written=written,
        text=text if len(text) <= SHOWN else text[: SHOWN - 1] + "…",
        kind=str(KINDS[revision.kind]),
        flags=[str(PromptFlag(flag).label) for flag in revision.flags],
    )
