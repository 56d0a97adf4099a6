"""A project's members: who they are, what they may do, and whether they still take part."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import projects
from labeling.api.base import OneView, View
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Languages, Shape
from labeling.models import Membership, Role


class MemberShape(Shape):
    user = serializers.CharField(source="user.public_id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.shown_name")
    role = serializers.ChoiceField(Role.values)
    languages = Languages()
    is_active = serializers.BooleanField(help_text="False: their part was ended. What they gave stays.")
    is_simulated = serializers.BooleanField(source="user.is_simulated")


class MemberQuery(Page):
    role = serializers.ChoiceField(Role.values, required=False)
    is_active = serializers.BooleanField(required=False)


class Members(ListView):
    """A project's members, who came last first."""

    query = MemberQuery
    shown = MemberShape
    cursor = "user__public_id"

    def rows(self) -> QuerySet[Membership]:
        return Membership.objects.filter(project=self.here.membership.project_id).select_related("user")


class MemberBody(Shape):
    role = serializers.ChoiceField(Role.values)
    languages = Languages()


class OneMember(OneView):
    """A member."""

    shown = MemberShape

    @extend_schema(operation_id="change_member", request=MemberBody, responses={200: MemberShape})
    def put(self, request: Request, project: str, member: str) -> Response:
        """Give a member another role or other languages. Nobody can lower their own role."""
        found, given = self.here.the(Membership), self.taken(request, MemberBody)
        projects.change_member(found, given["role"], languages=given["languages"], by=self.here.membership)
        return Response(MemberShape(found).data)


class ActiveBody(Shape):
    is_active = serializers.BooleanField()


class SetActive(View):
    """End a member's part in the project, or let them in again. What they have given stays."""

    @extend_schema(request=ActiveBody, responses={200: MemberShape})
    def post(self, request: Request, project: str, member: str) -> Response:
        found, given = self.here.the(Membership), self.taken(request, ActiveBody)
        projects.set_active(found, given["is_active"], by=self.here.membership)
        return Response(MemberShape(found).data)
