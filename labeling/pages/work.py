"""What the pages of a labeler's work have in common: the first item, and what its script must know."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from labeling.actions import preferences, queue
from labeling.api.assignments import payload
from labeling.doors import entered
from labeling.models import Kind

SKIP_REASONS: dict[str, Promise] = {
    "unclear": _("I do not understand what is asked"),
    "too_hard": _("I do not know enough about it"),
    "language": _("It is in a language I do not read well"),
    "sensitive": _("I would rather not work on this content"),
    "broken": _("Something is broken or missing"),
    "other": _("Another reason"),
}


@never_cache
@ensure_csrf_cookie
def work_page(request: HttpRequest, *, kind: Kind, template: str, words: dict[str, Promise]) -> HttpResponse:
    """The page with its first item claimed, so that it can be read before any script has run."""
    membership = entered(request).membership
    claimed = queue.claim(membership, kind)
    assignment = payload(claimed) if claimed else None
    reading = preferences.reading(membership.user)
    context: dict[str, Any] = {
        "membership": membership,
        "reading": reading,
        "assignment": assignment,
        "skip_reasons": SKIP_REASONS,
        "script": f"js/{kind.value}.js",
        "words": {key: str(text) for key, text in words.items()},
        "config": {
            "user": membership.user.public_id,
            "project": membership.project.public_id,
            "kind": kind.value,
            "csrf_cookie": settings.CSRF_COOKIE_NAME,
            "sign_in_url": reverse("account_login"),
            "assignment": assignment,
            "reason": "",
            "reading": reading,
            "keys": preferences.keys(membership.user),
        },
    }
    return render(request, template, context)
