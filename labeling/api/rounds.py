"""Rounds of the loop: their steps, starting and stopping one, overriding a gate."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import loop
from labeling.api.base import OneView, View
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Moment, PersonShape, Shape
from labeling.models import Round, RoundStep, StepName, Trigger

UNTOLD = {"chances"}
"""Of a step's detail: the chance of each prompt, which are thousands."""


class StepDetail(serializers.DictField):
    def to_representation(self, value: Any) -> dict[str, Any]:
        return {key: entry for key, entry in value.items() if key not in UNTOLD}


class StepShape(Shape):
    name = serializers.ChoiceField(StepName.values)
    state = serializers.ChoiceField(RoundStep.State.values)
    run = serializers.CharField(source="run.public_id", allow_null=True)
    reused = serializers.BooleanField(help_text="The run of an earlier round with the same inputs.")
    detail = StepDetail()
    started_at = Moment(allow_null=True)
    finished_at = Moment(allow_null=True)


class RoundShape(Shape):
    round = serializers.CharField(source="public_id")
    number = serializers.IntegerField()
    state = serializers.ChoiceField(Round.State.values)
    trigger = serializers.ChoiceField(Trigger.values)
    reason = serializers.CharField(help_text="Why it is held, failed or stopped.")
    steps = StepShape(many=True)
    started_by = PersonShape(allow_null=True)
    overridden_by = PersonShape(allow_null=True)
    override_reason = serializers.CharField()
    started_at = Moment()
    finished_at = Moment(allow_null=True)


class RoundQuery(Page):
    state = serializers.ChoiceField(Round.State.values, required=False)
    trigger = serializers.ChoiceField(Trigger.values, required=False)


class OverrideBody(Shape):
    reason = serializers.CharField(help_text="Stands with the round, with the name of who gave it.")


class Rounds(ListView):
    """A project's rounds with their steps, newest first."""

    query = RoundQuery
    shown = RoundShape

    def rows(self) -> QuerySet[Round]:
        return _of(self.here.membership.project_id)

    @extend_schema(operation_id="start_round", request=None, responses={201: RoundShape})
    def post(self, request: Request, project: str) -> Response:
        """Start a round; 409 while one is open."""
        here = self.here.membership
        begun = loop.start_round(here.project, Trigger.MANUAL, actor=self.here.person)
        return Response(_shown(begun), status=status.HTTP_201_CREATED)


class OneRound(OneView):
    """A round with its steps."""

    shown = RoundShape

    def thing(self) -> Round:
        return _whole(self.here.the(Round))


class Stop(View):
    """Stop a round and what it runs."""

    @extend_schema(request=None, responses={200: RoundShape})
    def post(self, request: Request, round: str) -> Response:
        found = self.here.the(Round)
        loop.stop_round(found, self.here.person)
        return Response(_shown(found))


class Override(View):
    """Let a round that a gate holds go on, on record."""

    @extend_schema(request=OverrideBody, responses={200: RoundShape})
    def post(self, request: Request, round: str) -> Response:
        found = self.here.the(Round)
        loop.override_gate(found, self.here.person, self.taken(request, OverrideBody)["reason"])
        return Response(_shown(found))


def _shown(found: Round) -> Any:
    return RoundShape(_whole(found)).data


def _whole(found: Round) -> Round:
    return _of(found.project_id).get(pk=found.pk)


def _of(project_id: int) -> QuerySet[Round]:
    steps = RoundStep.objects.select_related("run").order_by("ordinal")
    return (
        Round.objects.filter(project_id=project_id)
        .select_related("started_by", "overridden_by")
        .prefetch_related(Prefetch("steps", steps))
    )
