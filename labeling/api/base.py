"""What every API view shares: a strict JSON parser, and the door that was passed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, cast

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.actions.errors import BadInput
from labeling.actions.text import check_json
from labeling.doors import Entered

MAX_BODY_BYTES = 1024 * 1024


class StrictJSONParser(BaseParser):
    """JSON objects only; what is too large, too deep, no UTF-8 or holds a NUL is refused with a reason."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BadInput(f"is over {MAX_BODY_BYTES:,} bytes", field="body")
        try:
            data = json.loads(raw.decode("utf-8") or "{}", parse_constant=_refuse_constant)
        except RecursionError:
            raise BadInput("is nested too deeply", field="body") from None
        except ValueError as error:
            raise ParseError(f"This is not JSON: {error}") from None
        if not isinstance(data, dict):
            raise BadInput("must be an object", field="body")
        return cast(dict[str, Any], check_json(data, "body", max_bytes=MAX_BODY_BYTES))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


class View(APIView):
    """Base of all our API views. `here` is who came in, and to what (entrance.py)."""

    parser_classes = [StrictJSONParser]
    here: Entered

    def body(self, request: Request) -> dict[str, Any]:
        return request.data
