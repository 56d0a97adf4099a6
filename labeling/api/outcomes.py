"""Batches: what they are sent with, and what became of each row."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.actions.completions import Outcome
from labeling.actions.errors import BadInput
from labeling.api.errors import refusal
from labeling.api.shapes import RefusalDetail, Shape
from labeling.models.queue import MAX_K

MOST_ROWS = 500
REFUSED = "refused"
OUTCOMES = [*(outcome.name.lower() for outcome in Outcome), REFUSED]


class Batch(Shape):
    k = serializers.IntegerField(
        min_value=2, max_value=MAX_K, default=4, help_text="Completions of an item to rank."
    )
    seed = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, default=0, help_text="Of the draw of those completions."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would happen, write nothing.")


class AnyRow(serializers.Field[Any, Any, Any, Any]):
    """A row of a batch, passed on as it is: what is wrong with it is said of that row alone."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class Landed(Shape):
    row = serializers.IntegerField(help_text="Its place in the request, from 0.")
    outcome = serializers.ChoiceField(OUTCOMES)
    error = RefusalDetail(allow_null=True)


class BatchShape(Shape):
    dry_run = serializers.BooleanField()
    items = serializers.IntegerField(help_text="New items in the queue.")


def landed(row: int, outcome: Outcome, **more: Any) -> dict[str, Any]:
    return {"row": row, "outcome": outcome.name.lower(), "error": None, **more}


def refused(row: int, error: BadInput, **more: Any) -> dict[str, Any]:
    said = refusal("badinput", str(error.message), error.field)
    return {"row": row, "outcome": REFUSED, **said, **more}
