"""A project's completions: reading them, and taking in those of outside models."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import outside
from labeling.actions.errors import BadInput
from labeling.api.base import BatchParser
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.outcomes import MOST_ROWS, AnyRow, Batch, BatchShape, Landed, landed, refused
from labeling.api.shapes import Moment, Shape, ShownText
from labeling.models import Completion, CompletionOrigin

ROW_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt", "model", "text"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "description": "The prompt's public id."},
        "model": {"type": "string", "minLength": 1, "maxLength": 100},
        "text": {"type": "string"},
    },
}


class OriginShape(Shape):
    model = serializers.CharField(source="model.public_id")
    name = serializers.CharField(source="model.name")
    run = serializers.CharField(source="run.public_id", allow_null=True)
    sampling = serializers.DictField()


class CompletionShape(Shape):
    completion = serializers.CharField(source="public_id")
    prompt = serializers.CharField(source="prompt.public_id")
    shown = ShownText(source="text")
    origins = OriginShape(many=True, help_text="The models that wrote it.")
    created_at = Moment()


class CompletionQuery(Page):
    prompt = PublicId(required=False)
    model = PublicId(required=False)


@extend_schema_field(ROW_SCHEMA)
class CompletionRow(AnyRow):
    pass


class CompletionBatch(Batch):
    rows = serializers.ListField(child=CompletionRow(), min_length=1, max_length=MOST_ROWS)
    queue = serializers.BooleanField(
        default=True,
        help_text="Queue each prompt that then has two completions and was not queued before.",
    )


class LandedCompletions(BatchShape):
    results = Landed(many=True)


class Completions(ListView):
    """A project's completions with the models that wrote them, newest first."""

    parser_classes = [BatchParser]
    query = CompletionQuery
    shown = CompletionShape

    def rows(self) -> QuerySet[Completion]:
        return (
            Completion.objects.filter(prompt__project=self.here.membership.project)
            .select_related("prompt")
            .prefetch_related("origins__model", "origins__run")
        )

    def narrowed(self, rows: QuerySet[Completion], filters: dict[str, Any]) -> QuerySet[Completion]:
        if "prompt" in filters:
            rows = rows.filter(prompt__public_id=filters["prompt"])
        if "model" in filters:
            by_it = CompletionOrigin.objects.filter(
                completion=OuterRef("pk"), model__public_id=filters["model"]
            )
            rows = rows.filter(Exists(by_it))
        return rows

    @extend_schema(
        operation_id="import_completions", request=CompletionBatch, responses={200: LandedCompletions}
    )
    def post(self, request: Request, project: str) -> Response:
        """Take in up to 500 completions that outside models wrote for prompts of the project.

        What is there already is left alone, so that a batch may be sent again; a bad row is refused alone.
        To have several models ranked on one prompt, send all their completions before the prompt is queued:
        with `queue` false until the last batch.
        """
        batch = self.taken(request, CompletionBatch)
        taken = outside.take(self.here.membership.project, actor=self.here.person, **batch)
        results = [
            refused(row, outcome) if isinstance(outcome, BadInput) else landed(row, outcome)
            for row, outcome in enumerate(taken.outcomes)
        ]
        return Response({"dry_run": batch["dry_run"], "items": taken.items, "results": results})
