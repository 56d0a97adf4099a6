"""The addresses of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from labeling.pages import (
    api_docs,
    dashboard,
    datasets,
    demonstrate,
    guidelines,
    home,
    people,
    rank,
    rounds,
    runs,
    tokens,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", people.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("change-password/", people.change_password, name="change-password"),
    path("preferences/", people.set_preferences, name="set-preferences"),
    path("account/tokens/", tokens.index, name="tokens"),
    path("account/tokens/<str:token>/revoke", tokens.revoke, name="revoke-token"),
    path("api/docs", api_docs.api_docs, name="api-docs"),
    # --- labelers' work ---
    path("p/<str:project>/rank/", rank.rank, name="rank"),
    path("p/<str:project>/demonstrate/", demonstrate.demonstrate, name="demonstrate"),
    path("p/<str:project>/guidelines/", guidelines.guidelines, name="guidelines"),
    # --- leads' pages ---
    path("p/<str:project>/", dashboard.dashboard, name="dashboard"),
    path("p/<str:project>/runs/", runs.index, name="runs"),
    path("p/<str:project>/datasets/", datasets.index, name="datasets"),
    path("p/<str:project>/rounds/", rounds.index, name="rounds"),
    path("p/<str:project>/freeze", datasets.freeze, name="freeze"),
    path("p/<str:project>/round", rounds.start, name="start-round"),
    path("runs/<str:run>/", runs.show, name="run"),
    path("runs/<str:run>/stop", runs.stop, name="stop-run"),
    path("datasets/<str:dataset>/", datasets.show, name="dataset"),
    path("datasets/<str:dataset>/download", datasets.download, name="download-dataset"),
    path("rounds/<str:round>/", rounds.show, name="round"),
    path("rounds/<str:round>/stop", rounds.stop, name="stop-round"),
    path("rounds/<str:round>/override", rounds.override, name="override-gate"),
]
