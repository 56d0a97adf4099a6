"""What people set about themselves: language, time zone, password."""

from __future__ import annotations

import zoneinfo

from django.conf import settings
from django.db import transaction

from labeling.actions import audit, tokens
from labeling.actions.errors import BadInput
from labeling.models import User


def check_language(language: str) -> str:
    """The language code if the pages speak it. Raises BadInput."""
    if language not in dict(settings.LANGUAGES):
        raise BadInput("is not one of the languages of the pages", field="language")
    return language


def set_language(user: User, language: str) -> None:
    """Raises BadInput for a language that the pages do not speak."""
    user.language = check_language(language)
    user.save(update_fields=["language"])


def set_time_zone(user: User, time_zone: str) -> None:
    """`time_zone` is an IANA name such as Asia/Shanghai. Raises BadInput for any other."""
    if time_zone not in zoneinfo.available_timezones():
        raise BadInput("is not the name of a time zone", field="time_zone")
    user.time_zone = time_zone
    user.save(update_fields=["time_zone"])


@transaction.atomic
def change_password(user: User, password: str) -> None:
    """Store a password that the validators have passed; a one-time password is spent by it."""
    user.set_password(password)
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    audit.record("password.changed", actor=user, subject=user.public_id)


@transaction.atomic
def replace_forgotten_password(user: User, password: str) -> None:
    """As `change_password`, by who has shown no old one: the account's API tokens are revoked."""
    change_password(user, password)
    tokens.revoke_all(user)
