"""The addresses of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from labeling.pages import home, people

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", people.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("change-password/", people.change_password, name="change-password"),
    path("preferences/", people.set_preferences, name="set-preferences"),
    # --- labelers' work ---
    # --- leads' pages ---
]
