"""Joining a project by a link, with a new account or one's own."""

from __future__ import annotations

from allauth.account.internal import flows
from allauth.account.models import Login
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.actions import invitations
from labeling.actions.errors import ActionError
from labeling.identity.forms import JoinForm
from labeling.models import User


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, link: str) -> HttpResponse:
    """Only a POST spends the link: programs that look at links in messages send a GET."""
    user = request.user if isinstance(request.user, User) else None
    form = JoinForm(request.POST or None)
    try:
        invitation = invitations.find(link)
        if user and request.method == "POST":
            membership = invitations.accept(link, user)
            messages.success(request, _("You are in: %(project)s.") % {"project": membership.project.name})
            return redirect("home")
        if not user and form.is_valid():
            return _come_in(request, link, form)
    except invitations.NotOpen as error:
        return render(request, "people/invitation_closed.html", {"message": error.message}, status=410)
    except ActionError as error:
        if user:
            messages.error(request, error.message)
            return redirect("home")
        form.add_error(error.field if error.field in form.fields else None, error.message)
    context = {"invitation": invitation, "form": form, "providers": settings.OIDC, "next": request.path}
    return render(request, "people/join.html", context)


def _come_in(request: HttpRequest, link: str, form: JoinForm) -> HttpResponse:
    given = form.cleaned_data
    new = invitations.join(
        link,
        given["username"],
        given["password"],
        display_name=given["display_name"].strip(),
        language=get_language() or "",
    )
    done: HttpResponse = flows.login.perform_password_login(
        request, {}, Login(user=new, redirect_url=reverse("home"))
    )
    return done
