"""Between the socket and the doors: compression, each person's language and time zone, and hostile bytes."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.urls import reverse
from django.utils import timezone, translation

from labeling.api.errors import API, refusal
from labeling.languages import language_of

Handler = Callable[[HttpRequest], HttpResponse]


class CompressMiddleware(GZipMiddleware):
    """Pages and JSON travel gzipped: a page of work is three to four times smaller so.

    The length of what is compressed tells how alike its parts are, and so, to who may try again and again, a
    secret beside text of their own (BREACH). Here they may not: CSRF tokens are masked anew in each response,
    the session's cookie goes with no hidden request of another site (SameSite=Lax), and a random length is
    added. Files are streamed as they are, with their length; static ones were compressed when collected.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if response.streaming else super().process_response(request, response)


class PersonMiddleware:
    """Activate the language and time zone of who is signed in; insist on replacing a one-time password.

    Without a chosen language, the browser's is taken. The API insists in its own way (api/entrance.py).
    """

    OPEN_TO_ALL = ("change-password", "account_logout", "set-preferences")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        language = language_of(request, user.language if user.is_authenticated else None)
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language() or "en"
        zone = user.time_zone if user.is_authenticated else ""
        try:
            timezone.activate(zoneinfo.ZoneInfo(zone or "UTC"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            timezone.activate(zoneinfo.ZoneInfo("UTC"))
        try:
            if user.is_authenticated and user.must_change_password and not self._may_pass(request):
                return HttpResponseRedirect(reverse("change-password"))
            response = self.handler(request)
        finally:
            translation.deactivate()
            timezone.deactivate()
        response.setdefault("Content-Language", language)
        return response

    def _may_pass(self, request: HttpRequest) -> bool:
        return request.path.startswith(API) or request.path in {reverse(name) for name in self.OPEN_TO_ALL}


class HostileInputMiddleware:
    """Refuse a NUL or an invalid byte in the path, query or cookies with 400: PostgreSQL cannot hold it.

    It stands before everything that asks the database, the session first of all.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        cookies = "".join(request.COOKIES.values())
        if "\x00" in request.path + query + cookies or "%00" in query or "\ufffd" in request.path:
            message = "The address or a cookie contains a NUL or an invalid character."
            if request.path.startswith(API):
                return JsonResponse(refusal("bad_address", message), status=400)
            return HttpResponse(message, status=400)
        return self.handler(request)
