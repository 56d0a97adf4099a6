"""A labeler's own numbers in a project, and what they wish: for themselves, compared with nobody by name.

How well answers agree is shown of weeks that are over: figures that moved with each answer would tell which
items are checks.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from labeling.actions import care, labelers
from labeling.doors import entered
from labeling.identity.forms import Plain
from labeling.models import Membership, Sensitive
from labeling.pages import tallies
from labeling.pages.facts import Figure


class WishesForm(Plain):
    opt_outs = forms.MultipleChoiceField(
        label=gettext_lazy("Do not show me"),
        choices=Sensitive.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    weekly_summary = forms.BooleanField(
        label=gettext_lazy("Send me a summary of my week by e-mail, on Mondays"), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.EMAIL:
            del self.fields["weekly_summary"]


@never_cache
@require_GET
def show(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    return _page(request, membership, _form(membership))


@require_POST
def set_wishes(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    form = _form(membership, request.POST)
    if not form.is_valid():
        return _page(request, membership, form)
    given = form.cleaned_data
    care.set_wishes(
        membership,
        opt_outs=given["opt_outs"],
        weekly_summary=given.get("weekly_summary", membership.weekly_summary),
    )
    messages.success(request, _("Your wishes are saved."))
    return redirect("my-work", project)


def _form(membership: Membership, given: Any = None) -> WishesForm:
    now = {"opt_outs": membership.opt_outs, "weekly_summary": membership.weekly_summary}
    return WishesForm(given, initial=now)


def _page(request: HttpRequest, membership: Membership, form: WishesForm) -> HttpResponse:
    weeks = labelers.weeks_of(membership)
    monday = labelers.this_monday(membership.user)
    over = [week for week in weeks if week.monday < monday]
    whole, settled = labelers.together(weeks), labelers.together(over)
    last = over[0] if over and over[0].end == monday else None
    context = {
        "membership": membership,
        "form": form,
        "weeks": [
            {
                "week": week,
                "is_over": week.monday < monday,
                "time": tallies.hours(week.seconds),
                "golds": tallies.cell(week.golds),
                "repeats": tallies.cell(week.repeats),
                "others": tallies.cell(week.others),
            }
            for week in weeks
        ],
        "figures": [
            Figure(_("Items"), f"{whole.total:,}", " · ".join(tallies.amounts(whole))),
            Figure(_("Active time"), tallies.hours(whole.seconds), _("idle time is left out")),
            tallies.figure(_("Agreement on known items"), settled.golds),
            tallies.figure(_("Agreement with yourself"), settled.repeats),
            tallies.figure(_("Agreement with others"), settled.others),
        ],
        "last": last,
        "last_amounts": tallies.amounts(last) if last else [],
        "last_time": tallies.hours(last.seconds) if last else "",
        "count": labelers.WEEKS,
    }
    return render(request, "quality/my_work.html", context)
