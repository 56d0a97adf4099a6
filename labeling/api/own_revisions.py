"""All versions of an answer of one's own: what was written is there to be brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from labeling.api.shapes import Moment, Shape


class OwnRevision(Shape):
    number = serializers.IntegerField()
    own = serializers.BooleanField(help_text="False: a reviewer's change.")
    given = serializers.DictField(help_text="What it says, as a revision takes it.")
    created_at = Moment()


class OwnRevisions(Shape):
    revisions = OwnRevision(many=True)


def own_revisions(answer: Any, as_given: Callable[[Any], dict[str, Any]]) -> Response:
    """Nobody learns here who a reviewer is."""
    rows = [
        {
            "number": revision.number,
            "own": revision.labeler_id == answer.labeler_id,
            "given": as_given(revision),
            "created_at": revision.created_at,
        }
        for revision in answer.revisions.order_by("-number")
    ]
    return Response(OwnRevisions({"revisions": rows}).data)
