"""The people of a project, for its leads: members, and invitations by link."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.mail import EmailMessage
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from labeling import access
from labeling.actions import invitations, limits, projects
from labeling.actions.errors import ActionError
from labeling.doors import entered
from labeling.identity import mail
from labeling.identity.forms import InviteForm
from labeling.models import Invitation, Membership
from labeling.pages.moves import move

PER_PAGE = 50
TONES = {"open": "good", "accepted": "", "revoked": "warn", "expired": "warn"}
SENT = limits.Limit("invitations by e-mail", most=50, seconds=3600)


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    return _page(request, InviteForm())


@never_cache
@require_POST
def invite(request: HttpRequest, project: str) -> HttpResponse:
    """The link is in this answer and nowhere else, so this answer is no redirect."""
    membership, form = entered(request).membership, InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    given = form.cleaned_data
    try:
        if email := given["email"] if settings.EMAIL else "":
            limits.take(SENT, membership.user_id)
        made, token = invitations.invite(
            membership.project,
            given["role"],
            by=membership.user,
            languages=given["languages"],
            days=given["days"],
            note=given["note"],
        )
    except ActionError as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _page(request, form)
    link = request.build_absolute_uri(reverse("join", args=[token]))
    if email:
        _send(request, made, link, email)
    return _page(request, InviteForm(), made=made, link=link, sent_to=email)


@require_POST
def revoke(request: HttpRequest, invitation: str) -> HttpResponse:
    found = entered(request).the(Invitation)
    actor = entered(request).person
    move(request, lambda: invitations.revoke(found, actor=actor), _("The invitation is revoked."))
    return redirect("people", found.project.public_id)


@require_POST
def set_active(request: HttpRequest, project: str) -> HttpResponse:
    """End the membership of `person`, or start it again (`active=1`)."""
    lead, active = entered(request).membership, request.POST.get("active") == "1"
    found = access.member(lead.project, request.POST.get("person", ""))
    if found is None:
        messages.error(request, _("There is no such member."))
    else:
        done = _("%(name)s is a member again.") if active else _("%(name)s is no member any more.")
        move(
            request,
            lambda: projects.set_active(found, active, actor=lead.user),
            done % {"name": found.user.shown_name},
        )
    return redirect("people", lead.project.public_id)


def _page(
    request: HttpRequest,
    form: InviteForm,
    *,
    made: Invitation | None = None,
    link: str = "",
    sent_to: str = "",
) -> HttpResponse:
    membership = entered(request).membership
    if not settings.EMAIL:
        del form.fields["email"]
    members = Membership.objects.filter(project=membership.project).select_related("user")
    page = Paginator(members.order_by("-is_active", "user__username"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    now = timezone.now()
    made_before = Invitation.objects.filter(project=membership.project).select_related("accepted_by")
    listed = [(one, one.state(now)) for one in made_before.order_by("-pk")[:PER_PAGE]]
    return render(
        request,
        "people/index.html",
        {
            "membership": membership,
            "page": page,
            "form": form,
            "made": made,
            "link": link,
            "sent_to": sent_to,
            "invitations": [
                {"invitation": one, "state": state, "tone": TONES[state]} for one, state in listed
            ],
        },
    )


def _send(request: HttpRequest, made: Invitation, link: str, email: str) -> None:
    told = {"invitation": made, "link": link, "by": made.created_by.shown_name}
    text = render_to_string("people/email/invitation_message.txt", told, request)
    subject = _("An invitation to %(project)s") % {"project": made.project.name}
    mail.post(EmailMessage(" ".join(subject.split()), text, settings.DEFAULT_FROM_EMAIL, [email]))
    messages.success(request, _("The invitation is on its way to %(email)s.") % {"email": email})
