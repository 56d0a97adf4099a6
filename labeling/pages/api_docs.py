"""The API's description to read and try in a browser. Everything it needs comes from this server."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET


@require_GET
@ensure_csrf_cookie
def api_docs(request: HttpRequest) -> HttpResponse:
    config = {"url": reverse("api:schema"), "csrf_cookie": settings.CSRF_COOKIE_NAME}
    return render(request, "people/api_docs.html", {"config": config})
