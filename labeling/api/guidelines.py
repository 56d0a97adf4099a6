"""A project's guidelines: read and accepted by its members, written as versions by its leads."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import guidelines as guides
from labeling.api.base import View
from labeling.api.lists import ListView, VersionPage
from labeling.api.shapes import Moment, PersonShape, Shape, ShownText, TextShape, shown_text
from labeling.models import Guidelines, Membership


class InForceShape(Shape):
    """The guidelines that one works by, and where one stands with them."""

    version = serializers.IntegerField(help_text="0: nobody has written any.")
    text = TextShape()
    accepted = serializers.IntegerField(
        allow_null=True, help_text="The newest version that one has accepted."
    )
    must_accept = serializers.BooleanField(help_text="One is given no work before.")


class VersionBody(Shape):
    version = serializers.IntegerField(min_value=1, help_text="The one that was read.")


class GuidelinesBody(Shape):
    base = serializers.IntegerField(min_value=0, help_text="The version it is written upon; 0: the first.")
    text = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="Markdown.")
    binding = serializers.BooleanField(default=False, help_text="Nobody works on before they accept it.")
    note = serializers.CharField(default="", allow_blank=True, help_text="What it changes, on one line.")


class GuidelinesShape(Shape):
    version = serializers.IntegerField()
    text = ShownText()
    binding = serializers.BooleanField()
    note = serializers.CharField()
    written_by = PersonShape(source="created_by", allow_null=True)
    created_at = Moment()
    accepted_by = serializers.IntegerField(help_text="How many people have accepted this very version.")


class InForce(View):
    """The guidelines in force, and whether one has to accept them."""

    shown = InForceShape

    def get(self, request: Request, project: str) -> Response:
        return Response(_in_force(self.here.membership))


class Accept(View):
    """Accept the version in force; 409 where another has come meanwhile."""

    @extend_schema(request=VersionBody, responses={200: InForceShape})
    def post(self, request: Request, project: str) -> Response:
        guides.accept(self.here.membership, self.taken(request, VersionBody)["version"])
        return Response(_in_force(self.here.membership))


class Versions(ListView):
    """Every version of the guidelines, newest first."""

    query = VersionPage
    shown = GuidelinesShape
    cursor = order = "version"

    def rows(self) -> QuerySet[Guidelines]:
        return _of(self.here.membership)

    @extend_schema(operation_id="write_guidelines", request=GuidelinesBody, responses={201: GuidelinesShape})
    def post(self, request: Request, project: str) -> Response:
        """Write a new version on the stated base; 409 where that is not the version in force."""
        given, member = self.taken(request, GuidelinesBody), self.here.membership
        written = guides.write(member.project, actor=self.here.person, **given)
        return Response(self.shown(_of(member).get(pk=written.pk)).data, status=status.HTTP_201_CREATED)


def _of(member: Membership) -> QuerySet[Any]:
    versions = Guidelines.objects.filter(project=member.project_id).select_related("created_by")
    return versions.annotate(accepted_by=Count("acceptances"))


def _in_force(member: Membership) -> dict[str, Any]:
    now, accepted = guides.latest(member.project), guides.accepted(member)
    return {
        "version": now.version if now else 0,
        "text": shown_text(now.text if now else ""),
        "accepted": accepted.version if accepted else None,
        "must_accept": guides.must_accept(member),
    }
