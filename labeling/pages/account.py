"""One's own account: how one signs in. Allauth's views, with our pages and addresses."""

from __future__ import annotations

from typing import Any

from allauth.account import views as allauth
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.models import EmailAddress
from allauth.mfa.base.views import ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import sign_in, tokens
from labeling.actions.errors import ActionError
from labeling.doors import entered
from labeling.models import User
from labeling.pages.limited import Limited

HOME = reverse_lazy("account")


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    user = entered(request).person
    codes = _factor(user, Authenticator.Type.RECOVERY_CODES)
    linked = {link.provider: link for link in SocialAccount.objects.filter(user=user)}
    return render(
        request,
        "account/index.html",
        {
            "second_factor": _factor(user, Authenticator.Type.TOTP),
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "email": EmailAddress.objects.filter(user=user).order_by("-verified").first(),
            "sends_email": bool(settings.EMAIL),
            "tokens": tokens.valid().filter(user=user).count(),
            "providers": [{**one, "link": linked.get(one["id"])} for one in settings.OIDC],
        },
    )


def _factor(user: User, kind: str) -> Authenticator | None:
    found: Authenticator | None = Authenticator.objects.filter(user=user, type=kind).first()
    return found


class PasswordAgain(Limited, allauth.ReauthenticateView):  # type: ignore[misc]
    template_name = "account/again.html"


class CodeAgain(Limited, ReauthenticateView):  # type: ignore[misc]
    template_name = "account/again.html"


class SecondFactorOn(Limited, ActivateTOTPView):  # type: ignore[misc]
    """Scan a picture, type the first code, and keep the recovery codes."""

    template_name = "account/second_factor_on.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**more)
        secret = context["form"].secret
        groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
        return {**context, "secret": " ".join(groups)}

    def get_success_url(self) -> str:
        return reverse("mfa_view_recovery_codes" if self.did_generate_recovery_codes else "account")


class SecondFactorOff(DeactivateTOTPView):  # type: ignore[misc]
    template_name = "account/second_factor_off.html"
    success_url = HOME

    def dispatch(self, request: HttpRequest, *arguments: Any, **keywords: Any) -> HttpResponseBase:
        if not _factor(entered(request).person, Authenticator.Type.TOTP):
            return redirect(HOME)
        answer: HttpResponseBase = super().dispatch(request, *arguments, **keywords)
        return answer


class RecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    template_name = "account/recovery_codes.html"

    def dispatch(self, request: HttpRequest, *arguments: Any, **keywords: Any) -> HttpResponseBase:
        if not _factor(entered(request).person, Authenticator.Type.RECOVERY_CODES):
            return redirect(HOME)
        answer: HttpResponseBase = super().dispatch(request, *arguments, **keywords)
        answer["Cache-Control"] = "no-store"
        return answer


class NewRecoveryCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    template_name = "account/new_recovery_codes.html"


class Email(Limited, allauth.EmailView):  # type: ignore[misc]
    """The one address of an account. It counts only once its owner has confirmed it."""

    template_name = "account/email.html"

    def dispatch(self, request: HttpRequest, *arguments: Any, **keywords: Any) -> HttpResponseBase:
        if not settings.EMAIL:
            messages.info(request, _("This installation sends no e-mail, so it needs no address."))
            return redirect(HOME)
        raise_if_reauthentication_required(request, app="allauth.account")
        answer: HttpResponseBase = super().dispatch(request, *arguments, **keywords)
        return answer


class ConfirmEmail(allauth.ConfirmEmailView):  # type: ignore[misc]
    template_name = "account/confirm_email.html"

    def post(self, *arguments: Any, **keywords: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().post(*arguments, **keywords)
        except Http404:
            self.object = None
            answer = self.render_to_response(self.get_context_data(), status=410)
        return answer


@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here; with `tokens`, programs too."""
    user = entered(request).person
    sign_in.sign_out_everywhere(user, programs="tokens" in request.POST)
    update_session_auth_hash(request, user)
    messages.success(request, _("You are signed out everywhere else."))
    return redirect(HOME)


@require_POST
def unlink(request: HttpRequest, provider_id: str) -> HttpResponse:
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    try:
        sign_in.unlink(entered(request).person, provider_id)
    except ActionError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("You can no longer sign in that way."))
    return redirect(HOME)


# --- a forgotten password ------------------------------------------------------------------------------


class ForgottenPassword(Limited, allauth.PasswordResetView):  # type: ignore[misc]
    template_name = "people/forgotten.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return {**super().get_context_data(**more), "sends_email": bool(settings.EMAIL)}


class ForgottenPasswordSent(allauth.PasswordResetDoneView):  # type: ignore[misc]
    template_name = "people/forgotten_sent.html"


class NewPassword(allauth.PasswordResetFromKeyView):  # type: ignore[misc]
    template_name = "people/new_password.html"
    success_url = reverse_lazy("account_login")
