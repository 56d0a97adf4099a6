"""Addresses below /api/. Each has its line in doors.py."""

from __future__ import annotations

from django.urls import path

from labeling.api import assignments, projects

app_name = "api"
urlpatterns = [
    path("projects", projects.Projects.as_view(), name="projects"),
    path("projects/<str:project>/next", projects.Next.as_view(), name="next"),
    path("assignments/<uuid:assignment>/show", assignments.Show.as_view(), name="show"),
    path("assignments/<uuid:assignment>/renew", assignments.Renew.as_view(), name="renew"),
    path("assignments/<uuid:assignment>/draft", assignments.SaveDraft.as_view(), name="draft"),
    path("assignments/<uuid:assignment>/release", assignments.Release.as_view(), name="release"),
    path("assignments/<uuid:assignment>/skip", assignments.Skip.as_view(), name="skip"),
    path("assignments/<uuid:assignment>/ranking", assignments.SubmitRanking.as_view(), name="submit-ranking"),
    path(
        "assignments/<uuid:assignment>/demonstration",
        assignments.SubmitDemonstration.as_view(),
        name="submit-demonstration",
    ),
    path("rankings/<str:ranking>/revisions", assignments.ReviseRanking.as_view(), name="revise-ranking"),
    path(
        "demonstrations/<str:demonstration>/revisions",
        assignments.ReviseDemonstration.as_view(),
        name="revise-demonstration",
    ),
]
