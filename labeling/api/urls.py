"""Addresses below /api/."""

from __future__ import annotations

from django.urls import path

from labeling.api import assignments, projects

urlpatterns = [
    path("projects", projects.Projects.as_view()),
    path("projects/<str:project>/next", projects.Next.as_view()),
    path("assignments/<uuid:token>/show", assignments.Show.as_view()),
    path("assignments/<uuid:token>/renew", assignments.Renew.as_view()),
    path("assignments/<uuid:token>/draft", assignments.SaveDraft.as_view()),
    path("assignments/<uuid:token>/release", assignments.Release.as_view()),
    path("assignments/<uuid:token>/skip", assignments.Skip.as_view()),
    path("assignments/<uuid:token>/ranking", assignments.SubmitRanking.as_view()),
    path("assignments/<uuid:token>/demonstration", assignments.SubmitDemonstration.as_view()),
    path("rankings/<str:answer>/revisions", assignments.ReviseRanking.as_view()),
    path("demonstrations/<str:answer>/revisions", assignments.ReviseDemonstration.as_view()),
]
