"""What every API view shares: a strict body, a strict query string, and the door that was passed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import IO, Any, TypeVar, cast

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.actions.answers import check_fields
from labeling.actions.errors import BadInput
from labeling.actions.text import check_depth, check_json
from labeling.doors import Entered

MAX_BODY_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024

Taken = TypeVar("Taken", bound="serializers.Serializer[Any]")


class StrictJSONParser(BaseParser):
    """JSON objects only; what is too large, too deep, no UTF-8 or holds a NUL is refused with a reason."""

    media_type = "application/json"
    max_bytes = MAX_BODY_BYTES

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(self.max_bytes + 1)
        if len(raw) > self.max_bytes:
            raise BadInput(f"is over {self.max_bytes:,} bytes", field="body")
        try:
            data = json.loads(raw.decode("utf-8") or "{}", parse_constant=_refuse_constant)
        except RecursionError:
            raise BadInput("is nested too deeply", field="body") from None
        except ValueError as error:
            raise ParseError(f"This is not JSON: {error}") from None
        if not isinstance(data, dict):
            raise BadInput("must be an object", field="body")
        self.check(data)
        return cast(dict[str, Any], data)

    def check(self, data: dict[str, Any]) -> None:
        check_json(data, "body", max_bytes=self.max_bytes)


class BatchParser(StrictJSONParser):
    """For many rows at once. Their texts are checked one by one, so that a bad row spoils no other."""

    max_bytes = MAX_BATCH_BYTES

    def check(self, data: dict[str, Any]) -> None:
        check_depth(data, "body")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


class Query(serializers.Serializer[Any]):
    """What may stand in a query string: a subclass's fields, each once. The base takes nothing."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """The checked values, by the fields' sources. Raises BadInput or ValidationError with the field."""
        if not request.META.get("QUERY_STRING"):
            return dict(cls._bare())
        given = request.query_params
        query = cls(data=given.dict())
        for name, values in given.lists():
            if name not in query.fields:
                raise BadInput(_("There is no such parameter."), field=name[:80])
            if len(values) > 1:
                raise BadInput(_("This is given twice."), field=name)
        query.is_valid(raise_exception=True)
        return cast(dict[str, Any], query.validated_data)

    @classmethod
    @cache
    def _bare(cls) -> dict[str, Any]:
        """What no query string comes to, worked out once: the hot path brings none."""
        query = cls(data={})
        query.is_valid(raise_exception=True)
        return cast(dict[str, Any], query.validated_data)


class View(APIView):
    """Base of all our API views. `here` is who came in, and to what (entrance.py); `asked`: the query.

    `shown` is what GET answers with, or an entry of it in a list; `wants_key`: an Idempotency-Key is read.
    """

    parser_classes = [StrictJSONParser]
    query: type[Query] = Query
    shown: type[serializers.Serializer[Any]]
    wants_key = False
    here: Entered
    asked: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.asked = self.takes(str(request.method)).read(request)

    def body(self, request: Request) -> dict[str, Any]:
        return request.data

    def takes(self, method: str) -> type[Query]:
        """What the query string may hold for this method."""
        return self.query

    def taken(self, request: Request, by: type[Taken]) -> Any:
        """The checked body. Raises BadInput and ValidationError, naming the field."""
        given = by(data=check_fields(self.body(request), frozenset(by().fields)))
        given.is_valid(raise_exception=True)
        return given.validated_data


class OneView(View):
    """GET answers with one object: the one that the address names, unless a view knows better."""

    def thing(self) -> Any:
        return self.here.found

    def get(self, request: Request, **address: str) -> Response:
        return Response(self.shown(self.thing()).data)
