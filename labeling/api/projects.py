"""One's projects, and the next item of one."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import guidelines, items, queue
from labeling.actions.answers import check_fields
from labeling.actions.errors import BadInput
from labeling.api.answer_shapes import AssignmentShape
from labeling.api.assignments import HtmlQuery, payload
from labeling.api.base import OneView, View
from labeling.api.lists import ListView
from labeling.api.shapes import Shape, TextShape, shown_text
from labeling.models import Kind, Membership, Role


class OpenShape(Shape):
    demonstrate = serializers.IntegerField()
    rank = serializers.IntegerField()
    prompt = serializers.IntegerField(help_text="Prompts to write.")


@extend_schema_field(OpenShape)
class Open(serializers.Field[Membership, Any, dict[str, int], Any]):
    """How much there is to do for this member; where much is, at least so much."""

    def to_representation(self, member: Membership) -> dict[str, int]:
        return {kind: items.open_for(member, kind).number for kind in Kind.values}


class ProjectShape(Shape):
    project = serializers.CharField(source="project.public_id")
    slug = serializers.CharField(source="project.slug")
    name = serializers.CharField(source="project.name")
    role = serializers.ChoiceField(Role.choices, help_text="One's own.")
    languages = serializers.ListField(
        child=serializers.CharField(), help_text="That one is given items in; empty means all."
    )
    open = Open(source="*", read_only=True)


@extend_schema_field(TextShape)
class InForce(serializers.Field[Membership, Any, dict[str, str], Any]):
    """The guidelines that one works by now."""

    def to_representation(self, member: Membership) -> dict[str, str]:
        now = guidelines.latest(member.project)
        return shown_text(now.text if now else "")


class ProjectWhole(ProjectShape):
    description = serializers.CharField(source="project.description")
    guidelines = InForce(source="*", read_only=True)


class Projects(ListView):
    """The projects that one is a member of, with what there is to do in each."""

    shown = ProjectShape
    cursor, order = "project__public_id", "project_id"

    def rows(self) -> QuerySet[Membership]:
        mine = Membership.objects.filter(user=self.here.person, is_active=True)
        return mine.select_related("project", "user")


class OneProject(OneView):
    """A project, with its guidelines for labelers."""

    shown = ProjectWhole

    def thing(self) -> Membership:
        return self.here.membership


class NextBody(Shape):
    kind = serializers.ChoiceField(Kind.values)
    ahead = serializers.BooleanField(default=False)


class NextShape(Shape):
    assignment = AssignmentShape(allow_null=True)
    reason = serializers.CharField(help_text="Why there is none, or empty.")


class Next(View):
    """One's open item of a kind, or a new one.

    409 says what is to be done first, by its code: `guidelines` are to be accepted.
    `ahead` reserves the one after it instead. The same request again gives the same item until that is
    answered, skipped or released.
    """

    query = HtmlQuery

    @extend_schema(request=NextBody, responses={200: NextShape})
    def post(self, request: Request, project: str) -> Response:
        body = check_fields(self.body(request), frozenset({"kind", "ahead"}))
        kind, ahead = body.get("kind"), body.get("ahead", False)
        if kind not in Kind.values:
            raise BadInput(_("Choose one of: %(kinds)s.") % {"kinds": ", ".join(Kind.values)}, field="kind")
        if not isinstance(ahead, bool):
            raise BadInput(_("True or false is wanted."), field="ahead")
        claimed = queue.claim(self.here.membership, kind, ahead=ahead)
        if claimed is None:
            return Response(
                {"assignment": None, "reason": _("There is nothing for you to do here right now.")}
            )
        return Response({"assignment": payload(claimed, **self.asked), "reason": ""})
