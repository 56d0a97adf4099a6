"""Rankings, as reviewers and leads read them: by completion, without who or what wrote each."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.base import OneView
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Extra, Moment, Pseudonym, Shape, ShownMessages, ShownText
from labeling.models import (
    InputMode,
    ItemCompletion,
    Project,
    Purpose,
    Ranking,
    RankingMethod,
    RankingRevision,
)


class PlaceShape(Shape):
    completion = serializers.CharField()
    score = serializers.IntegerField()
    rank = serializers.IntegerField(
        allow_null=True, help_text="1 is best, equal ones are ties; null: all bad, without an order."
    )
    flags = serializers.ListField(child=serializers.CharField())
    denied = serializers.ListField(
        child=serializers.CharField(), help_text="Flags that were answered with no."
    )
    moved = serializers.BooleanField(help_text="Placed by hand, not by its score.")


@extend_schema_field(PlaceShape(many=True))
class Places(serializers.Field[RankingRevision, Any, list[dict[str, Any]], Any]):
    """What a revision says of each completion, in the item's order."""

    def to_representation(self, revision: RankingRevision) -> list[dict[str, Any]]:
        parts = revision.item.item_completions.all()
        return [
            {
                "completion": part.completion.public_id,
                "score": revision.scores[part.position],
                "rank": None if revision.ranks is None else revision.ranks[part.position],
                "flags": revision.rubric.keys(revision.flags[part.position]),
                "denied": revision.rubric.keys(revision.denied[part.position]) if revision.denied else [],
                "moved": revision.moved[part.position],
            }
            for part in parts
        ]


class RankingRevisionShape(Shape):
    number = serializers.IntegerField()
    base = serializers.IntegerField()
    rubric = serializers.IntegerField(source="rubric.version")
    completions = Places(source="*", read_only=True)
    all_bad = serializers.BooleanField()
    comment = serializers.CharField()
    mode = serializers.ChoiceField(InputMode.values)
    method = serializers.ChoiceField(
        RankingMethod.values,
        allow_blank=True,
        help_text="How the page asked for the order; empty where no page sent the answer.",
    )
    conflicts = serializers.IntegerField(help_text="Pairs that scores and order put the other way round.")
    active_seconds = serializers.IntegerField()
    created_at = Moment()


@extend_schema_field(RankingRevisionShape)
class LatestRanking(serializers.Field[Ranking, Any, Any, Any]):
    def to_representation(self, ranking: Ranking) -> Any:
        return RankingRevisionShape(ranking.revisions.all()[0]).data


class RankingShape(Shape):
    ranking = serializers.CharField(source="public_id")
    item = serializers.CharField(source="item.public_id")
    prompt = serializers.CharField(source="item.prompt.public_id")
    labeler = Pseudonym()
    simulated = serializers.BooleanField(source="is_simulated")
    extra = Extra(help_text="It came late and fills no slot.")
    created_at = Moment()
    latest = LatestRanking(source="*", read_only=True)


class RankedText(Shape):
    completion = serializers.CharField(source="completion.public_id")
    shown = ShownText(source="completion.text")


class RankingWhole(RankingShape):
    messages = ShownMessages(source="item.prompt.messages")
    texts = RankedText(source="item.item_completions", many=True)
    history = RankingRevisionShape(source="revisions", many=True, help_text="Newest first.")


class RankingQuery(Page):
    item = PublicId(required=False, source="item__public_id")
    prompt = PublicId(required=False, source="item__prompt__public_id")
    simulated = serializers.BooleanField(required=False, source="is_simulated")
    purpose = serializers.ChoiceField(
        Purpose.values, default=Purpose.WORK, source="item__purpose", help_text="Of the item."
    )
    repeats = serializers.BooleanField(
        default=False, source="is_repeat", help_text="Hidden repeats, instead of first rankings."
    )
    created_after = serializers.DateTimeField(required=False, source="created_at__gt")


class Rankings(ListView):
    """A project's rankings as they now stand, newest first."""

    query = RankingQuery
    shown = RankingShape

    def rows(self) -> QuerySet[Ranking]:
        return _whole(self.here.membership.project)


class OneRanking(OneView):
    """A ranking with its prompt, the texts and all its revisions."""

    shown = RankingWhole

    def thing(self) -> Ranking:
        return _whole(self.here.membership.project).get(pk=self.here.the(Ranking).pk)


def _whole(project: Project) -> QuerySet[Ranking]:
    parts = ItemCompletion.objects.select_related("completion").order_by("position")
    revisions = RankingRevision.objects.select_related("rubric", "item").order_by("-number")
    return (
        Ranking.objects.filter(project=project)
        .select_related("item__prompt", "labeler", "project")
        .prefetch_related(
            Prefetch("item__item_completions", parts),
            Prefetch("revisions", revisions.prefetch_related(Prefetch("item__item_completions", parts))),
        )
    )
