"""Checks: items whose right answer a lead knows, for the tutorial, the test and among the work."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import golds
from labeling.actions.errors import BadInput
from labeling.actions.golds import CHECKS, Right
from labeling.api.base import View
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Moment, Shape
from labeling.models import Completion, Item, Kind, Project
from labeling.models.queue import MAX_K

PURPOSES = [str(purpose) for purpose in CHECKS]


class RightPlace(Shape):
    completion = PublicId()
    rank = serializers.IntegerField(
        min_value=1, max_value=MAX_K, help_text="1 is best; equal ones are not compared."
    )
    flags = serializers.ListField(child=serializers.CharField(max_length=64), required=False, default=list)


class RightShape(Shape):
    completion = serializers.CharField()
    rank = serializers.IntegerField()
    flags = serializers.ListField(child=serializers.CharField())


@extend_schema_field(RightShape(many=True))
class RightPlaces(serializers.Field[Item, Any, list[dict[str, Any]], Any]):
    """What is right of each completion; empty where something is to be written."""

    def to_representation(self, item: Item) -> list[dict[str, Any]]:
        if item.kind != Kind.RANK:
            return []
        gold = item.gold
        return [
            {
                "completion": part.completion.public_id,
                "rank": gold.ranks[part.position],
                "flags": gold.rubric.keys(gold.flags[part.position]) if gold.flags else [],
            }
            for part in item.item_completions.all()
        ]


class CheckShape(Shape):
    item = serializers.CharField(source="public_id")
    purpose = serializers.ChoiceField(PURPOSES)
    kind = serializers.ChoiceField(Kind.values)
    prompt = serializers.CharField(source="prompt.public_id")
    is_active = serializers.SerializerMethodField()
    answered = serializers.IntegerField(help_text="How often it was answered.")
    right = RightPlaces(source="*", read_only=True)
    created_at = Moment()

    def get_is_active(self, item: Item) -> bool:
        return item.state == Item.State.OPEN


class CheckQuery(Page):
    purpose = serializers.ChoiceField(PURPOSES, required=False)


class CheckBody(Shape):
    purpose = serializers.ChoiceField(PURPOSES)
    right = RightPlace(many=True, help_text="The completions, all of one prompt.")
    checked = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        default=list,
        help_text="Of these flags each completion has exactly those that it names.",
    )
    explanation = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        required=False,
        default=dict,
        help_text="By language, in Markdown; the tutorial shows it after the answer.",
    )


class Checks(ListView):
    """A project's checks with what is right, newest first. No labeler may learn what stands here."""

    query = CheckQuery
    shown = CheckShape

    def rows(self) -> QuerySet[Item]:
        return _of(self.here.membership.project)

    @extend_schema(operation_id="make_check", request=CheckBody, responses={201: CheckShape})
    def post(self, request: Request, project: str) -> Response:
        """Make an item to rank whose right order is known; 409 where its prompt is such a check already."""
        given, here = self.taken(request, CheckBody), self.here.membership
        completions = _completions(here.project, [place["completion"] for place in given["right"]])
        right = Right(
            ranks=[place["rank"] for place in given["right"]],
            flags=[place["flags"] for place in given["right"]],
            checked=given["checked"],
            explanation=given["explanation"],
        )
        prompt = completions[0].prompt
        made = golds.make(here.project, prompt, completions, given["purpose"], right, actor=here.user)
        shown = CheckShape(_of(here.project).get(pk=made.item_id))
        return Response(shown.data, status=status.HTTP_201_CREATED)


class CheckActiveBody(Shape):
    is_active = serializers.BooleanField()


class SetCheckActive(View):
    """Give a check to nobody any more, or use it again. What was answered stays."""

    @extend_schema(request=CheckActiveBody, responses={200: CheckShape})
    def post(self, request: Request, item: str) -> Response:
        found, given = self.here.the(Item), self.taken(request, CheckActiveBody)
        golds.set_active(found, given["is_active"], actor=self.here.person)
        return Response(CheckShape(_of(found.project).get(pk=found.pk)).data)


def _of(project: Project) -> QuerySet[Item]:
    checks: QuerySet[Item] = golds.of_project(project)
    return checks.select_related("prompt", "gold__rubric").prefetch_related("item_completions__completion")


def _completions(project: Project, ids: list[str]) -> list[Completion]:
    """The project's completions of these ids, in their order. Raises BadInput."""
    known = {
        found.public_id: found
        for found in Completion.objects.filter(prompt__project=project, public_id__in=ids).select_related(
            "prompt"
        )
    }
    if not ids or any(one not in known for one in ids):
        raise BadInput(_("There is no such completion in this project."), field="right")
    return [known[one] for one in ids]
