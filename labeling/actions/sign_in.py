"""Knowing who somebody is: password and second factor, within limits; ending sessions.

The limits, per account and never by whether it exists:

- from one address: WRONG_THERE tries;
- from all addresses together: WRONG_ANYWHERE. It does not hold at an address from which this account was
  signed in to within the last month, so a stranger's guessing cannot lock its owner out at their own desk;
- one address, whatever the account: WRONG_BY_ONE.
"""

from __future__ import annotations

import hmac
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from labeling.actions import audit, tokens
from labeling.actions.errors import NotNow
from labeling.actions.limits import Limit, Taken, take, take_all
from labeling.actions.text import check_text
from labeling.models import User

WRONG_THERE = Limit("account at address", most=8, seconds=600)
WRONG_ANYWHERE = Limit("account", most=10, seconds=600)
WRONG_BY_ONE = Limit("address", most=100, seconds=600)
WRONG_CODES = Limit("second factor", most=6, seconds=600)


def check_password(name: str, password: str, address: str) -> User | None:
    """The account of this name, or of this verified e-mail address, if the password is its own.

    None for a wrong password, an unknown name and a closed account alike, after the same work. `address` is
    the client's (labeling/address.py). Raises TooMany, BadInput.
    """
    user = _named(check_text(name, "username", max_bytes=1024))
    subject = f"account {user.pk}" if user else f"name {name.strip().casefold()}"
    taken = _count(subject, address)
    if user is None:
        make_password(password)  # as long as checking one takes
        return None
    if not user.check_password(password) or not user.is_active:
        return None
    by_one, there, *anywhere = taken
    with transaction.atomic():
        by_one.give_back()
        there.succeed()
        for one in anywhere:
            one.give_back()
    return user


def _named(name: str) -> User | None:
    """By username in any spelling that means one account, or by an e-mail address that was verified."""
    name = name.strip()
    found = list(User.objects.filter(username__iexact=name)[:2])
    exact = next((user for user in found if user.username == name), None)
    if exact or len(found) == 1:
        return exact or found[0]
    if found or "@" not in name:
        return None
    verified = EmailAddress.objects.filter(email=name.lower(), verified=True).select_related("user").first()
    return verified.user if verified else None


@transaction.atomic
def _count(subject: str, address: str) -> list[Taken]:
    taken = take_all((WRONG_BY_ONE, address), (WRONG_THERE, f"{subject} at {address}"))
    if not taken[-1].known:
        taken.append(take(WRONG_ANYWHERE, subject))
    return taken


def check_code(user: User, code: str) -> Authenticator | None:
    """The second factor that this code belongs to: an app's code, once, or an unused recovery code.

    None for a wrong one. Raises TooMany.
    """
    counted = take(WRONG_CODES, user.pk)
    code = "".join(code.split())
    for factor in Authenticator.objects.filter(user=user).order_by("-type"):
        if factor.type == Authenticator.Type.TOTP:
            is_right = _use_app_code(factor, code)
        else:
            is_right = factor.type == Authenticator.Type.RECOVERY_CODES and factor.wrap().validate_code(code)
        if is_right:
            counted.succeed()
            return factor
    return None


def check_first_code(user: User, secret: str, code: str) -> bool:
    """Whether an app that is being set up shows the right code. Raises TooMany."""
    counted = take(WRONG_CODES, user.pk)
    is_right = _counter_of(secret, "".join(code.split())) is not None
    if is_right:
        counted.succeed()
    return is_right


def _use_app_code(factor: Any, code: str) -> bool:
    """A code is good for once: the counter of the last one is kept, and only a later one is taken."""
    counter = _counter_of(decrypt(factor.data["secret"]), code)
    if counter is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mfa_authenticator"
            " SET data = jsonb_set(data, '{last_counter}', to_jsonb(%(counter)s::bigint))"
            " WHERE id = %(id)s AND coalesce((data->>'last_counter')::bigint, 0) < %(counter)s",
            {"counter": counter, "id": factor.pk},
        )
        return bool(cursor.rowcount == 1)


def _counter_of(secret: str, code: str) -> int | None:
    """The time step whose code this is: the present one or a neighbour, for clocks that differ a little."""
    for counter in yield_hotp_counters_from_time():
        if hmac.compare_digest(app_code(secret, counter).encode(), code.encode()):
            return int(counter)
    return None


def app_code(secret: str, counter: int) -> str:
    """What an app with this secret, in base 32, shows in a time step (RFC 6238)."""
    return str(format_hotp_value(hotp_value(secret, counter)))


@transaction.atomic
def sign_out_everywhere(user: User, *, programs: bool = False) -> None:
    """End every session of the account, and with `programs` its API tokens.

    The session that asks is kept by `update_session_auth_hash`.
    """
    if programs:
        tokens.revoke_all(user)
    User.objects.filter(pk=user.pk).update(sign_outs=F("sign_outs") + 1)
    user.refresh_from_db(fields=["sign_outs"])
    audit.record("user.signed_out_everywhere", actor=user, subject=user.public_id)


@transaction.atomic
def remove_second_factor(user: User, *, actor: User | None = None) -> int:
    """For who has lost their app and recovery codes: how many factors were removed."""
    removed: int = Authenticator.objects.filter(user=user).delete()[0]
    audit.record("second_factor.removed", actor=actor, subject=user.public_id, factors=removed)
    return removed


@transaction.atomic
def unlink(user: User, provider: str) -> None:
    """End a link with a provider. Raises NotNow if it is the only way into the account."""
    User.objects.select_for_update().get(pk=user.pk)
    links = SocialAccount.objects.filter(user=user)
    if not user.has_usable_password() and not links.exclude(provider=provider).exists():
        raise NotNow(_("This is your only way to sign in."))
    if links.filter(provider=provider).delete()[0]:
        audit.record("provider.unlinked", actor=user, subject=user.public_id, provider=provider)
