"""Rounds of the loop: their steps, who started or overrode them, and the buttons that move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import gates, loop
from labeling.doors import entered
from labeling.models import DatasetVersion, LoopPolicy, Project, Round, RoundStep, Trigger
from labeling.pages import runs
from labeling.pages.facts import elapsed, facts
from labeling.pages.moves import LIVE_SECONDS, move, render_page

TONES = {
    Round.State.RUNNING: "good badge--live",
    Round.State.COMPLETED: "good",
    Round.State.HELD: "warn",
    Round.State.FAILED: "danger",
    Round.State.STOPPED: "warn",
}
PER_PAGE = 30
UNSHOWN = {"chances", "datasets", "model", "rows", "why"}
"""Of a step's detail: what is shown in other ways, and the chance of each prompt, which are thousands."""


@dataclass(frozen=True)
class Step:
    """A step of a round on its line. `state` is RoundStep's, or `stopped` where the round ended before it."""

    name: str
    state: str
    state_name: str
    duration: str = ""
    share: int | None = None
    step: RoundStep | None = None
    facts: Sequence[tuple[str, str]] = ()
    datasets: Sequence[DatasetVersion] = ()


@dataclass(frozen=True)
class Walk:
    """A round with its steps in order."""

    round: Round
    tone: str
    duration: str
    reason: str
    steps: list[Step]


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    page = Paginator(of_project(membership.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {"membership": membership, "page": page, "walks": [walk(each) for each in page.object_list]}
    return render(request, "rounds/index.html", context)


@require_GET
def show(request: HttpRequest, round: str) -> HttpResponse:
    membership = entered(request).membership
    project = membership.project
    found = of_project(project).get(public_id=round)
    frozen = {version.public_id: version for version in _frozen(found)}
    context: dict[str, Any] = {
        "membership": membership,
        "walk": walk(found, frozen),
        "round": found,
        "is_open": found.state in Round.OPEN,
        "live_seconds": LIVE_SECONDS if found.state in Round.OPEN else 0,
        "runs": runs.rows(runs.of_project(project).filter(round=found)),
        "items": found.items.count(),
    }
    return render_page(request, "rounds/round.html", context)


@require_POST
def start(request: HttpRequest, project: str) -> HttpResponse:
    here = entered(request)
    actor, found = here.person, here.membership.project
    move(
        request,
        lambda: loop.start_round(found, Trigger.MANUAL, actor=actor),
        _("A round has begun. Its first step freezes what people wrote so far."),
    )
    return redirect("dashboard", found.public_id)


@require_POST
def stop(request: HttpRequest, round: str) -> HttpResponse:
    here = entered(request)
    actor, found = here.person, here.the(Round)
    move(request, lambda: loop.stop_round(found, actor), _("The round is stopped."))
    return redirect("round", found.public_id)


@require_POST
def override(request: HttpRequest, round: str) -> HttpResponse:
    here = entered(request)
    actor, found = here.person, here.the(Round)
    reason = request.POST.get("reason", "")
    move(
        request,
        lambda: loop.override_gate(found, actor, reason),
        _("The gate is overridden. Your name and reason stand with the round."),
    )
    return redirect("round", found.public_id)


def of_project(project: Project) -> QuerySet[Round]:
    """The project's rounds, newest first, with their steps and people."""
    steps = RoundStep.objects.select_related("run").order_by("ordinal")
    return (
        Round.objects.filter(project=project)
        .select_related("started_by", "overridden_by")
        .prefetch_related(Prefetch("steps", queryset=steps))
        .order_by("-number")
    )


def _frozen(found: Round) -> QuerySet[DatasetVersion]:
    """The dataset versions that the round's freeze took."""
    names = [name for step in found.steps.all() for name in step.detail.get("datasets", {}).values()]
    return DatasetVersion.objects.filter(project=found.project, public_id__in=names).order_by("pk")


def walk(found: Round, frozen: Mapping[str, DatasetVersion] | None = None) -> Walk:
    """The round as a row of steps, from what is already fetched; `frozen` by public id, for its own page."""
    now = timezone.now()
    end = found.finished_at or now
    return Walk(
        round=found,
        tone=TONES.get(Round.State(found.state), ""),
        duration=elapsed(found.started_at, end),
        reason=_reason(found),
        steps=[_step(found, step, now, frozen or {}) for step in found.steps.all()],
    )


def blank_steps(policy: LoopPolicy | None) -> list[Step]:
    """The steps of a round that has not begun, to show what one will do."""
    walk = loop.whole_walk(policy or LoopPolicy())
    return [Step(str(name.label), "waiting", str(RoundStep.State.WAITING.label)) for name in walk]


def _reason(found: Round) -> str:
    """Why it is held, failed or stopped: a gate's in the reader's language, a run's as it was stored."""
    for step in found.steps.all():
        if step.state == RoundStep.State.HELD and "why" in step.detail:
            return gates.sentence(step.detail["why"], step.detail)
    return "" if found.state == Round.State.COMPLETED else found.reason


def _step(found: Round, step: RoundStep, now: datetime, frozen: Mapping[str, DatasetVersion]) -> Step:
    unfinished = step.state in (RoundStep.State.WAITING, RoundStep.State.RUNNING)
    ended = unfinished and found.state not in Round.OPEN
    run = step.run
    running = step.state == RoundStep.State.RUNNING and not ended
    end = step.finished_at or (now if running else None)
    return Step(
        name=step.get_name_display(),
        state="stopped" if ended else step.state,
        state_name=_("not reached") if ended else step.get_state_display(),
        duration="" if step.reused else elapsed(step.started_at, end),
        share=min(100, 100 * run.step // run.total_steps) if running and run and run.total_steps else None,
        step=step,
        facts=facts({key: value for key, value in step.detail.items() if key not in UNSHOWN}),
        datasets=[
            frozen[name] for name in sorted(step.detail.get("datasets", {}).values()) if name in frozen
        ],
    )
