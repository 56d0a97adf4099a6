"""The queue's items, as a lead sees them."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet
from rest_framework import serializers

from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Moment, Shape
from labeling.models import Item, Kind, Origin, Purpose, Slot


class ItemShape(Shape):
    item = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(Kind.values)
    purpose = serializers.ChoiceField(Purpose.values)
    prompt = serializers.CharField(
        source="prompt.public_id", allow_null=True, help_text="Null where one is to be written."
    )
    brief = serializers.DictField(help_text="Of a prompt to be written; else empty.")
    k = serializers.IntegerField(help_text="Completions; 0 unless they are to be ranked.")
    state = serializers.ChoiceField(Item.State.values)
    overlap = serializers.IntegerField(help_text="Answers that are wanted.")
    filled = serializers.IntegerField(help_text="Answers that are there.")
    origin = serializers.ChoiceField(Origin.values)
    model = serializers.CharField(source="model.public_id", allow_null=True)
    round = serializers.CharField(source="round.public_id", allow_null=True)
    skips = serializers.IntegerField()
    needs_review = serializers.BooleanField()
    created_at = Moment()


class ItemQuery(Page):
    kind = serializers.ChoiceField(Kind.values, required=False)
    state = serializers.ChoiceField(Item.State.values, required=False)
    origin = serializers.ChoiceField(Origin.values, required=False)
    needs_review = serializers.BooleanField(required=False)
    purpose = serializers.ChoiceField(
        Purpose.values, default=Purpose.WORK, help_text="What its answers are for."
    )
    prompt = PublicId(required=False, source="prompt__public_id")


class Items(ListView):
    """The items of the queue with how many of the wanted answers they have, newest first."""

    query = ItemQuery
    shown = ItemShape

    def rows(self) -> QuerySet[Item]:
        filled = Count("slots", filter=Q(slots__state=Slot.State.FILLED))
        items = Item.objects.filter(project=self.here.membership.project)
        return items.select_related("prompt", "model", "round").annotate(filled=filled)
