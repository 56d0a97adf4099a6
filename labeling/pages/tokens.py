"""One's own tokens for the API: making one, which is shown this once, and revoking one."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling.actions import tokens
from labeling.actions.errors import BadInput
from labeling.doors import entered
from labeling.identity.forms import Plain
from labeling.models import ApiToken

LIFETIMES = [
    ("30", gettext_lazy("after 30 days")),
    ("90", gettext_lazy("after 90 days")),
    ("365", gettext_lazy("after a year")),
    ("", gettext_lazy("never")),
]


class TokenForm(Plain):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=tokens.NAME_LENGTH,
        help_text=gettext_lazy("What it is for, so that you know later which one to revoke."),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        choices=LIFETIMES,
        coerce=int,
        empty_value=None,
        required=False,
        initial="90",
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """The list, and after a POST the new token: it is in this one page and nowhere else.

    A token opens the account as a password does, so making one asks who it is, like changing that.
    """
    user = entered(request).person
    if request.method == "POST":
        raise_if_reauthentication_required(request, app="labeling")
    form = TokenForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form}
    if form.is_bound and form.is_valid():
        try:
            _made, context["secret"] = tokens.create(
                user, form.cleaned_data["name"], days=form.cleaned_data["days"]
            )
        except BadInput as error:
            form.add_error(error.field, str(error.message))
        else:
            context["form"] = TokenForm()
    context["now"] = timezone.now()
    context["tokens"] = ApiToken.objects.filter(user=user).order_by("-pk")
    return render(request, "account/tokens.html", context)


@require_POST
def revoke(request: HttpRequest, token: str) -> HttpResponse:
    found = entered(request).the(ApiToken)
    tokens.revoke(found)
    messages.success(request, _("The token %(name)s is revoked.") % {"name": found.name})
    return redirect("tokens")
