"""Inviting somebody: the link that opens a project, and the e-mail that brings it."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from labeling.actions import invitations, limits
from labeling.actions.errors import BadInput
from labeling.identity import mail
from labeling.models import Invitation, Membership

SENT = limits.Limit("invitations by e-mail", most=50, seconds=3600)


def invite(
    request: HttpRequest,
    by: Membership,
    role: str,
    *,
    languages: Sequence[str],
    days: int,
    note: str,
    email: str = "",
) -> tuple[Invitation, str]:
    """An invitation and its link, which is stored nowhere; it goes to `email` too, where one is given.

    Raises BadInput as the verb does, or where nothing is sent here; TooMany.
    """
    if email:
        if not settings.EMAIL:
            raise BadInput(_("This installation sends no e-mail."), field="email")
        limits.take(SENT, by.user_id)
    made, token = invitations.invite(by.project, role, by=by.user, languages=languages, days=days, note=note)
    link = request.build_absolute_uri(reverse("join", args=[token]))
    if email:
        told = {"invitation": made, "link": link, "by": by.user.shown_name}
        text = render_to_string("people/email/invitation_message.txt", told)
        subject = _("An invitation to %(project)s") % {"project": by.project.name}
        mail.post(EmailMessage(" ".join(subject.split()), text, settings.DEFAULT_FROM_EMAIL, [email]))
    return made, link
