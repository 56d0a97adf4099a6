"""Lists, page by page: the filters that are allowed, and the cursor, which is the last row's public id."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions.errors import BadInput
from labeling.api.base import Query, View
from labeling.models.ids import ALPHABET, LENGTH

MOST = 200
USUAL = 50


class PublicId(serializers.RegexField):
    """A public id, whether or not there is such an object."""

    def __init__(self, **more: Any) -> None:
        super().__init__(f"^[{ALPHABET}]{{{LENGTH}}}\\Z", trim_whitespace=False, **more)


class Page(Query):
    """What every list takes. A subclass's other fields are its filters; their `source` is Django's lookup."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MOST, default=USUAL, help_text="How many at most."
    )
    after = PublicId(required=False, help_text="The `next` of the page before.")


class VersionPage(Page):
    """Of a list whose rows are numbered versions."""

    after = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=2**31 - 1, help_text="The `next` of the page before."
    )


class ListView(View):
    """GET answers {"results", "next"}, newest first: by the database's keys, which only grow.

    `next` is null on the last page. The cursor is looked up among all rows of the list, so that a row that
    has meanwhile left the filter still says where to go on.
    """

    query: type[Query] = Page
    cursor = "public_id"
    order = "pk"

    def takes(self, method: str) -> type[Query]:
        return self.query if method in ("GET", "HEAD") else Query

    def rows(self) -> QuerySet[Any]:
        """Every row that this list may show to who asked."""
        raise NotImplementedError

    def narrowed(self, rows: QuerySet[Any], filters: dict[str, Any]) -> QuerySet[Any]:
        return rows.filter(**filters)

    def show(self, rows: list[Any]) -> list[Any]:
        return list(self.shown(rows, many=True).data)

    def get(self, request: Request, **address: str) -> Response:
        filters = dict(self.asked)
        limit, after = filters.pop("limit"), filters.pop("after", None)
        rows = self.rows()
        found = self.narrowed(rows, filters).order_by(f"-{self.order}")
        if after is not None:
            found = found.filter(**{f"{self.order}__lt": self._place(rows, after)})
        page = list(found[: limit + 1])
        more = len(page) > limit
        return Response(
            {"results": self.show(page[:limit]), "next": self._name(page[limit - 1]) if more else None}
        )

    def _place(self, rows: QuerySet[Any], after: str) -> int:
        place: int | None = rows.filter(**{self.cursor: after}).values_list(self.order, flat=True).first()
        if place is None:
            raise BadInput(_("This list has no such place."), field="after")
        return place

    def _name(self, row: Model) -> str:
        value: Any = row
        for step in self.cursor.split("__"):
            value = getattr(value, step)
        return str(value)
