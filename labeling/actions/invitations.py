"""Invitations: a lead makes a link, one person joins by it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.actions import audit, bearer, people, projects
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.text import check_text
from labeling.models import Invitation, Membership, Project, Role, User

DAYS = 14
MOST_DAYS = 90
MOST_NOTE = 120


class NotOpen(NotNow):
    """There is no such link, or it was used, revoked, or has expired: one answer for all of them."""

    def __init__(self) -> None:
        super().__init__(_("This invitation is not valid, or not any more. Ask for a new one."))


@transaction.atomic
def invite(
    project: Project,
    role: str,
    *,
    by: User,
    languages: Sequence[str] = (),
    days: int = DAYS,
    note: str = "",
) -> tuple[Invitation, str]:
    """An invitation and its token, which is stored nowhere in clear.

    Raises BadInput for an unknown role, a language that is no tag, or a number of days out of range.
    """
    projects.check_role(role)
    projects.check_languages(languages)
    if not 1 <= days <= MOST_DAYS:
        raise BadInput(_("Between 1 and %(most)d days are possible.") % {"most": MOST_DAYS}, field="days")
    token = bearer.new_secret()
    invitation = Invitation(
        project=project,
        role=role,
        languages=list(languages),
        note=check_text(note, "note", required=False).strip(),
        digest=bearer.digest(token),
        created_by=by,
        expires_at=timezone.now() + datetime.timedelta(days=days),
    )
    if len(invitation.note) > MOST_NOTE:
        raise BadInput(_("At most %(most)d characters.") % {"most": MOST_NOTE}, field="note")
    invitation.save()
    audit.record(
        "invitation.created",
        project=project,
        actor=by,
        subject=invitation.public_id,
        role=role,
        languages=list(languages),
        days=days,
    )
    return invitation, token


def find(token: str) -> Invitation:
    """The open invitation of this token, whose maker is still a lead of its project. Raises NotOpen."""
    found = (
        Invitation.objects.select_related("project", "created_by").filter(digest=bearer.digest(token)).first()
    )
    if found is None or found.state(timezone.now()) != Invitation.State.OPEN:
        raise NotOpen
    maker = Membership.objects.select_related("user").filter(project=found.project, user=found.created_by)
    if not any(one.may(Role.LEAD) and one.user.is_active for one in maker):
        raise NotOpen
    return found


def open_first(project: Project) -> models.QuerySet[Invitation]:
    """A project's invitations, the newest first; those that still let somebody in before all others."""
    is_open = models.Q(accepted_at=None, revoked_at=None, expires_at__gt=Now())
    of_project = Invitation.objects.filter(project=project)
    return of_project.order_by(models.Case(models.When(is_open, then=0), default=1), "-pk")


@transaction.atomic
def accept(token: str, user: User) -> Membership:
    """Take the user into the project; the link is spent. Raises NotOpen, NotNow for who is a member already.

    Whoever was a member once comes back by a lead's decision, not by a link that was passed on.
    """
    invitation = find(token)
    # One conditional update: of two people with the same link, one joins.
    spent = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=Now()
    ).update(accepted_at=Now(), accepted_by=user)
    if not spent:
        raise NotOpen
    before = Membership.objects.filter(project=invitation.project, user=user).first()
    if before is not None:
        raise NotNow(
            _("You are a member of this project already.")
            if before.is_active
            else _("Your membership of this project was ended. A lead can start it again.")
        )
    membership = projects.add_member(
        invitation.project, user, invitation.role, languages=invitation.languages, actor=user
    )
    audit.record("invitation.accepted", project=invitation.project, actor=user, subject=invitation.public_id)
    return membership


@transaction.atomic
def join(token: str, username: str, password: str | None, *, display_name: str, language: str = "") -> User:
    """A new account that joins by this link. Raises NotOpen, BadInput for a name that is taken."""
    user = people.create_person(username, display_name=display_name, password=password, language=language)
    accept(token, user)
    return user


@transaction.atomic
def revoke(invitation: Invitation, *, actor: User) -> None:
    """Close the link. Raises NotNow if it was used before."""
    closed = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(
        revoked_at=Now()
    )
    if not closed:
        raise NotNow(_("This invitation was used or revoked already."))
    audit.record("invitation.revoked", project=invitation.project, actor=actor, subject=invitation.public_id)
