"""Model versions, and where they come from."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from rest_framework import serializers

from labeling.api.base import OneView
from labeling.api.lists import ListView, Page, PublicId
from labeling.api.shapes import Moment, Shape
from labeling.models import DatasetKind, DatasetVersion, ModelKind, ModelVersion, RunStage


class ModelShape(Shape):
    model = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(ModelKind.values)
    name = serializers.CharField()
    run = serializers.CharField(source="run.public_id", allow_null=True)
    report = serializers.DictField()
    promoted_at = Moment(allow_null=True)
    created_at = Moment()


class ModelRef(Shape):
    model = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(ModelKind.values)
    name = serializers.CharField()


class DatasetRef(Shape):
    dataset = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(DatasetKind.values)
    number = serializers.IntegerField()
    digest = serializers.CharField()


class RunRef(Shape):
    run = serializers.CharField(source="public_id")
    stage = serializers.ChoiceField(RunStage.values)


class Lineage(Shape):
    """What a model came from and what came of it."""

    run = RunRef(allow_null=True)
    datasets = DatasetRef(many=True, help_text="What it was trained on.")
    parents = ModelRef(many=True, help_text="The models that its run read.")
    children = ModelRef(many=True, help_text="The models whose runs read it.")

    def to_representation(self, model: ModelVersion) -> dict[str, object]:
        read = Q(run_inputs__run=model.run) if model.run_id else Q(pk=None)
        ModelVersions, Datasets = ModelVersion.objects, DatasetVersion.objects
        lineage: dict[str, object] = super().to_representation(
            {
                "run": model.run,
                "datasets": Datasets.filter(read).order_by("pk"),
                "parents": ModelVersions.filter(read).order_by("pk"),
                "children": ModelVersions.filter(run__inputs__model=model).distinct().order_by("pk"),
            }
        )
        return lineage


class ModelWhole(ModelShape):
    lineage = Lineage(source="*")


class ModelQuery(Page):
    kind = serializers.ChoiceField(ModelKind.values, required=False)
    run = PublicId(required=False, source="run__public_id")


class Models(ListView):
    """A project's models, the outside ones among them, newest first."""

    query = ModelQuery
    shown = ModelShape

    def rows(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.filter(project=self.here.membership.project).select_related("run")


class OneModel(OneView):
    """A model with its lineage: its run, what it was trained on, its parents and children."""

    shown = ModelWhole
