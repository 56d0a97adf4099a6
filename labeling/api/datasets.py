"""Dataset versions: reading, freezing, downloading."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import tasks
from labeling.actions import datasets
from labeling.actions.errors import NotNow
from labeling.api.base import OneView, View
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Moment, PersonShape, Shape
from labeling.models import FROZEN, DatasetKind, DatasetVersion
from training.contracts import ContractError

JSON_LINES = "application/jsonl"


class DatasetShape(Shape):
    dataset = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(DatasetKind.values)
    number = serializers.IntegerField()
    state = serializers.ChoiceField(DatasetVersion.State.values)
    digest = serializers.CharField(help_text="SHA-256 of its rows as they are downloaded.")
    counts = serializers.DictField()
    recipe = serializers.DictField()
    created_by = PersonShape(allow_null=True)
    created_at = Moment()
    completed_at = Moment(allow_null=True)


class DatasetQuery(Page):
    kind = serializers.ChoiceField(DatasetKind.values, required=False)
    state = serializers.ChoiceField(DatasetVersion.State.values, required=False)


class FreezeBody(Shape):
    kind = serializers.ChoiceField([str(kind) for kind in FROZEN])


class FreezingShape(Shape):
    kind = serializers.ChoiceField([str(kind) for kind in FROZEN])
    newest = serializers.CharField(
        allow_null=True,
        help_text="The newest version of the kind until now. The same rows again make no new one.",
    )


class Datasets(ListView):
    """A project's dataset versions, newest first."""

    query = DatasetQuery
    shown = DatasetShape

    def rows(self) -> QuerySet[DatasetVersion]:
        return _of(self.here.membership.project_id)

    @extend_schema(operation_id="freeze_dataset", request=FreezeBody, responses={202: FreezingShape})
    def post(self, request: Request, project: str) -> Response:
        """Freeze what people wrote so far as a new version.

        A worker does it: the version appears in the list in a moment, unless nothing is new since the last.
        """
        kind = self.taken(request, FreezeBody)["kind"]
        here = self.here.membership
        newest = (
            _of(here.project_id)
            .filter(kind=kind, state=DatasetVersion.State.COMPLETE)
            .order_by("-pk")
            .first()
        )
        tasks.ask_freeze(here.project, kind, self.here.person)
        answer = {"kind": kind, "newest": newest.public_id if newest else None}
        return Response(answer, status=status.HTTP_202_ACCEPTED)


class OneDataset(OneView):
    """A dataset version."""

    shown = DatasetShape

    def thing(self) -> DatasetVersion:
        found = self.here.the(DatasetVersion)
        return _of(found.project_id).get(pk=found.pk)


class JsonLines(BaseRenderer):
    """Says what may be asked for; the rows are streamed from their file."""

    media_type = JSON_LINES
    format = "jsonl"


class DatasetRows(View):
    """A version's rows as JSONL, byte for byte as they were frozen."""

    renderer_classes = [JsonLines, JSONRenderer]

    @extend_schema(responses={(200, JSON_LINES): OpenApiTypes.STR})
    def get(self, request: Request, dataset: str) -> HttpResponseBase:
        return rows_of(self.here.the(DatasetVersion))

    def handle_exception(self, exc: Exception) -> Response:
        """A refusal is JSON whatever was asked for."""
        request: Any = self.request
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), "application/json"
        return super().handle_exception(exc)


def rows_of(found: DatasetVersion) -> FileResponse:
    """The version's file, to be downloaded. Raises NotNow if it is not complete, or was changed or lost."""
    if found.state != DatasetVersion.State.COMPLETE:
        raise NotNow(_("This version is still being frozen."))
    try:
        rows = datasets.file(found).open("rb")
    except (ContractError, OSError) as error:
        raise NotNow(_("The file of this version was changed or lost."), data={"code": "lost"}) from error
    name = f"{found.project.slug}-{found.kind}-{found.number}.jsonl"
    return FileResponse(rows, as_attachment=True, filename=name, content_type=JSON_LINES)


def _of(project_id: int) -> QuerySet[DatasetVersion]:
    return DatasetVersion.objects.filter(project_id=project_id).select_related("created_by", "project")
