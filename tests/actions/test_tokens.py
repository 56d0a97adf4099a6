"""Tokens: found while they are valid, and nothing of them is kept but a hash."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from django.utils import timezone

from labeling.actions import tokens
from labeling.actions.errors import BadInput
from labeling.models import ApiToken, AuditEvent, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return User.objects.create(username="ann")


def test_a_token_is_stored_as_its_hash_and_found_by_it(ann):
    made, secret = tokens.create(ann, " nightly export ")
    assert secret.startswith("rl_")
    assert len(secret) == 3 + 43  # 256 bits in base64
    assert (made.name, made.starts_with) == ("nightly export", secret[:8])
    kept = ApiToken.objects.values().get()
    assert bytes(kept["digest"]) == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(kept)
    found = tokens.find(secret)
    assert found is not None
    assert (found, found.user) == (made, ann)


@pytest.mark.parametrize("given", ["", "rl_", "rl_wrong", "rl_\x00", "rl_é", "Bearer", "rl_" + "x" * 100_000])
def test_what_is_no_token_finds_nobody(ann, given):
    tokens.create(ann, "a script")
    assert tokens.find(given) is None


def test_an_expired_or_revoked_token_or_a_closed_account_finds_nobody(ann):
    made, secret = tokens.create(ann, "a script", days=1)
    ApiToken.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert tokens.find(secret) is None
    ApiToken.objects.update(expires_at=timezone.now() + datetime.timedelta(days=1))
    assert tokens.find(secret) == made
    User.objects.update(is_active=False)
    assert tokens.find(secret) is None
    User.objects.update(is_active=True)
    tokens.revoke(made)
    assert tokens.find(secret) is None


def test_its_use_is_written_down_once_an_hour(ann):
    _made, secret = tokens.create(ann, "a script")
    tokens.find(secret)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    tokens.find(secret)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - datetime.timedelta(minutes=61))
    tokens.find(secret)
    assert ApiToken.objects.get().last_used_at >= first


def test_making_and_revoking_are_recorded_without_the_token(ann):
    made, secret = tokens.create(ann, "a script", days=30)
    tokens.revoke(made)
    tokens.revoke(made)
    events = AuditEvent.objects.order_by("pk")
    assert [(event.verb, event.subject) for event in events] == [
        ("token.created", made.public_id),
        ("token.revoked", made.public_id),
    ]
    assert secret not in str(list(events.values()))


@pytest.mark.parametrize(
    ("name", "days", "field"),
    [("", None, "name"), ("  ", None, "name"), ("x" * 101, None, "name"), ("a\x00", None, "name"),
     ("a", 0, "days"), ("a", 10_000, "days")],
)  # fmt: skip
def test_a_name_or_a_time_that_cannot_be_is_refused(ann, name, days, field):
    with pytest.raises(BadInput) as refused:
        tokens.create(ann, name, days=days)
    assert refused.value.field == field
