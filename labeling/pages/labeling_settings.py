"""What a lead settles about the labeling of a project; each matter has its own page, or its own form here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import guidelines, projects
from labeling.doors import entered
from labeling.models import RankingMethod, Rubric
from labeling.pages.moves import move

METHODS = {
    RankingMethod.RATE: gettext_lazy(
        "Labelers score each answer by one key; only equal scores ask for an order. Good for most work."
    ),
    RankingMethod.DIRECT: gettext_lazy("Labelers place each answer by hand; scores are given beside it."),
    RankingMethod.EXTREMES: gettext_lazy(
        "Labelers name the best and the worst, then the best and the worst of the rest. Items with"
        " fewer than seven answers are rated."
    ),
    RankingMethod.TWO_UP: gettext_lazy(
        "Labelers compare two answers at a time until the order is known. Good for long texts, which are hard"
        " to keep in mind."
    ),
}
"""What each method is good for."""


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    now = guidelines.latest(membership.project)
    context = {
        "membership": membership,
        "methods": [(method, method.label, METHODS[method]) for method in RankingMethod],
        "guidelines": now,
        "waiting": guidelines.yet_to_accept(membership.project),
        "rubric": Rubric.objects.filter(project=membership.project).order_by("-version").first(),
    }
    return render(request, "labeling/index.html", context)


@require_POST
def set_method(request: HttpRequest, project: str) -> HttpResponse:
    here = entered(request)
    given = request.POST.get("method", "")
    move(
        request,
        lambda: projects.set_ranking_method(here.membership.project, given, actor=here.person),
        _("Saved. Items that are handed out from now on are ranked this way."),
    )
    return redirect("labeling", project)
