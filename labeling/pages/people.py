"""Signing in, one's password, one's language and time zone."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.views import LoginView, LogoutView
from allauth.mfa.base.views import AuthenticateView
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from labeling.actions import preferences
from labeling.actions.errors import BadInput
from labeling.doors import entered
from labeling.identity import oidc
from labeling.identity.forms import ChangePasswordForm
from labeling.models import User
from labeling.pages.limited import Limited, limited

A_YEAR = 365 * 24 * 3600


class SignIn(Limited, LoginView):  # type: ignore[misc]
    """Sign in, and go on to where one wanted to be."""

    template_name = "people/sign_in.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return {**super().get_context_data(**more), "providers": settings.OIDC}


class SecondStep(Limited, AuthenticateView):  # type: ignore[misc]
    """The second factor, after the password was right."""

    template_name = "people/second_step.html"


class SignOut(LogoutView):  # type: ignore[misc]
    """Also gives up a sign-in that waits for its second factor."""

    http_method_names = ["post"]


@require_POST
def to_provider(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Off to an OpenID provider: to sign in or, who is signed in, to link it with their account.

    The browser is sent on by a page instead of a redirect: our content policy lets no form lead elsewhere.
    """
    if request.user.is_authenticated:
        raise_if_reauthentication_required(request, app="allauth.socialaccount")
    try:
        answer: HttpResponse = OAuth2LoginView.adapter_view(oidc.Adapter(request, provider_id))(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (RequestException, KeyError, ValueError):
        messages.error(request, _("The provider does not answer. Try again later, or sign in another way."))
        return redirect("account" if request.user.is_authenticated else "account_login")
    name = next(one["name"] for one in settings.OIDC if one["id"] == provider_id)
    return render(request, "people/leaving.html", {"address": answer["Location"], "name": name})


@require_GET
def from_provider(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Back from an OpenID provider. Whatever is wrong with its answer leads to the sign-in page."""
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(oidc.Adapter(request, provider_id))(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (KeyError, TypeError, ValueError):  # what it sent is no answer of an OpenID provider
        messages.error(request, _("The provider's answer cannot be read. Try again, or sign in another way."))
        return redirect("account_login")
    return answer


def change_password(request: HttpRequest) -> HttpResponse:
    """Choose a password; who holds a one-time password has just typed it and is not asked again."""
    user = entered(request).person
    if not user.has_usable_password():
        messages.info(request, _("Your account has no password: you sign in through a provider."))
        return redirect("account")
    was_one_time = user.must_change_password
    form_class = SetPasswordForm if was_one_time else ChangePasswordForm
    form = form_class(user, request.POST or None, label_suffix="")
    if form.is_valid():
        preferences.change_password(user, form.cleaned_data["new_password1"])
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is saved."))
        return redirect("home" if was_one_time else "account")
    return limited(render(request, "people/change_password.html", {"form": form}), form)


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
