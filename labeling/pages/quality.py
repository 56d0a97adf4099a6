"""Quality, for a lead: what the project asks of its labelers and how it looks after them, and how they do."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.actions import care, labelers, onboarding
from labeling.actions.errors import ActionError
from labeling.actions.labelers import Week
from labeling.doors import entered
from labeling.models import Item, Membership, Onboarding, Purpose, QualityPolicy
from labeling.pages import tallies
from labeling.pages.checks import SHORT
from labeling.pages.moves import move

PER_PAGE = 50
STAGE_TONES = {
    Onboarding.PASSED: "good",
    Onboarding.FAILED: "warn",
    Onboarding.REVIEW: "warn",
}


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = QualityPolicy
        fields = [
            "onboarding", "least_ranking_agreement", "least_flag_agreement", "least_demonstration_rating",
            "gold_rate", "repeat_rate", "sensitive_per_day", "break_after_minutes", "review_demonstrations",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for name, field in self.fields.items():
            if isinstance(field, forms.FloatField):
                field.widget.attrs["step"] = "0.1" if name == "least_demonstration_rating" else "0.01"


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    policy, _made = QualityPolicy.objects.get_or_create(project=membership.project)
    form = PolicyForm(request.POST or None, instance=policy)
    if form.is_valid():
        try:
            care.set_policy(membership.project, form.cleaned_data, actor=membership.user)
        except ActionError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("The project's quality policy is saved."))
            return redirect("quality", project)
    return render(request, "quality/index.html", {"form": form, **_context(request, membership)})


@require_POST
def set_onboarding(request: HttpRequest, project: str, member: str) -> HttpResponse:
    """Let a member in without the test (`move=waive`), or give them another try (`move=again`)."""
    lead, found = entered(request).membership, entered(request).the(Membership)
    name = {"name": found.user.shown_name}
    if request.POST.get("move") == "again":
        done = _("%(name)s can take the test again.") % name
        move(request, lambda: onboarding.try_again(found, by=lead), done)
    else:
        move(request, lambda: onboarding.waive(found, by=lead), _("The work is open to %(name)s.") % name)
    return redirect("quality", project)


def _context(request: HttpRequest, membership: Membership) -> dict[str, Any]:
    project = membership.project
    members = Membership.objects.filter(project=project, is_active=True).select_related("user")
    page = Paginator(members.order_by("user__username"), PER_PAGE).get_page(request.GET.get("page"))
    done = labelers.of_project(project, membership.user)
    checks = Item.objects.filter(project=project, state=Item.State.OPEN).exclude(purpose=Purpose.WORK)
    return {
        "membership": membership,
        "page": page,
        "rows": [_row(member, done.get(member.user_id)) for member in page.object_list],
        "weeks": labelers.WEEKS,
        "checks": [(name, checks.filter(purpose=purpose).count()) for purpose, name in SHORT.items()],
        "lacks_test": not care.has_test(project),
    }


def _row(member: Membership, done: Week | None) -> dict[str, Any]:
    week = done or labelers.together([])
    return {
        "member": member,
        "tone": STAGE_TONES.get(Onboarding(member.onboarding), ""),
        "may_waive": member.onboarding not in (Onboarding.PASSED, Onboarding.WAIVED),
        "may_again": member.onboarding == Onboarding.FAILED,
        "total": week.total,
        "time": tallies.hours(week.seconds),
        "shares": [tallies.cell(tally) for tally in (week.golds, week.repeats, week.others)],
    }
