"""A project's prompts: reading them, and taking in a batch."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions.completions import Outcome
from labeling.actions.errors import BadInput
from labeling.actions.import_rows import LENGTHS, ROLES
from labeling.actions.prompts import import_lines
from labeling.api.base import BatchParser, OneView
from labeling.api.lists import ListView, Page
from labeling.api.outcomes import MOST_ROWS, AnyRow, Batch, BatchShape, Landed, landed, refused
from labeling.api.shapes import Moment, Shape, ShownMessages
from labeling.models import Prompt, Sensitive, Split, UseCase

TEXT = {"type": "string", "minLength": 1}
ROW_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "As a line of `manage.py import_prompts`; all but `prompt` may be left out.",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {
            "oneOf": [
                TEXT,
                {
                    "type": "array",
                    "minItems": 1,
                    "description": "Turns that end with the user's; only the first may be the system's.",
                    "items": {
                        "type": "object",
                        "required": ["role", "content"],
                        "additionalProperties": False,
                        "properties": {"role": {"enum": list(ROLES)}, "content": TEXT},
                    },
                },
            ]
        },
        "completions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["model", "text"],
                "additionalProperties": False,
                "properties": {"model": {**TEXT, "maxLength": 100}, "text": {"type": "string"}},
            },
        },
        "demonstrations": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        **{
            name: {"type": "string", "maxLength": length}
            for name, length in LENGTHS.items()
            if name not in ("split", "use_case")
        },
        "split": {"enum": list(Split.values)},
        "use_case": {"enum": list(UseCase.values)},
    },
}


class PromptShape(Shape):
    prompt = serializers.CharField(source="public_id")
    messages = ShownMessages()
    split = serializers.ChoiceField(Split.values)
    use_case = serializers.CharField()
    language = serializers.CharField()
    group = serializers.CharField()
    licence = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    id = serializers.CharField(source="external_id", help_text="What its source calls it.")
    sensitive = serializers.ListField(child=serializers.ChoiceField(Sensitive.values))
    flags = serializers.ListField(
        child=serializers.CharField(), help_text="What the labeler who wrote it said of it."
    )
    simulated = serializers.BooleanField(source="is_simulated")
    created_at = Moment()


class PromptQuery(Page):
    split = serializers.ChoiceField(Split.values, required=False)
    use_case = serializers.ChoiceField(UseCase.values, required=False)
    language = serializers.CharField(required=False, max_length=LENGTHS["language"])
    group = serializers.CharField(required=False, max_length=LENGTHS["group"])
    source = serializers.CharField(  # type: ignore[assignment]
        required=False, max_length=LENGTHS["source"]
    )
    id = serializers.CharField(required=False, max_length=LENGTHS["id"], source="external_id")
    simulated = serializers.BooleanField(required=False, source="is_simulated")


@extend_schema_field(ROW_SCHEMA)
class PromptRow(AnyRow):
    pass


class PromptBatch(Batch):
    rows = serializers.ListField(child=PromptRow(), min_length=1, max_length=MOST_ROWS)
    demonstrate = serializers.BooleanField(
        default=False, help_text="Also queue each prompt without a demonstration for one to be written."
    )


class LandedPrompt(Landed):
    prompt = serializers.CharField(allow_null=True, help_text="Null where nothing is stored.")


class LandedPrompts(BatchShape):
    results = LandedPrompt(many=True)


class Prompts(ListView):
    """A project's prompts, newest first."""

    parser_classes = [BatchParser]
    query = PromptQuery
    shown = PromptShape

    def rows(self) -> QuerySet[Prompt]:
        return Prompt.objects.filter(project=self.here.membership.project)

    @extend_schema(operation_id="import_prompts", request=PromptBatch, responses={200: LandedPrompts})
    def post(self, request: Request, project: str) -> Response:
        """Take in up to 500 prompts, with their completions and demonstrations.

        A prompt that is there already is left alone, so that a batch may be sent again; what is new beside it
        is added. A bad row is refused by itself, and the rest is taken in.
        """
        batch = self.taken(request, PromptBatch)
        rows = batch.pop("rows")
        became: dict[int, dict[str, Any]] = {}

        def on_prompt(number: int, prompt: Prompt, outcome: Outcome) -> None:
            is_stored = not batch["dry_run"] or outcome == Outcome.ALREADY_THERE
            became[number] = landed(number - 1, outcome, prompt=prompt.public_id if is_stored else None)

        def on_bad_line(number: int, error: BadInput) -> None:
            became[number] = refused(number - 1, error, prompt=None)

        report = import_lines(
            self.here.membership.project,
            (json.dumps(row).encode("ascii") for row in rows),
            actor=self.here.person,
            on_bad_line=on_bad_line,
            on_prompt=on_prompt,
            **batch,
        )
        return Response(
            {
                "dry_run": batch["dry_run"],
                "items": report.rank_items.total() + report.demonstrate_items,
                "results": [became[number] for number in sorted(became)],
            }
        )


class OnePrompt(OneView):
    """A prompt."""

    shown = PromptShape
