"""Parts that the answers about several nouns are made of."""

from __future__ import annotations

import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.actions.rows import pseudonym
from labeling.markdown import markdown
from labeling.models import Assignment, Project, User

Shape = serializers.Serializer[Any]


class Moment(serializers.DateTimeField):
    """In UTC whatever the time zone of who asks: two people read the same bytes."""

    timezone = datetime.UTC


def read_as_markdown(text: str) -> str:
    """What somebody or some model wrote, as safe HTML, its lines as they were broken (markdown.py)."""
    return markdown(text, keep_lines=True)


def shown_text(text: str) -> dict[str, str]:
    """A text that somebody or some model wrote, and as safe HTML."""
    return {"text": text, "html": read_as_markdown(text)}


class TextShape(Shape):
    text = serializers.CharField()
    html = serializers.CharField(help_text="The text, read as Markdown, as safe HTML.")


@extend_schema_field(TextShape)
class ShownText(serializers.Field[str, Any, dict[str, str], Any]):
    def to_representation(self, value: str) -> dict[str, str]:
        return shown_text(value)


class TurnShape(Shape):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()
    html = serializers.CharField()


@extend_schema_field(TurnShape(many=True))
class ShownMessages(serializers.Field[list[dict[str, str]], Any, list[dict[str, str]], Any]):
    def to_representation(self, value: list[dict[str, str]]) -> list[dict[str, str]]:
        return [
            {"role": turn["role"], "content": turn["content"], "html": read_as_markdown(turn["content"])}
            for turn in value
        ]


class PersonShape(Shape):
    """A member, to fellow leads."""

    user = serializers.CharField(source="public_id")
    name = serializers.CharField(source="shown_name")


@extend_schema_field(serializers.CharField(allow_null=True, help_text="The same name as in datasets."))
class Pseudonym(serializers.Field[Any, Any, "str | None", Any]):
    """Who gave an answer, by the name that datasets give them in this project; null for an import."""

    def __init__(self, **more: Any) -> None:
        super().__init__(source="*", read_only=True, **more)

    def to_representation(self, answer: Any) -> str | None:
        labeler: User | None = answer.labeler
        project: Project = answer.project
        return pseudonym(project, labeler.public_id) if labeler else None


class Extra(serializers.BooleanField):
    """The answer came late and fills no slot; an import never had one to fill."""

    def __init__(self, **more: Any) -> None:
        super().__init__(source="*", read_only=True, **more)

    def to_representation(self, answer: Any) -> bool:
        assignment: Assignment | None = answer.assignment_id
        return assignment is not None and answer.slot_id is None


class Languages(serializers.ListField):
    """Of a member: those that they are given items in."""

    def __init__(self, **more: Any) -> None:
        tag = serializers.CharField(max_length=16)
        super().__init__(child=tag, max_length=50, help_text="Empty means all.", **more)


class RefusalDetail(Shape):
    code = serializers.CharField()
    message = serializers.CharField(help_text="For people, in their language.")
    field = serializers.CharField(help_text="What it is about, or empty.")


class Refusal(Shape):
    """Every answer that is not 2xx."""

    error = RefusalDetail()
    stored = serializers.DictField(required=False, help_text="With 409: the answer that is stored now.")
    draft = serializers.DictField(required=False, help_text="With 409: the newer draft.")
