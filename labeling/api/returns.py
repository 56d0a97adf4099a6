"""Answers that were sent back: what was said on both sides, and the two moves that end it."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import returns
from labeling.api.base import View
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Moment, Pseudonym, Shape
from labeling.models import Return, Verdict


class ReturnShape(Shape):
    returned = serializers.CharField(source="public_id")
    state = serializers.ChoiceField(Return.State.values)
    review = serializers.CharField(source="review.public_id", allow_null=True, default=None)
    ranking = serializers.CharField(source="ranking.public_id", allow_null=True, default=None)
    demonstration = serializers.CharField(source="demonstration.public_id", allow_null=True, default=None)
    written_prompt = serializers.CharField(source="written_prompt.public_id", allow_null=True, default=None)
    labeler = Pseudonym()
    comment = serializers.CharField()
    reply = serializers.CharField()
    created_at = Moment()
    answered_at = Moment(allow_null=True)
    closed_at = Moment(allow_null=True)


class ReturnQuery(Page):
    state = serializers.ChoiceField(Return.State.values, required=False)


class Returns(ListView):
    """What was sent back to labelers of a project, newest first."""

    query = ReturnQuery
    shown = ReturnShape

    def rows(self) -> QuerySet[Return]:
        sent = Return.objects.filter(project=self.here.membership.project)
        return sent.select_related(
            "project", "labeler", "review", "ranking", "demonstration", "written_prompt"
        )


class ReplyBody(Shape):
    reply = serializers.CharField()


class Reply(View):
    """Reply to an answer of one's own that was sent back; a change of it answers, too."""

    @extend_schema(request=ReplyBody, responses={204: None})
    def post(self, request: Request, returned: str) -> Response:
        returns.reply(self.here.the(Return), self.taken(request, ReplyBody)["reply"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class CloseBody(Shape):
    verdict = serializers.ChoiceField([Verdict.ACCEPTED.value, Verdict.REJECTED.value], required=False)


class Close(View):
    """Close what came back. A text wants a verdict."""

    @extend_schema(request=CloseBody, responses={204: None})
    def post(self, request: Request, returned: str) -> Response:
        verdict = self.taken(request, CloseBody).get("verdict", "")
        returns.close(self.here.the(Return), self.here.person, verdict)
        return Response(status=status.HTTP_204_NO_CONTENT)
