"""The forms of the sign-in pages. Each turns a refusal by its verb into one sentence at the right place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.forms import AddEmailForm, ResetPasswordForm, ResetPasswordKeyForm
from allauth.account.internal import flows
from allauth.account.models import EmailAddress, Login
from allauth.core import context
from allauth.mfa.adapter import get_adapter as factors
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.totp.internal.auth import get_totp_secret
from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from labeling.actions import invitations, limits, sign_in
from labeling.actions.errors import ActionError
from labeling.address import client_address
from labeling.models import Role, User

RESETS_BY_ADDRESS = limits.Limit("reset by address", most=20, seconds=3600)
RESETS_OF_ONE = limits.Limit("reset of e-mail", most=5, seconds=3600)
EMAILS = limits.Limit("e-mail of account", most=5, seconds=3600)
TOO_MANY = "too_many"


@contextmanager
def at_the_form() -> Iterator[None]:
    """A refusal is shown by the form, and one for too many tries by the status too (pages/limited.py)."""
    try:
        yield
    except limits.TooMany as error:
        raise forms.ValidationError(error.message, TOO_MANY, error.data) from None
    except ActionError as error:
        raise forms.ValidationError(error.message) from None


class Plain(forms.Form):
    """Our labels stand above their fields, without a colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


def password_field(label: Any, autocomplete: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, strip=False, widget=widget, max_length=1024)


def check_own_password(user: User, password: str) -> str:
    """The password if it is the user's own. It can be guessed no faster here than at the sign-in page."""
    with at_the_form():
        found = sign_in.check_password(user.username, password, client_address(context.request))
    if found != user:
        raise forms.ValidationError(_("This is not your password."))
    return password


def code_field() -> forms.CharField:
    attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
    return forms.CharField(label=_("Code"), max_length=20, widget=forms.TextInput(attrs=attrs))


# --- coming in -----------------------------------------------------------------------------------------


class SignInForm(Plain):
    """One message for a wrong name, a wrong password and a closed account: it tells a guesser nothing."""

    username = forms.CharField(
        label=_("Username or e-mail address"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = password_field(_("Password"), "current-password")

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.user: User | None = None

    def clean(self) -> None:
        if self.errors:
            return
        name, password = self.cleaned_data["username"], self.cleaned_data["password"]
        with at_the_form():
            self.user = sign_in.check_password(name, password, client_address(self.request))
        if self.user is None:
            raise forms.ValidationError(_("This name and password do not belong together. Check both."))

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """Into allauth's stages: a second factor, where there is one, comes next."""
        login = Login(user=self.user, redirect_url=redirect_url)
        done: HttpResponse = flows.login.perform_password_login(request, {}, login)
        return done


class CodeForm(Plain):
    """The second step of signing in."""

    code = code_field()
    again = False

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_code(self) -> str:
        with at_the_form():
            factor = sign_in.check_code(self.user, self.cleaned_data["code"])
        if factor is None:
            raise factors().validation_error("incorrect_code")
        self.factor = factor
        return str(self.cleaned_data["code"])

    def save(self) -> None:
        self.factor.user = self.user
        post_authentication(context.request, self.factor, reauthenticated=self.again)


class CodeAgainForm(CodeForm):
    again = True


class PasswordAgainForm(Plain):
    """Before one changes how one signs in."""

    password = password_field(_("Password"), "current-password")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        return check_own_password(self.user, self.cleaned_data["password"])


class ChangePasswordForm(PasswordChangeForm):
    """Django's, with our limits on guessing the old password."""

    def clean_old_password(self) -> str:
        return check_own_password(self.user, self.cleaned_data["old_password"])


class FirstCodeForm(Plain):
    """Setting up an app: its first code shows that it has the secret."""

    code = code_field()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.secret: str = get_totp_secret(regenerate=not self.is_bound)

    def clean_code(self) -> str:
        with at_the_form():
            is_right = sign_in.check_first_code(self.user, self.secret, self.cleaned_data["code"])
        if not is_right:
            raise factors().validation_error("incorrect_code")
        return str(self.cleaned_data["code"])


# --- by e-mail -----------------------------------------------------------------------------------------


class ForgottenPasswordForm(Plain, ResetPasswordForm):  # type: ignore[misc]
    """The answer is the same whether or not an account has this address; only a verified one gets mail."""

    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True})
    )

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        with at_the_form():
            limits.take_all((RESETS_BY_ADDRESS, client_address(context.request)), (RESETS_OF_ONE, email))
        known = EmailAddress.objects.filter(email=email, verified=True, user__is_active=True)
        self.users = [address.user for address in known.select_related("user")]
        return email


class NewPasswordForm(Plain, ResetPasswordKeyForm):  # type: ignore[misc]
    password1 = password_field(_("New password"), "new-password")
    password2 = password_field(_("New password, once more"), "new-password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = password_validation.password_validators_help_text_html()

    def clean_password1(self) -> str:
        password = str(self.cleaned_data["password1"])
        password_validation.validate_password(password, self.user)
        return password


class EmailForm(Plain, AddEmailForm):  # type: ignore[misc]
    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    def clean_email(self) -> str:
        with at_the_form():
            limits.take(EMAILS, self.user.pk)
        return str(super().clean_email())


# --- by invitation -------------------------------------------------------------------------------------


class JoinForm(Plain):
    """A new account, by an invitation."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        help_text=_("With this you sign in. Letters, digits and . + - _"),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    display_name = forms.CharField(
        label=_("Name"),
        max_length=150,
        required=False,
        help_text=_("How others in the project see you. If you leave it empty, they see the username."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = password_field(_("Password"), "new-password")
    password_again = password_field(_("Password, once more"), "new-password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = password_validation.password_validators_help_text_html()

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        told = {name: self.cleaned_data.get(name, "") for name in ("username", "display_name")}
        password_validation.validate_password(
            password, User(username=told["username"], first_name=told["display_name"])
        )
        return password

    def clean(self) -> None:
        given = self.cleaned_data.get("password")
        if given and given != self.cleaned_data.get("password_again"):
            self.add_error("password_again", _("The two passwords are not the same."))


class MemberForm(Plain):
    """What a lead says about a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.LABELER)
    languages = forms.CharField(
        label=_("Languages"),
        max_length=200,
        required=False,
        help_text=_("Those they read, such as en, zh. Empty means all."),
    )

    def clean_languages(self) -> list[str]:
        words = re.split("[,，、]", str(self.cleaned_data["languages"]))
        return [word.strip() for word in words if word.strip()]


class InviteForm(MemberForm):
    """What a lead says about whom they invite."""

    note = forms.CharField(
        label=_("For whom"),
        max_length=invitations.MOST_NOTE,
        required=False,
        help_text=_("A note for the leads of this project."),
    )
    days = forms.IntegerField(
        label=_("Valid for days"), min_value=1, max_value=invitations.MOST_DAYS, initial=invitations.DAYS
    )
    email = forms.EmailField(
        label=_("Send it to"),
        required=False,
        help_text=_("An e-mail address. The link is also shown to you."),
    )
    field_order = ("note", "role", "languages", "days", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.EMAIL:
            del self.fields["email"]
