"""A project's guidelines: read and accepted by who works by them, written as versions by its leads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import differences
from labeling.actions import guidelines as guides
from labeling.actions.errors import ActionError
from labeling.api.rubrics import described
from labeling.doors import entered
from labeling.identity.forms import Plain
from labeling.markdown import markdown
from labeling.models import Guidelines, Membership, Rubric
from labeling.pages import versions

# --- for those who work by them ----------------------------------------------------------------------


@never_cache
@require_GET
def guidelines(request: HttpRequest, project: str) -> HttpResponse:
    """The version in force, what it changes for this member, and the rubric that is asked now."""
    membership = entered(request).membership
    now, accepted = guides.latest(membership.project), guides.accepted(membership)
    rubric = Rubric.objects.filter(project=membership.project).order_by("-version").first()
    changes = differences.lines(accepted.text, now.text) if now and accepted else []
    context = {
        "membership": membership,
        "version": now,
        "text": markdown(now.text) if now else "",
        "accepted": accepted,
        "must_accept": guides.must_accept(membership),
        "changes": changes,
        "next": _next(request),
        "rubric": described(rubric, rubric.flags) if rubric else None,
    }
    return render(request, "work/guidelines.html", context)


@require_POST
def accept(request: HttpRequest, project: str) -> HttpResponse:
    """Accept what was read: the version that the form names, if it is still in force."""
    membership, next = entered(request).membership, _next(request)
    given = request.POST.get("version", "")
    version = int(given) if given.isdecimal() and len(given) < 10 else 0
    try:
        guides.accept(membership, version)
    except ActionError as error:
        messages.error(request, error.message)
        back = reverse("guidelines", args=[project])
        return redirect(f"{back}?{urlencode({'next': next})}" if next else back)
    messages.success(request, _("Thank you. You work by version %(number)d now.") % {"number": version})
    return redirect(next or reverse("guidelines", args=[project]))


def _next(request: HttpRequest) -> str:
    """Where one was going; nothing where that is no page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    return wanted if is_ours and wanted.startswith("/") else ""


# --- for leads ---------------------------------------------------------------------------------------


class GuidelinesForm(Plain):
    """A version to be. `base` is the one that it was written upon."""

    base = forms.IntegerField(widget=forms.HiddenInput)
    text = forms.CharField(
        label=gettext_lazy("Guidelines"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "true"}),
        help_text=gettext_lazy("Markdown: headings, lists, tables, code."),
    )
    note = forms.CharField(
        label=gettext_lazy("What this version changes"),
        required=False,
        help_text=gettext_lazy("One line, for the history and for those who have read the version before."),
    )
    binding = forms.BooleanField(required=False)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, project: str) -> HttpResponse:
    """Write the next version. “Preview” comes back with the page as it was left, and stores nothing."""
    membership = entered(request).membership
    now = guides.latest(membership.project)
    if request.method != "POST":
        begun = {"base": now.version, "text": now.text, "binding": now.binding} if now else {"base": 0}
        return _editor(request, membership, GuidelinesForm(initial=begun), now)
    form = GuidelinesForm(request.POST)
    if not form.is_valid() or request.POST.get("do") != "publish":
        return _editor(request, membership, form, now, is_previewed=form.is_valid())
    try:
        written = guides.write(membership.project, actor=entered(request).person, **form.cleaned_data)
    except ActionError as error:
        form.add_error(error.field if error.field in ("text", "note") else None, error.message)
        is_stale = error.field == "base"
        return _editor(request, membership, form, now, is_previewed=is_stale, rebase=is_stale)
    messages.success(request, _("Version %(number)d is in force.") % {"number": written.version})
    return redirect("guidelines-history", project)


def _editor(
    request: HttpRequest,
    membership: Membership,
    form: GuidelinesForm,
    now: Guidelines | None,
    *,
    is_previewed: bool = False,
    rebase: bool = False,
) -> HttpResponse:
    """`rebase`: the lead has been told of another's version, and writes on top of it from here on."""
    context: dict[str, Any] = {"membership": membership, "form": form, "now": now}
    if is_previewed:
        text = form.cleaned_data.get("text", "").replace("\r\n", "\n")
        context["preview"] = markdown(text) or " "
        context["changes"] = differences.lines(now.text if now else "", text)
    if rebase and now:
        form.data = {**form.data.dict(), "base": now.version}  # type: ignore[attr-defined]
    return render(request, "labeling/guidelines.html", context)


@require_GET
def history(request: HttpRequest, project: str) -> HttpResponse:
    """Every version with who, when and why; `?version=` shows one, and what it changed."""
    written = Guidelines.objects.annotate(readers=Count("acceptances"))
    return versions.history(request, written, "labeling/guidelines_history.html", _shown)


def _shown(version: Guidelines, before: Guidelines | None) -> dict[str, Any]:
    changes = differences.lines(before.text, version.text) if before else []
    return {"text": markdown(version.text), "changes": changes}
