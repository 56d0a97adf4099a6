"""One shape for every refusal: {"error": {"code", "message", "field"}} and what the verb adds."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.actions.errors import ActionError, BadInput, KeyReused

API = "/api/"
"""Every address of the API begins so, and is answered in its shape whatever goes wrong."""

STATUS: dict[type[ActionError], int] = {
    BadInput: status.HTTP_400_BAD_REQUEST,
    KeyReused: status.HTTP_422_UNPROCESSABLE_ENTITY,
}


def refusal(code: str, message: str, field: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": field}}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals of verbs are 400, 409 or 422, a lost database is 503."""
    if isinstance(error, ActionError):
        data = dict(error.data)
        code = data.pop("code", type(error).__name__.lower())
        body = {**refusal(code, str(error.message), error.field), **data}
        return Response(body, status=STATUS.get(type(error), status.HTTP_409_CONFLICT))
    if isinstance(error, OperationalError):
        body = refusal("unavailable", "The database is restarting.")
        return Response(body, status=status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": "2"})
    response = exception_handler(error, context)
    if response is not None:
        code = getattr(error, "default_code", "error") if isinstance(error, APIException) else "error"
        if isinstance(error, ValidationError):
            field, message = _first(response.data)
        else:
            field, message = (
                "",
                str(response.data.get("detail", "")) if isinstance(response.data, dict) else "",
            )
        response.data = refusal(code, message, field)
    return response


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


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API):
        return JsonResponse(refusal("server_error", _("Something went wrong here.")), status=500)
    return defaults.server_error(request)
