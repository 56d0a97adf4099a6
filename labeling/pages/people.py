"""Signing in, one's password, one's language and time zone."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling.actions import preferences
from labeling.actions.errors import BadInput
from labeling.doors import entered
from labeling.models import User

A_YEAR = 365 * 24 * 3600


class SignInForm(AuthenticationForm):
    """One message for a wrong name, a wrong password and a closed account: it tells a guesser nothing."""

    error_messages = {
        "invalid_login": gettext_lazy("This name and password do not belong together. Check both."),
        "inactive": gettext_lazy("This name and password do not belong together. Check both."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)


class SignIn(LoginView):
    """Sign in, and go on to where one wanted to be."""

    form_class = SignInForm
    template_name = "people/sign_in.html"
    redirect_authenticated_user = True


def change_password(request: HttpRequest) -> HttpResponse:
    """Choose a password; who holds a one-time password has just typed it and is not asked again."""
    user = entered(request).person
    form_class = SetPasswordForm if user.must_change_password else PasswordChangeForm
    form = form_class(user, request.POST or None, label_suffix="")
    if form.is_valid():
        preferences.change_password(user, form.cleaned_data["new_password1"])
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is saved."))
        return redirect("home")
    return render(request, "people/change_password.html", {"form": form})


@require_POST
def set_preferences(request: HttpRequest) -> HttpResponse:
    """Keep a language (a cookie for who is not signed in) or a time zone, and go back."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target)
    user = request.user if isinstance(request.user, User) else None
    try:
        if language := request.POST.get("language", ""):
            preferences.check_language(language)
            if user:
                preferences.set_language(user, language)
            # Also for who is signed in: the sign-in page should speak it next time.
            response.set_cookie(
                "language",
                language,
                max_age=A_YEAR,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        if user and (zone := request.POST.get("time_zone", "")):
            preferences.set_time_zone(user, zone)
    except BadInput as error:
        return HttpResponseBadRequest(f"{error.field}: {error.message}", content_type="text/plain")
    return response
