"""What the API says about itself: OpenAPI 3.1, made from the views, their serializers and the doors.

A summary is the first line of a method's docstring, or of its view's. Who may call comes from doors.py.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

from django.urls import get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiParameter
from rest_framework import serializers

from labeling.api.base import Query, View
from labeling.api.lists import ListView
from labeling.api.shapes import Refusal
from labeling.doors import ANYONE, DOORS, Door

KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    pattern=r"^[!-~]{8,64}$",
    description="Of your choice, new for each answer. The same request again under its key changes nothing.",
)
WHO = {
    "anyone": "anyone",
    "person": "everybody who is signed in",
    "own": "who was given it",
    "labeler": "labelers of the project, and above",
    "reviewer": "reviewers of the project, and leads",
    "lead": "leads of the project",
}


class Described(AutoSchema):
    """Adds to drf-spectacular what our views have in common."""

    view: View  # type: ignore[override]

    @property
    def name(self) -> str:
        return names()[self.path]

    @property
    def wants_key(self) -> bool:
        return self.view.wants_key and self.method != "GET"

    @property
    def door(self) -> Door:
        return DOORS[f"api:{self.name}"]

    def _docstring(self) -> str:
        method = getattr(self.view, self.method.lower())
        return inspect.cleandoc(method.__doc__ or type(self.view).__doc__ or "")

    def get_operation_id(self) -> str:
        return self.name.replace("-", "_")

    def get_summary(self) -> str:
        return self._docstring().partition("\n")[0]

    def get_description(self) -> str:  # type: ignore[override]
        rest = self._docstring().partition("\n")[2].strip()
        return f"{rest}\n\nFor {WHO[self.door.who]}.".strip()

    def _get_serializer_name(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> str:
        return super()._get_serializer_name(serializer, direction, bypass_extensions).removesuffix("Shape")

    def get_tags(self) -> list[str]:
        return [type(self.view).__module__.rpartition(".")[2]]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{}] if self.door == ANYONE else super().get_auth()

    def get_override_parameters(self) -> list[Any]:
        query = self.view.takes(self.method)
        parameters: list[Any] = [query] if query is not Query else []
        return [*parameters, KEY] if self.wants_key else parameters

    def get_request_serializer(self) -> Any:
        return None

    def get_response_serializers(self) -> Any:
        return {200: _page(self.view.shown) if isinstance(self.view, ListView) else self.view.shown}

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        """Every refusal has one shape; those that a program meets in earnest are listed by their status."""
        listed = [400] if self.method != "GET" or self.view.takes("GET") is not Query else []
        if self.door != ANYONE:
            listed += [401, 403]
        if self.door.noun:
            listed += [404]
        if self.method != "GET":
            listed += [409]
        if self.wants_key:
            listed += [422]
        refused = {
            str(status): self._get_response_for_code(  # type: ignore[no-untyped-call]
                Refusal, str(status), ["application/json"]
            )
            for status in [*listed, "default"]
        }
        return {**super()._get_response_bodies(direction), **refused}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "labeling.api.entrance.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "rl_…",
            "description": "A personal token, made under “API tokens” in one's menu.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        from django.conf import settings

        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": f"The pages' session. Writes want {settings.CSRF_COOKIE_NAME} as X-CSRFToken.",
        }


@cache
def _page(shown: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """One page of these, as a component of its own."""
    fields = {"results": shown(many=True), "next": serializers.CharField(allow_null=True)}
    return type(f"{shown.__name__.removesuffix('Shape')}Page", (serializers.Serializer,), fields)


@cache
def names() -> dict[str, str]:
    """The name of each address, by its path as OpenAPI writes it."""
    patterns: Any = get_resolver("labeling.api.urls").url_patterns
    return {"/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(each.pattern)): each.name for each in patterns}
