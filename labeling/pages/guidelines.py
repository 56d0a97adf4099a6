"""The page with a project's guidelines for labelers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language

from labeling.doors import entered
from labeling.markdown import markdown
from labeling.models import Rubric


def guidelines(request: HttpRequest, project: str) -> HttpResponse:
    """The guidelines, and the flags of the rubric that is asked now."""
    membership = entered(request).membership
    rubric = Rubric.objects.filter(project=membership.project).order_by("-version").first()
    language = get_language() or "en"
    flags = [
        {
            "label": flag.get(language) or flag["en"],
            "help": (flag.get("help") or {}).get(language) or (flag.get("help") or {}).get("en", ""),
        }
        for flag in (rubric.flags if rubric else [])
    ]
    text = markdown(membership.project.guidelines)
    return render(
        request, "work/guidelines.html", {"membership": membership, "guidelines": text, "flags": flags}
    )
