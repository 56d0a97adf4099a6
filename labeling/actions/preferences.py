"""What people set about themselves: language, time zone, password, and how their pages of work read."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import audit, shortcuts, tokens
from labeling.actions.errors import BadInput
from labeling.models import User

READING: dict[str, tuple[Any, ...]] = {
    "layout": ("columns", "two_up", "carousel"),
    "width": ("medium", "narrow", "wide", "full"),
    "raw": (False, True),
    "invisible": (False, True),
    "diff": (False, True),
    "together": (True, False),
    "blur": (True, False),
}
"""How texts are read on the pages of work: what a setting may be, first what it is for who has not chosen."""


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


def reading(user: User) -> dict[str, Any]:
    """How this person reads: what they chose, and the rest as it is for everybody."""
    chosen = user.workspace.get("reading", {})
    return {
        name: chosen[name] if _is_one_of(chosen.get(name), values) else values[0]
        for name, values in READING.items()
    }


def keys(user: User) -> dict[str, str]:
    """Which key this person has given to which action of the pages of work, as far as it is still good."""
    return shortcuts.usable(user.workspace.get("keys", {}))


@transaction.atomic
def set_workspace(user: User, part: str, value: Any) -> dict[str, Any]:
    """Keep how a person likes to read ("reading") or which keys they use ("keys"); returns what is kept.

    The value takes the place of that part; the other part stays. Raises BadInput.
    """
    checks = {"reading": _check_reading, "keys": _check_keys}
    if part not in checks:
        raise BadInput(_("Choose one of: %(values)s.") % {"values": ", ".join(checks)}, field="part")
    if not isinstance(value, dict):
        raise BadInput(_("An object is wanted."), field="value")
    checked = checks[part](value)
    # Two tabs may write two parts at once.
    held = User.objects.select_for_update().get(pk=user.pk)
    user.workspace = held.workspace = {**held.workspace, part: checked}
    held.save(update_fields=["workspace"])
    return checked


def _check_reading(value: Mapping[str, Any]) -> dict[str, Any]:
    for name, chosen in value.items():
        field = f"value.{name[:40]}"
        if name not in READING:
            raise BadInput(_("There is no such setting."), field=field)
        if not _is_one_of(chosen, READING[name]):
            allowed = ", ".join(map(str, READING[name])).lower()
            raise BadInput(_("Choose one of: %(values)s.") % {"values": allowed}, field=field)
    return dict(value)


def _is_one_of(chosen: Any, values: tuple[Any, ...]) -> bool:
    """By type, too: 1 is not true."""
    return any(type(chosen) is type(value) and chosen == value for value in values)


def _check_keys(value: Mapping[str, Any]) -> dict[str, str]:
    for action, key in value.items():
        field = f"value.{action[:40]}"
        if action not in shortcuts.ACTIONS:
            raise BadInput(_("There is no such action."), field=field)
        if not shortcuts.is_key(key):
            raise BadInput(_("This is no key that can be chosen."), field=field)
    if found := shortcuts.clash(value):
        raise BadInput(found.message, field=f"value.{found.action}")
    return dict(value)


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
