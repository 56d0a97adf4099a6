"""A text of one's own as others will see it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions.answers import check_fields
from labeling.actions.text import check_text
from labeling.api.base import View
from labeling.api.shapes import Shape
from labeling.markdown import markdown


class PreviewBody(Shape):
    text = serializers.CharField(allow_blank=True)


class PreviewShape(Shape):
    html = serializers.CharField(help_text="The text, read as Markdown, as safe HTML.")


class Preview(View):
    """A text, read as Markdown, as safe HTML. Nothing is stored."""

    @extend_schema(request=PreviewBody, responses={200: PreviewShape})
    def post(self, request: Request) -> Response:
        body = check_fields(self.body(request), frozenset({"text"}))
        return Response({"html": markdown(check_text(body.get("text"), "text", required=False))})
