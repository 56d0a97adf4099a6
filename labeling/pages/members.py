"""The people of a project, for its leads: members, and invitations by link."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import invitations, projects
from labeling.actions.errors import ActionError
from labeling.doors import entered
from labeling.identity import inviting
from labeling.identity.forms import InviteForm, MemberForm
from labeling.models import Invitation, Membership
from labeling.pages.moves import move

PER_PAGE = 50
TONES = {"open": "good", "accepted": "", "revoked": "warn", "expired": "warn"}


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    return _page(request, InviteForm())


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest, project: str) -> HttpResponse:
    """The link is in this answer and nowhere else, so this answer is no redirect."""
    if request.method != "POST":
        return redirect("people", project)
    membership, form = entered(request).membership, InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    given = form.cleaned_data
    try:
        made, link = inviting.invite(request, membership, **given)
    except ActionError as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _page(request, form)
    if email := given.get("email"):
        messages.success(request, _("The invitation is on its way to %(email)s.") % {"email": email})
    return _page(request, InviteForm(), made=made, link=link)


@require_POST
def revoke(request: HttpRequest, invitation: str) -> HttpResponse:
    found = entered(request).the(Invitation)
    actor = entered(request).person
    move(request, lambda: invitations.revoke(found, actor=actor), _("The invitation is revoked."))
    return redirect("people", found.project.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
def member(request: HttpRequest, project: str, member: str) -> HttpResponse:
    """One member's role and languages."""
    lead, found = entered(request).membership, entered(request).the(Membership)
    form = MemberForm(
        request.POST or None, initial={"role": found.role, "languages": ", ".join(found.languages)}
    )
    if form.is_valid():
        given = form.cleaned_data
        try:
            projects.change_member(found, given["role"], languages=given["languages"], by=lead)
        except ActionError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("%(name)s is changed.") % {"name": found.user.shown_name})
            return redirect("people", project)
    return render(request, "people/member.html", {"membership": lead, "member": found, "form": form})


@require_POST
def set_active(request: HttpRequest, project: str, member: str) -> HttpResponse:
    """End a membership, or start it again (`active=1`)."""
    lead, found = entered(request).membership, entered(request).the(Membership)
    active = request.POST.get("active") == "1"
    done = _("%(name)s is a member again.") if active else _("%(name)s is no member any more.")
    move(
        request,
        lambda: projects.set_active(found, active, by=lead),
        done % {"name": found.user.shown_name},
    )
    return redirect("people", project)


def _page(
    request: HttpRequest,
    form: InviteForm,
    *,
    made: Invitation | None = None,
    link: str = "",
) -> HttpResponse:
    membership = entered(request).membership
    members = Membership.objects.filter(project=membership.project).select_related("user")
    page = Paginator(members.order_by("-is_active", "user__username"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    made_before = invitations.open_first(membership.project).select_related("accepted_by")
    listed = Paginator(made_before, PER_PAGE).get_page(request.GET.get("invitations"))
    now = timezone.now()
    states = [(one, one.state(now)) for one in listed.object_list]
    return render(
        request,
        "people/index.html",
        {
            "membership": membership,
            "page": page,
            "form": form,
            "made": made,
            "link": link,
            "invitations": [
                {"invitation": one, "state": state, "tone": TONES[state]} for one, state in states
            ],
            "invitation_page": listed,
        },
    )
