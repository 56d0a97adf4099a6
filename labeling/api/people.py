"""Who one is, as the API sees it."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

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
