"""The API's description of itself (schema.py says how it is made)."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from labeling.api.base import View


class OpenApi(View):
    """This description, as OpenAPI 3.1."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(written(), content_type="application/json")


@cache
def written() -> bytes:
    """The description, made once by a child: it takes 8 MB to make, which a process never gives back."""
    command = [sys.executable, "manage.py", "spectacular", "--skip-checks", "--format", "openapi-json"]
    return subprocess.run(command, cwd=settings.ROOT, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
