"""Every address."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("labeling.pages.urls")),
    path("api/", include("labeling.api.urls")),
    path("admin/", admin.site.urls),
]
