"""What the leads' pages share: a button that calls a verb, and a page that refreshes itself in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from labeling.actions.errors import ActionError, BadInput
from labeling.pages.facts import word

LIVE_SECONDS = 3
"""Between two looks while something is going on."""
IDLE_SECONDS = 15


def move(request: HttpRequest, verb: Callable[[], object], done: str) -> None:
    """Call a verb; its outcome, or the reason why it was refused, is shown on the next page."""
    try:
        verb()
    except ActionError as error:
        messages.error(request, f"{word(error.field)}: {error.message}" if error.field else error.message)
    else:
        messages.success(request, done)


def render_page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or with `?live` only its changing parts, which live.js puts in their places."""
    folder, name = template.split("/")
    page = f"{folder}/live/{name}" if "live" in request.GET else template
    response = render(request, page, context)
    response["Cache-Control"] = "no-store"
    return response


def whole(text: str, field: str) -> int:
    """A whole number out of a form. Raises BadInput that names the field."""
    try:
        return int(text)
    except ValueError:
        raise BadInput(_("A whole number is wanted."), field=field) from None
