"""One shape for every refusal: {"error": {"code", "message", "field"}} and what the verb adds."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.actions.errors import ActionError, BadInput, KeyReused
from labeling.actions.limits import TooMany
from labeling.doors import NeedsSecondFactor
from labeling.languages import language_of

API = "/api/"
"""Every address of the API begins so, and is answered in its shape whatever goes wrong."""

STATUS: dict[type[ActionError], int] = {
    BadInput: status.HTTP_400_BAD_REQUEST,
    KeyReused: status.HTTP_422_UNPROCESSABLE_ENTITY,
    TooMany: status.HTTP_429_TOO_MANY_REQUESTS,
}
CODES: dict[type[Exception], str] = {
    NeedsSecondFactor: "second_factor_required",
    PermissionDenied: "forbidden",
    Http404: "not_found",
}
"""What doors raise is Django's; the first that fits."""
RETRY = {"Retry-After": "2"}
"""With 503: a database that restarts is back in seconds."""


def refusal(code: str, message: str, field: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": field}}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals of verbs are 400, 409, 422 or 429, a lost database is 503."""
    if isinstance(error, ActionError):
        data = dict(error.data)
        code = data.pop("code", type(error).__name__.lower())
        body = {**refusal(code, str(error.message), error.field), **data}
        number = next((number for kind, number in STATUS.items() if isinstance(error, kind)), 409)
        headers = {"Retry-After": str(data["seconds"])} if isinstance(error, TooMany) else None
        return Response(body, number, headers=headers)
    if isinstance(error, OperationalError):
        return Response(_unavailable(), status.HTTP_503_SERVICE_UNAVAILABLE, headers=RETRY)
    response = exception_handler(error, context)
    if response is not None:
        code = _code(error)
        if isinstance(error, ValidationError):
            field, message = _first(response.data)
        else:
            field, message = (
                "",
                str(response.data.get("detail", "")) if isinstance(response.data, dict) else "",
            )
        response.data = refusal(code, message, field)
    return response


def _unavailable() -> dict[str, Any]:
    return refusal("unavailable", _("The database cannot be reached right now."))


def _code(error: Exception) -> str:
    if isinstance(error, APIException):
        return str(error.default_code)
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def _first(detail: Any, field: str = "") -> tuple[str, str]:
    """The first field and message of a serializer's errors."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return _first(inner, f"{field}.{name}" if field else str(name))
    if isinstance(detail, list) and detail:
        return _first(detail[0], field)
    return field, str(detail)


# --- what Django answers before or after a view (urls.py) --------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return JsonResponse(refusal("bad_request", _("This request cannot be read.")), status=400)
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return JsonResponse(refusal("not_found", _("There is no such address.")), status=404)
    return defaults.page_not_found(request, exception)


def _try_again(request: HttpRequest) -> HttpResponse:
    """503, of nothing that would ask the database: not even who asks."""
    with translation.override(language_of(request)):
        if request.path.startswith(API):
            return JsonResponse(_unavailable(), status=503, headers=RETRY)
        return HttpResponse(render_to_string("503.html"), status=503, headers=RETRY)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called with the exception still at hand. A lost database is no fault of the server's: 503.

    No middleware could see to that: Django turns what is raised into this answer before one around it looks.
    """
    if isinstance(sys.exception(), OperationalError):
        return _try_again(request)
    if request.path.startswith(API):
        return JsonResponse(refusal("server_error", _("Something went wrong here.")), status=500)
    return defaults.server_error(request)
