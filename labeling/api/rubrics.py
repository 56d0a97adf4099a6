"""The rubric: as a labeler is shown it, and as leads write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import rubrics
from labeling.api.lists import ListView, VersionPage
from labeling.api.shapes import Moment, PersonShape, Shape
from labeling.markdown import markdown
from labeling.models import Rubric, UseCase


def described(rubric: Rubric, flags: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A rubric with some of its flags, in the reader's language, or in English where it has no other."""
    scale = _in_language(rubric.help)
    return {
        "version": rubric.version,
        "scale_min": rubric.scale_min,
        "scale_max": rubric.scale_max,
        "help": scale,
        "help_html": _html(scale),
        "flags": [_flag(flag) for flag in flags],
    }


def _flag(flag: dict[str, Any]) -> dict[str, Any]:
    text = _in_language(flag.get("help") or {})
    return {
        "key": flag["key"],
        "label": _in_language(flag),
        "help": text,
        "help_html": _html(text),
        "required": bool(flag.get("required")),
    }


def _in_language(texts: Mapping[str, Any]) -> str:
    return str(texts.get(get_language() or "en") or texts.get("en", ""))


@lru_cache(maxsize=1024)
def _html(text: str) -> SafeString:
    """Kept, since the same few texts go with every item that is given out."""
    return markdown(text) if text else SafeString("")


# --- for leads ---------------------------------------------------------------------------------------


class Texts(serializers.DictField):
    """A text in some of the languages of the pages."""

    def __init__(self, **more: Any) -> None:
        super().__init__(child=serializers.CharField(allow_blank=True), **more)


class WrittenFlag(Shape):
    key = serializers.CharField(help_text="Small letters, digits and _, once in a rubric.")
    labels = Texts(help_text="By language; `en` is wanted.")
    help = Texts(help_text="By language, Markdown.")
    required = serializers.BooleanField()  # type: ignore[assignment]
    use_cases = serializers.ListField(
        child=serializers.ChoiceField(UseCase.values), help_text="Where it is asked; empty: everywhere."
    )


class SentFlag(Shape):
    key = serializers.RegexField(f"^{rubrics.KEY.pattern}$")
    labels = Texts(help_text="By language; `en` is wanted.")
    help = Texts(required=False, help_text="By language, Markdown.")
    required = serializers.BooleanField(required=False)  # type: ignore[assignment]
    use_cases = serializers.ListField(child=serializers.ChoiceField(UseCase.values), required=False)


@extend_schema_field(WrittenFlag(many=True))
class WrittenFlags(serializers.Field[Any, Any, Any, Any]):
    """As a rubric stores them."""

    def to_representation(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "key": flag["key"],
                "labels": rubrics.labels(flag),
                "help": flag.get("help") or {},
                "required": bool(flag.get("required")),
                "use_cases": flag.get("use_cases") or [],
            }
            for flag in value
        ]


@extend_schema_field(SentFlag(many=True))
class SentFlags(serializers.Field[Any, Any, Any, Any]):
    """Passed on as they are sent: the verb says what is wrong with which."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class RubricVersionShape(Shape):
    version = serializers.IntegerField()
    scale_min = serializers.IntegerField()
    scale_max = serializers.IntegerField()
    help = Texts(help_text="What the scale means, by language, Markdown.")
    flags = WrittenFlags()
    note = serializers.CharField()
    written_by = PersonShape(source="created_by", allow_null=True)
    created_at = Moment()


class RubricBody(Shape):
    base = serializers.IntegerField(min_value=1, help_text="The version it is written upon.")
    flags = SentFlags()
    scale_max = serializers.IntegerField(min_value=rubrics.LEAST_SCALE, max_value=rubrics.MOST_SCALE)
    help = Texts(required=False, help_text="What the scale means, by language, Markdown.")
    note = serializers.CharField(default="", allow_blank=True, help_text="What it changes, on one line.")


class Rubrics(ListView):
    """Every version of the rubric, newest first: that is the one that is asked now."""

    query = VersionPage
    shown = RubricVersionShape
    cursor = order = "version"

    def rows(self) -> QuerySet[Rubric]:
        return Rubric.objects.filter(project=self.here.membership.project_id).select_related("created_by")

    @extend_schema(operation_id="write_rubric", request=RubricBody, responses={201: RubricVersionShape})
    def post(self, request: Request, project: str) -> Response:
        """Write a new version on the stated base; 409 where that is not the version that is asked now."""
        given = self.taken(request, RubricBody)
        written = rubrics.write(self.here.membership.project, actor=self.here.person, **given)
        return Response(RubricVersionShape(written).data, status=status.HTTP_201_CREATED)
