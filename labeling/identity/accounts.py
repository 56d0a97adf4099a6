"""allauth's account adapter: passwords within our limits, sessions, e-mail."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from labeling.actions import audit, preferences, sign_in
from labeling.actions.errors import ActionError
from labeling.address import client_address
from labeling.identity import mail
from labeling.models import User

FRESH_SECONDS = 300
"""So long after signing in, or giving the password again, one may change how one signs in."""

SAID = {
    "mfa/messages/totp_activated.txt": _("The second factor is on."),
    "mfa/messages/totp_deactivated.txt": _("The second factor is off."),
    "account/messages/password_changed.txt": _("Your password is saved."),
    "account/messages/email_confirmation_sent.txt": _("Look into your e-mail: a link there confirms it."),
    "account/messages/email_confirmed.txt": _("Your e-mail address is confirmed."),
    "account/messages/email_deleted.txt": _("The e-mail address is removed."),
    "socialaccount/messages/account_connected.txt": _("You can sign in this way from now on."),
    "socialaccount/messages/account_disconnected.txt": _("You can no longer sign in that way."),
    "socialaccount/messages/account_connected_other.txt": _("That sign-in belongs to another account here."),
}
"""Of allauth's messages, those that we say, in our words."""

RECORDED = {
    "mfa/email/totp_activated": "second_factor.added",
    "mfa/email/totp_deactivated": "second_factor.removed",
    "mfa/email/recovery_codes_generated": "recovery_codes.renewed",
    "socialaccount/email/account_connected": "provider.linked",
    "account/email/email_changed": "email.changed",
    "account/email/email_deleted": "email.removed",
}


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_password": _("This is not your password."),
        "invalid_password_reset": _("This link is not valid, or not any more."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # accounts are made by operators and by invitations

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        try:
            name, password = credentials.get("username", ""), credentials["password"]
            return sign_in.check_password(name, password, client_address(request))
        except ActionError as error:
            raise ValidationError(error.message) from None

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Not by who has just signed in: the password was typed a moment ago."""
        records = get_authentication_records(self.request, self.request.user)
        return not records or time.time() - records[-1]["at"] > FRESH_SECONDS

    def set_password(self, user: User, password: str) -> None:
        """By a link in an e-mail; our own page changes one that is known (pages/people.py)."""
        preferences.replace_forgotten_password(user, password)
        if self.request.user == user:
            update_session_auth_hash(self.request, user)

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *rest: Any, **more: Any
    ) -> None:
        if text := more.get("message") or SAID.get(message_template or ""):
            messages.add_message(request, level, str(text))

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        messages.error(request, _("This account is closed. Ask whoever runs this installation."))
        return redirect("account_login")

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        return reverse("account")

    def send_notification_mail(self, template_prefix: str, user: User, *rest: Any, **more: Any) -> None:
        """What allauth would write to the person about is recorded."""
        if verb := RECORDED.get(template_prefix):
            audit.record(verb, actor=user, subject=user.public_id)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        mail.post(self.render_mail(template_prefix, email, {"request": self.request, **context}))
