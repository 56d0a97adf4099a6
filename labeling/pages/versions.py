"""The history of what leads write as versions: who, when and why, and what one of them changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.doors import entered
from labeling.models import Guidelines, Rubric

PER_PAGE = 30
Version = TypeVar("Version", Guidelines, Rubric)


def history(
    request: HttpRequest,
    versions: QuerySet[Version],
    template: str,
    shown: Callable[[Version, Version | None], dict[str, Any]],
) -> HttpResponse:
    """The project's versions; of one that `?version=` names also what `shown` makes of it and that before."""
    membership = entered(request).membership
    listed = versions.filter(project=membership.project).select_related("created_by").order_by("-version")
    context: dict[str, Any] = {
        "membership": membership,
        "page": Paginator(listed, PER_PAGE).get_page(request.GET.get("page")),
    }
    given = request.GET.get("version", "")
    chosen = listed.filter(version=int(given)).first() if re.fullmatch("[0-9]{1,9}", given) else None
    if chosen:
        before = listed.filter(version=chosen.version - 1).first()
        context |= {"chosen": chosen, "before": before, **shown(chosen, before)}
    return render(request, template, context)
