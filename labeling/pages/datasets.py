"""Dataset versions: what is in them, what was made of them, freezing and downloading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling import tasks
from labeling.actions.errors import NotNow
from labeling.api.datasets import rows_of
from labeling.doors import entered
from labeling.models import DatasetVersion, Project, RunInput
from labeling.pages.facts import facts, text_of
from labeling.pages.moves import move

PER_PAGE = 30


@dataclass(frozen=True)
class Row:
    """A dataset version in a table."""

    dataset: DatasetVersion
    rows: str
    rankings: str
    run_count: int


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    page = Paginator(of_project(membership.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {"membership": membership, "page": page, "datasets": rows(page.object_list)}
    return render(request, "datasets/index.html", context)


@require_GET
def show(request: HttpRequest, dataset: str) -> HttpResponse:
    membership = entered(request).membership
    found = of_project(membership.project).get(public_id=dataset)
    context = {
        "membership": membership,
        "dataset": found,
        "counts": facts(found.counts),
        "recipe": facts(found.recipe),
        "used_by": RunInput.objects.filter(dataset=found)
        .select_related("run__model_version", "run__round")
        .order_by("-run_id"),
    }
    return render(request, "datasets/dataset.html", context)


@require_GET
def download(request: HttpRequest, dataset: str) -> HttpResponseBase:
    """The version's JSONL, as it was frozen. Raises Http404 where there is no whole file."""
    try:
        return rows_of(entered(request).the(DatasetVersion))
    except NotNow as error:
        raise Http404(error.message) from error


@require_POST
def freeze(request: HttpRequest, project: str) -> HttpResponse:
    """Ask the control worker for a new version; freezing a large project takes longer than a page may."""
    here = entered(request)
    actor, found = here.person, here.membership.project
    kind = request.POST.get("kind", "")

    done = _("Freezing. A new version appears below in a moment, unless nothing is new since the last one.")
    move(request, lambda: tasks.ask_freeze(found, kind, actor), done)
    return redirect("dashboard", found.public_id)


def of_project(project: Project) -> QuerySet[DatasetVersion]:
    """The project's versions, newest first."""
    return DatasetVersion.objects.filter(project=project).select_related("created_by").order_by("-pk")


def rows(found: Iterable[DatasetVersion]) -> list[Row]:
    """The versions with the number of runs that read each, in one query more whatever their number."""
    listed = list(found)
    readers = RunInput.objects.filter(dataset__in=listed).values_list("dataset")
    run_counts = dict(readers.annotate(n=Count("run", distinct=True)).order_by())
    return [
        Row(
            dataset=version,
            rows=text_of(version.counts.get("rows", 0)),
            rankings=text_of(version.counts["rankings"]) if "rankings" in version.counts else "",
            run_count=run_counts.get(version.pk, 0),
        )
        for version in listed
    ]
