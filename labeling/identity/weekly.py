"""The weekly summary by e-mail, to who wants it and has a confirmed address."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from labeling.actions import summaries
from labeling.identity import mail


def send_due() -> int:
    """Send what is due, in each one's language; returns how many. Nothing where no e-mail is sent here."""
    if not settings.EMAIL:
        return 0
    sent = 0
    for membership, week in summaries.take_due():
        address = (
            EmailAddress.objects.filter(user=membership.user, verified=True).order_by("-primary").first()
        )
        if address is None:
            continue
        with translation.override(membership.user.language or settings.LANGUAGE_CODE):
            told = {"membership": membership, "week": week, "minutes": round(week.seconds / 60)}
            text = render_to_string("quality/email/week_message.txt", told)
            subject = _("Your week in %(project)s") % {"project": membership.project.name}
        mail.post(EmailMessage(" ".join(subject.split()), text, settings.DEFAULT_FROM_EMAIL, [address.email]))
        sent += 1
    return sent
