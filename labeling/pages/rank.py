"""The page where completions are scored and ranked."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from labeling.models import Kind
from labeling.pages.words import RANK
from labeling.pages.work import work_page


def rank(request: HttpRequest, project: str) -> HttpResponse:
    return work_page(request, kind=Kind.RANK, template="work/rank.html", words=RANK)
