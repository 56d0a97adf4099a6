"""Personal tokens for the API: making one, finding whose it is, taking it back."""

from __future__ import annotations

import datetime

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.actions import audit, bearer
from labeling.actions.errors import BadInput
from labeling.actions.text import check_text
from labeling.models import ApiToken, User

PREFIX = "rl_"
"""By it a token is known for what it is where it should not stand, in a log or a repository."""
SHOWN_CHARACTERS = len(PREFIX) + 5
NAME_LENGTH = 100
LONGEST_DAYS = 3650
USE_IS_KEPT_EVERY = datetime.timedelta(hours=1)


@transaction.atomic
def create(
    user: User, name: str, *, days: int | None = None, actor: User | None = None
) -> tuple[ApiToken, str]:
    """A new token of this person's and the token itself, which is stored nowhere.

    It expires after so many `days`, without them never. Raises BadInput for a name or days that cannot be.
    """
    name = check_text(name, "name").strip()
    if len(name) > NAME_LENGTH:
        raise BadInput(_("At most %(most)d characters are taken.") % {"most": NAME_LENGTH}, field="name")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise BadInput(_("From 1 to %(most)d days are taken.") % {"most": LONGEST_DAYS}, field="days")
    secret = PREFIX + bearer.new_secret()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=bearer.digest(secret),
        starts_with=secret[:SHOWN_CHARACTERS],
        expires_at=None if days is None else timezone.now() + datetime.timedelta(days=days),
    )
    audit.record("token.created", actor=actor or user, subject=token.public_id, days=days)
    return token, secret


def valid() -> models.QuerySet[ApiToken]:
    """Neither expired nor revoked."""
    in_time = models.Q(expires_at=None) | models.Q(expires_at__gt=Now())
    return ApiToken.objects.filter(in_time, revoked_at=None)


def find(secret: str) -> ApiToken | None:
    """The valid token of an active account, with its user, or None. Its use is noted once an hour."""
    if not secret.startswith(PREFIX) or not secret.isascii():
        return None
    token = valid().select_related("user").filter(digest=bearer.digest(secret), user__is_active=True).first()
    if token is not None and _is_due(token):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    return token


@transaction.atomic
def revoke(token: ApiToken, *, actor: User | None = None) -> None:
    """The token is good for nothing from now on. Revoking it again changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        audit.record("token.revoked", actor=actor or token.user, subject=token.public_id)


@transaction.atomic
def revoke_all(user: User, *, actor: User | None = None) -> None:
    """For an account that is taken back: whoever came in by a token of it is out."""
    for token in valid().select_related("user").filter(user=user):
        revoke(token, actor=actor)


def _is_due(token: ApiToken) -> bool:
    return token.last_used_at is None or timezone.now() - token.last_used_at > USE_IS_KEPT_EVERY
