"""Which language a page is in."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import translation


def language_of(request: HttpRequest, chosen: str | None = None) -> str:
    """What was chosen, by an account or before signing in by a cookie, if we speak it; else the browser's."""
    chosen = request.COOKIES.get("language", "") if chosen is None else chosen
    if chosen and translation.check_for_language(chosen):
        return chosen
    return translation.get_language_from_request(request)
