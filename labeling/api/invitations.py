"""Invitations into a project, by a link that one person can use once."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import invitations
from labeling.api.base import View
from labeling.api.lists import ListView
from labeling.api.shapes import Languages, Moment, PersonShape, Shape
from labeling.identity import inviting
from labeling.models import Invitation, Role


@extend_schema_field(serializers.ChoiceField(Invitation.State.values))
class StateNow(serializers.Field[Invitation, Any, str, Any]):
    def to_representation(self, invitation: Invitation) -> str:
        return str(invitation.state(timezone.now()))


class InvitationShape(Shape):
    invitation = serializers.CharField(source="public_id")
    role = serializers.ChoiceField(Role.values)
    languages = Languages()
    note = serializers.CharField()
    state = StateNow(source="*", read_only=True)
    created_by = PersonShape()
    created_at = Moment()
    expires_at = Moment()
    accepted_by = PersonShape(allow_null=True)


class MadeShape(InvitationShape):
    link = serializers.CharField(help_text="For one person. It is shown this once.")


class InviteBody(Shape):
    role = serializers.ChoiceField(Role.values)
    languages = Languages(default=list)
    note = serializers.CharField(
        max_length=invitations.MOST_NOTE, default="", allow_blank=True, help_text="For whom it is."
    )
    days = serializers.IntegerField(
        min_value=1,
        max_value=invitations.MOST_DAYS,
        default=invitations.DAYS,
        help_text="So long it is valid.",
    )
    email = serializers.EmailField(
        default="",
        allow_blank=True,
        help_text="Where the link is sent, too, if this installation sends e-mail.",
    )


class Invitations(ListView):
    """A project's invitations, newest first."""

    shown = InvitationShape

    def rows(self) -> QuerySet[Invitation]:
        return _of(self.here.membership.project_id)

    @extend_schema(operation_id="invite", request=InviteBody, responses={201: MadeShape})
    def post(self, request: Request, project: str) -> Response:
        """Make a link by which one person can join."""
        made, link = inviting.invite(request, self.here.membership, **self.taken(request, InviteBody))
        return Response({**self.shown(made).data, "link": link}, status=status.HTTP_201_CREATED)


class Revoke(View):
    """Close the link of an invitation; 409 if it was used."""

    @extend_schema(request=None, responses={200: InvitationShape})
    def post(self, request: Request, invitation: str) -> Response:
        found = self.here.the(Invitation)
        invitations.revoke(found, actor=self.here.person)
        return Response(InvitationShape(_of(found.project_id).get(pk=found.pk)).data)


def _of(project_id: int) -> QuerySet[Invitation]:
    return Invitation.objects.filter(project=project_id).select_related("created_by", "accepted_by")
