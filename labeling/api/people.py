"""Who one is, as the API sees it, and how one likes to work."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import preferences
from labeling.actions.answers import check_fields
from labeling.api.base import View
from labeling.api.shapes import Moment, Shape


class TokenShape(Shape):
    name = serializers.CharField()
    expires_at = Moment(allow_null=True)


class MeShape(Shape):
    user = serializers.CharField(source="person.public_id")
    username = serializers.CharField(source="person.username")
    name = serializers.CharField(source="person.shown_name")
    language = serializers.CharField(source="person.language", help_text="Empty: the browser's.")
    time_zone = serializers.CharField(source="person.time_zone")
    is_simulated = serializers.BooleanField(source="person.is_simulated")
    is_operator = serializers.BooleanField(source="person.is_staff")
    token = TokenShape(allow_null=True, help_text="By which one came in; null for the pages' session.")


class Me(View):
    """Who one is, and by which token one came in."""

    shown = MeShape

    def get(self, request: Request) -> Response:
        return Response(self.shown({"person": self.here.person, "token": request.auth}).data)


class WorkspaceBody(Shape):
    part = serializers.ChoiceField(["reading", "keys"])
    value = serializers.DictField(help_text="The whole part: it takes the place of the one that is kept.")


class SetWorkspace(View):
    """Keep how one likes to read on the pages of work, or which keys one uses there."""

    @extend_schema(request=WorkspaceBody, responses={200: WorkspaceBody})
    def put(self, request: Request) -> Response:
        body = check_fields(self.body(request), frozenset({"part", "value"}))
        part = str(body.get("part", ""))
        kept = preferences.set_workspace(self.here.person, part, body.get("value"))
        return Response({"part": part, "value": kept})
