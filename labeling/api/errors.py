"""One shape for every refusal: {"error": {"code", "message", "field"}} and what the verb adds."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.actions.errors import ActionError, BadInput, KeyReused

STATUS: dict[type[ActionError], int] = {
    BadInput: status.HTTP_400_BAD_REQUEST,
    KeyReused: status.HTTP_422_UNPROCESSABLE_ENTITY,
}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals of verbs are 400, 409 or 422, a lost database is 503."""
    if isinstance(error, ActionError):
        data = dict(error.data)
        code = data.pop("code", type(error).__name__.lower())
        body = {"error": {"code": code, "message": str(error.message), "field": error.field}, **data}
        return Response(body, status=STATUS.get(type(error), status.HTTP_409_CONFLICT))
    if isinstance(error, OperationalError):
        body = {"error": {"code": "unavailable", "message": "The database is restarting.", "field": ""}}
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
        response.data = {"error": {"code": code, "message": message, "field": field}}
    return response


def _first(detail: Any, field: str = "") -> tuple[str, str]:
    """The first field and message of a serializer's errors."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return _first(inner, f"{field}.{name}" if field else str(name))
    if isinstance(detail, list) and detail:
        return _first(detail[0], field)
    return field, str(detail)
