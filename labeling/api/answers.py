"""A labeler's own answers, by letter, so that they can be opened and changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from labeling.actions import rankings, written_prompts
from labeling.actions.shown import loaded
from labeling.api.answer_shapes import AssignmentShape, GivenRanking
from labeling.api.assignments import describe
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Moment, Shape
from labeling.api.written_prompts import GivenPrompt
from labeling.models import (
    Assignment,
    Demonstration,
    ItemCompletion,
    Kind,
    Ranking,
    RankingRevision,
    WrittenPrompt,
    WrittenPromptRevision,
)


class GivenDemonstration(Shape):
    text = serializers.CharField()


ANSWERS: dict[str, Any] = {
    Kind.RANK: Ranking,
    Kind.DEMONSTRATE: Demonstration,
    Kind.PROMPT: WrittenPrompt,
}


@extend_schema_field(
    PolymorphicProxySerializer(
        "Given", [GivenRanking, GivenDemonstration, GivenPrompt], resource_type_field_name=None
    )
)
class Given(serializers.DictField):
    pass


class AnswerShape(Shape):
    answer = serializers.CharField()
    kind = serializers.ChoiceField(Kind.values)
    revision = serializers.IntegerField(help_text="To be stated as the base of a change.")
    extra = serializers.BooleanField()
    created_at = Moment()
    revised_at = Moment()
    given = Given(help_text="What was answered, as a revision takes it.")
    assignment = AssignmentShape()


class AnswersQuery(Page):
    kind = serializers.ChoiceField(list(ANSWERS))
    html = serializers.BooleanField(default=False, help_text="Also give each text as safe HTML.")


class Answers(ListView):
    """One's own answers of a kind, newest first.

    To change one, send what it `given` says, changed, to its revisions.
    """

    query = AnswersQuery
    shown = AnswerShape

    def rows(self) -> QuerySet[Any]:
        here = self.here.membership
        answers = ANSWERS[self.asked["kind"]]
        rows: QuerySet[Any] = (
            answers.objects.filter(project_id=here.project_id, labeler_id=here.user_id)
            .select_related("assignment__item__prompt", "assignment__project", "assignment__rubric")
            .prefetch_related("revisions")
        )
        return rows

    def narrowed(self, rows: QuerySet[Any], filters: dict[str, Any]) -> QuerySet[Any]:
        return rows

    def show(self, rows: list[Any]) -> list[Any]:
        texts: dict[int, dict[int, str]] = {}
        parts = ItemCompletion.objects.filter(item_id__in=[answer.item_id for answer in rows])
        for item, position, text in parts.values_list("item_id", "position", "completion__text"):
            texts.setdefault(item, {})[position] = text
        return [self._one(answer, texts.get(answer.item_id, {})) for answer in rows]

    def _one(self, answer: Any, texts: Mapping[int, str]) -> dict[str, Any]:
        held = answer.assignment
        latest = max(answer.revisions.all(), key=lambda revision: revision.number)
        return {
            "answer": answer.public_id,
            "kind": held.kind,
            "revision": latest.number,
            "extra": answer.slot_id is None,
            "created_at": answer.created_at,
            "revised_at": latest.created_at,
            "given": _given(latest, held),
            "assignment": describe(held, loaded(held, texts), html=self.asked["html"]),
        }


def own_answer(answer: Any) -> dict[str, Any]:
    """One answer as the list of one's own shows it."""
    view = Answers()
    view.asked = {"html": False}
    shown: dict[str, Any] = view.show([answer])[0]
    return shown


def _given(latest: Any, held: Assignment) -> dict[str, Any]:
    """What a revision says, as the next one takes it."""
    if isinstance(latest, RankingRevision):
        return rankings.as_letters(latest, held)
    if isinstance(latest, WrittenPromptRevision):
        return written_prompts.as_given(latest)
    return {"text": latest.text}
