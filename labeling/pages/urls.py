"""The addresses of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from labeling.pages import demonstrate, guidelines, home, people, rank

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", people.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("change-password/", people.change_password, name="change-password"),
    path("preferences/", people.set_preferences, name="set-preferences"),
    # --- labelers' work ---
    path("p/<str:project>/rank/", rank.rank, name="rank"),
    path("p/<str:project>/demonstrate/", demonstrate.demonstrate, name="demonstrate"),
    path("p/<str:project>/guidelines/", guidelines.guidelines, name="guidelines"),
    # --- leads' pages ---
]
