"""The page where demonstrations are written."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from labeling.doors import entered
from labeling.models import Kind
from labeling.pages.beside import beside
from labeling.pages.words import DEMONSTRATE
from labeling.pages.work import work_page


def demonstrate(request: HttpRequest, project: str) -> HttpResponse:
    more = beside(entered(request).membership)
    return work_page(
        request, kind=Kind.DEMONSTRATE, template="work/demonstrate.html", words=DEMONSTRATE, **more
    )
