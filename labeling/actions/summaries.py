"""Who is due a summary of their week."""

from __future__ import annotations

import datetime

from django.db.models import Q

from labeling.actions import labelers
from labeling.actions.labelers import Week
from labeling.models import Membership


def take_due() -> list[tuple[Membership, Week]]:
    """Those who want a summary of the week that is over where they live, and have worked in it.

    Each is taken once, however many ask at the same time: a summary may get lost, it never comes twice.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    # A week ends somewhere up to a day before it does in UTC.
    maybe = Q(summarised_until=None) | Q(summarised_until__lte=today - datetime.timedelta(days=6))
    wanting = Membership.objects.filter(maybe, weekly_summary=True, is_active=True, user__is_active=True)
    due = []
    for membership in wanting.select_related("project", "user"):
        monday = labelers.this_monday(membership.user)
        taken = Membership.objects.filter(
            Q(summarised_until=None) | Q(summarised_until__lt=monday), pk=membership.pk
        ).update(summarised_until=monday)
        weeks = labelers.weeks_of(membership, 2) if taken else []
        due += [(membership, week) for week in weeks if week.end == monday]
    return due
