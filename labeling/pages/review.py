"""The page where reviewers compare answers and judge texts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from labeling.models import Kind
from labeling.pages.words import REVIEW
from labeling.pages.work import work_page


def review(request: HttpRequest, project: str) -> HttpResponse:
    return work_page(request, kind=Kind.REVIEW, template="work/review.html", words=REVIEW)
