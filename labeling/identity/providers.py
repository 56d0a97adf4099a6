"""allauth's adapter of providers: which there are, and whom they may let in.

Somebody whom a provider vouches for comes in

1. to the account that is linked with them already, or
2. to the account that has their e-mail address, verified on both sides, if the provider is `trusted`; or
3. to a new account, by an invitation that they are using, or if the provider is `open`.

Everybody else is turned away.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _

from labeling.actions import audit, invitations, people
from labeling.actions.errors import ActionError
from labeling.models import User

log = logging.getLogger(__name__)


class Providers(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """From the settings only: a provider in the database would be one that no operator vouched for."""
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=one["id"],
                name=one["name"],
                client_id=one["client_id"],
                secret=one["secret"],
                settings={"server_url": one["server_url"].rstrip("/")},
            )
            for one in settings.OIDC
            if provider in (None, "openid_connect", one["id"]) and client_id in (None, one["client_id"])
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False  # `pre_social_login` makes the accounts; allauth's own form makes none

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return bool(_settings(login)["trusted"])

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        verified = [one.email for one in sociallogin.email_addresses if one.verified]
        for email in verified if _settings(sociallogin)["trusted"] else []:
            if address := EmailAddress.objects.filter(email=email.lower(), verified=True).first():
                return address.user, address.email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Make the account of somebody new, if they may have one; allauth then signs them in to it."""
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            return
        token = _invitation(sociallogin)
        if not token and not _settings(sociallogin)["open"]:
            raise ImmediateHttpResponse(render(request, "people/not_invited.html", status=403))
        try:
            with transaction.atomic():
                sociallogin.connect(request, _make(sociallogin, token))
        except ActionError as error:
            messages.error(request, error.message)
            raise ImmediateHttpResponse(redirect("account_login")) from None
        sociallogin.state["next"] = reverse("home")

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, exception: Exception | None = None, **more: Any
    ) -> None:
        """Cancelled, refused, expired or tampered with: back to the door, with one sentence."""
        if exception is not None:
            log.warning("Signing in through %s failed: %r", provider.app.provider_id, exception)
        sentence = _("Signing in through %(name)s did not work. Try again.")
        messages.error(request, sentence % {"name": provider.name})
        raise ImmediateHttpResponse(redirect("account_login"))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("account")


def _make(login: SocialLogin, token: str) -> User:
    """Under a name that is free; where somebody takes it at this very moment, under the next one."""
    while True:  # each refusal means that one more account is there, which the next search sees
        with suppress(people.NameTaken), transaction.atomic():
            return _make_once(login, token)


def _make_once(login: SocialLogin, token: str) -> User:
    wanted, name = login.user.username or login.user.email, login.user.get_full_name()
    username = people.free_name(wanted)
    if token:
        return invitations.join(token, username, None, display_name=name)
    user = people.create_person(username, display_name=name, password=None)
    audit.record("user.came_by_provider", actor=user, subject=user.public_id, provider=login.account.provider)
    return user


def _settings(login: SocialLogin) -> dict[str, Any]:
    found = next(one for one in settings.OIDC if one["id"] == login.account.provider)
    return {"trusted": False, "open": False, **found}


def _invitation(login: SocialLogin) -> str:
    """The token of the invitation's page from which they went to the provider."""
    try:
        match = resolve(login.state.get("next") or "/")
    except Resolver404:
        return ""
    return str(match.kwargs["link"]) if match.view_name == "join" else ""
