"""Demonstrations, as reviewers and leads read them."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.base import OneView
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Extra, Moment, Pseudonym, Shape, ShownMessages, ShownText
from labeling.models import Demonstration, DemonstrationRevision, DemonstrationSource, Project, Purpose


class DemonstrationRevisionShape(Shape):
    number = serializers.IntegerField()
    base = serializers.IntegerField()
    shown = ShownText(source="text")
    pasted_share = serializers.FloatField(
        allow_null=True, help_text="Of its characters, as the page counted them; null: not known."
    )
    active_seconds = serializers.IntegerField()
    created_at = Moment()


@extend_schema_field(DemonstrationRevisionShape)
class LatestDemonstration(serializers.Field[Demonstration, Any, Any, Any]):
    def to_representation(self, demonstration: Demonstration) -> Any:
        return DemonstrationRevisionShape(demonstration.revisions.all()[0]).data


class DemonstrationShape(Shape):
    demonstration = serializers.CharField(source="public_id")
    prompt = serializers.CharField(source="prompt.public_id")
    item = serializers.CharField(source="item.public_id", allow_null=True)
    source = serializers.ChoiceField(DemonstrationSource.values)  # type: ignore[assignment]
    labeler = Pseudonym()
    simulated = serializers.BooleanField(source="is_simulated")
    extra = Extra(help_text="It came late and fills no slot.")
    created_at = Moment()
    latest = LatestDemonstration(source="*", read_only=True)


class DemonstrationWhole(DemonstrationShape):
    messages = ShownMessages(source="prompt.messages")
    history = DemonstrationRevisionShape(source="revisions", many=True, help_text="Newest first.")


class DemonstrationQuery(Page):
    prompt = PublicId(required=False, source="prompt__public_id")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        DemonstrationSource.values, required=False
    )
    simulated = serializers.BooleanField(required=False, source="is_simulated")
    purpose = serializers.ChoiceField(
        [Purpose.WORK, Purpose.TEST], default=Purpose.WORK, help_text="What it was written for."
    )
    created_after = serializers.DateTimeField(required=False, source="created_at__gt")


class Demonstrations(ListView):
    """A project's demonstrations as they now stand, newest first."""

    query = DemonstrationQuery
    shown = DemonstrationShape

    def rows(self) -> QuerySet[Demonstration]:
        return _whole(self.here.membership.project)

    def narrowed(self, rows: QuerySet[Demonstration], filters: dict[str, Any]) -> QuerySet[Demonstration]:
        filters = dict(filters)
        is_test = Q(item__purpose=Purpose.TEST)
        rows = rows.filter(is_test) if filters.pop("purpose") == Purpose.TEST else rows.exclude(is_test)
        return rows.filter(**filters)


class OneDemonstration(OneView):
    """A demonstration with its prompt and all its revisions."""

    shown = DemonstrationWhole

    def thing(self) -> Demonstration:
        return _whole(self.here.membership.project).get(pk=self.here.the(Demonstration).pk)


def _whole(project: Project) -> QuerySet[Demonstration]:
    revisions = DemonstrationRevision.objects.order_by("-number")
    return (
        Demonstration.objects.filter(project=project)
        .select_related("prompt", "item", "labeler", "project")
        .prefetch_related(Prefetch("revisions", revisions))
    )
