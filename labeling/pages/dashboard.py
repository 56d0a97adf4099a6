"""The dashboard of a project: one page that tells its lead how the loop stands and what comes next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from labeling.actions import disk, outlook
from labeling.doors import entered
from labeling.models import FROZEN, LoopPolicy, Project, Round, Run
from labeling.pages import datasets, figures, rounds, runs
from labeling.pages.facts import DATASET_KINDS
from labeling.pages.moves import IDLE_SECONDS, LIVE_SECONDS, render_page

SHOWN = 8
"""Rows in each table; the rest is behind a link to the whole list."""


@require_GET
def dashboard(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    context = _context(membership.project, fresh="live" not in request.GET)
    return render_page(request, "dashboard/dashboard.html", {"membership": membership, **context})


def _context(project: Project, *, fresh: bool) -> dict[str, Any]:
    policy = LoopPolicy.objects.filter(project=project).first()
    counts = figures.counts(project, fresh=fresh)
    people, more_people = figures.at_work(project)
    walks = [rounds.walk(each) for each in rounds.of_project(project)[: SHOWN + 1]]
    listed = runs.rows(runs.of_project(project)[: SHOWN + 1])
    models = figures.models_of(project)
    versions = datasets.rows(datasets.of_project(project)[: SHOWN + 1])
    busy = people or any(row.run.state in Run.ACTIVE for row in listed)
    current = walks[0] if walks else None
    is_open = current is not None and current.round.state in Round.OPEN
    return {
        "project": project,
        "disk": disk.filling_up(),
        "policy": policy,
        "counts": counts,
        "written": figures.written(counts),
        "queued": figures.queued(counts),
        "methods": figures.methods(counts),
        "people": people,
        "more_people": more_people,
        "next": outlook.next_step(project) if policy else None,
        "current": current,
        "is_open": is_open,
        "blank_steps": rounds.blank_steps(policy),
        "walks": walks[:SHOWN],
        "more_walks": len(walks) > SHOWN,
        "runs": listed[:SHOWN],
        "more_runs": len(listed) > SHOWN,
        "models": [figures.model_row(project, model) for model in models[:SHOWN]],
        "progress": figures.progress(models),
        "datasets": versions[:SHOWN],
        "more_datasets": len(versions) > SHOWN,
        "dataset_kinds": [(kind, DATASET_KINDS[kind]) for kind in FROZEN],
        "live_seconds": LIVE_SECONDS if busy or is_open else IDLE_SECONDS,
    }
