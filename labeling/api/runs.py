"""Runs: what they do, what they read and made, and stopping them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import tasks
from labeling.actions import policies, runs, writing
from labeling.api.base import OneView, Query, View
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Moment, Shape
from labeling.models import Run, RunMetric, RunStage

METRICS_AT_ONCE = 1000


class InputShape(Shape):
    name = serializers.CharField(help_text="Below the run folder's inputs/.")
    dataset = serializers.CharField(source="dataset.public_id", allow_null=True)
    model = serializers.CharField(source="model.public_id", allow_null=True)


class RunShape(Shape):
    run = serializers.CharField(source="public_id")
    stage = serializers.ChoiceField(RunStage.values)
    is_judge = serializers.BooleanField(help_text="A reward model that evaluates alone.")
    state = serializers.ChoiceField(Run.State.values)
    round = serializers.CharField(source="round.public_id", allow_null=True)
    step = serializers.IntegerField()
    total_steps = serializers.IntegerField(help_text="0 while it is not known.")
    attempt = serializers.IntegerField()
    failures = serializers.IntegerField()
    stop_requested = serializers.BooleanField()
    result = serializers.DictField()
    error = serializers.CharField()
    model = serializers.CharField(source="model_version.public_id", allow_null=True)
    created_at = Moment()
    started_at = Moment(allow_null=True)
    finished_at = Moment(allow_null=True)


class Settings(serializers.DictField):
    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return super().to_representation(policies.shown(value))


class RunWhole(RunShape):
    settings = Settings(help_text="A base model by its name among RANKLOOP_MODELS.")
    seed = serializers.IntegerField()
    inputs = InputShape(many=True)
    log_tail = serializers.CharField()


class RunQuery(Page):
    stage = serializers.ChoiceField(RunStage.values, required=False)
    state = serializers.ChoiceField(Run.State.values, required=False)
    round = PublicId(required=False, source="round__public_id")


class Runs(ListView):
    """A project's runs, newest first."""

    query = RunQuery
    shown = RunShape

    def rows(self) -> QuerySet[Run]:
        return _of(self.here.membership.project_id)


class WriteBody(Shape):
    server = serializers.CharField(
        default="", allow_blank=True, help_text="One that the operator offers; without it the policy writes."
    )
    prompts = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Their ids; or `count` instead."
    )
    count = serializers.IntegerField(
        default=0, min_value=0, help_text="Of the prompts with fewest items, so many."
    )
    best_of = serializers.IntegerField(
        default=1, min_value=1, help_text="Of so many samples of the policy, the reward model's favourite."
    )


class WriteCompletions(View):
    """Have completions written for prompts, and put into the ranking queue once they are there."""

    @extend_schema(operation_id="write_completions", request=WriteBody, responses={201: RunShape})
    def post(self, request: Request, project: str) -> Response:
        asked = self.taken(request, WriteBody)
        run = writing.write_completions(self.here.membership.project, actor=self.here.person, **asked)
        tasks.tell_workers(run)
        return Response(
            RunShape(_of(run.project_id).get(pk=run.pk)).data, status=status.HTTP_201_CREATED
        )  # fmt: skip


class OneRun(OneView):
    """A run with its settings, its inputs and the end of its log."""

    shown = RunWhole

    def thing(self) -> Run:
        found = self.here.the(Run)
        return _of(found.project_id).prefetch_related("inputs__dataset", "inputs__model").get(pk=found.pk)


class MetricShape(Shape):
    line = serializers.IntegerField()
    values = serializers.DictField()


class MetricsShape(Shape):
    attempt = serializers.IntegerField(help_text="A new attempt tells its story from the start.")
    results = MetricShape(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="The `after` of more lines that are there.")


class MetricsQuery(Query):
    limit = serializers.IntegerField(min_value=1, max_value=METRICS_AT_ONCE, default=METRICS_AT_ONCE)
    after = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="The number of the last line one has."
    )


class Metrics(View):
    """The lines that a run has measured, oldest first."""

    query = MetricsQuery
    shown = MetricsShape

    def get(self, request: Request, run: str) -> Response:
        found, limit = self.here.the(Run), self.asked["limit"]
        lines = RunMetric.objects.filter(run=found, line__gt=self.asked.get("after", -1)).order_by("line")
        page = list(lines[: limit + 1])
        shown: dict[str, Any] = {
            "attempt": found.attempt,
            "results": page[:limit],
            "next": page[limit - 1].line if len(page) > limit else None,
        }
        return Response(self.shown(shown).data)


class Stop(View):
    """Stop a waiting run at once, a running one as soon as its worker hears of it."""

    @extend_schema(request=None, responses={200: RunShape})
    def post(self, request: Request, run: str) -> Response:
        found = self.here.the(Run)
        runs.request_stop(found, self.here.person)
        return Response(RunShape(_of(found.project_id).get(pk=found.pk)).data)


def _of(project_id: int) -> QuerySet[Run]:
    return Run.objects.filter(project_id=project_id).select_related("round", "model_version")
