"""The page where demonstrations are written."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from labeling.models import Kind
from labeling.pages.words import DEMONSTRATE
from labeling.pages.work import work_page


def demonstrate(request: HttpRequest, project: str) -> HttpResponse:
    return work_page(request, kind=Kind.DEMONSTRATE, template="work/demonstrate.html", words=DEMONSTRATE)
