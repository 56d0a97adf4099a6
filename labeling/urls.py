"""Every address."""

from __future__ import annotations

from django.urls import include, path

from labeling import admin

urlpatterns = [
    path("", include("labeling.pages.urls")),
    path("api/", include("labeling.api.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "labeling.api.errors.bad_request"
handler404 = "labeling.api.errors.not_found"
handler500 = "labeling.api.errors.server_error"
