"""How often something may be tried, counted in PostgreSQL.

A try is counted before it is judged, by one statement that lets through no more than the limit, however many
arrive at once; a try that turns out right is given back. Nothing here knows whether an account exists.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from labeling.actions.errors import ActionError

KNOWN_FOR_DAYS = 30
"""So long after a success from an address, a limit over all addresses does not hold there."""

TAKE = """
INSERT INTO labeling_signinattempt AS row (key, tries, since) VALUES (%(key)s, 1, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN row.since < clock_timestamp() - make_interval(secs => %(seconds)s)
                 THEN 1 ELSE row.tries + 1 END,
    since = CASE WHEN row.since < clock_timestamp() - make_interval(secs => %(seconds)s)
                 THEN clock_timestamp() ELSE row.since END
WHERE row.tries < %(most)s OR row.since < clock_timestamp() - make_interval(secs => %(seconds)s)
RETURNING succeeded_at > clock_timestamp() - make_interval(days => %(known)s)
"""
WAIT = """
SELECT extract(epoch FROM since + make_interval(secs => %(seconds)s) - clock_timestamp())
FROM labeling_signinattempt WHERE key = %(key)s
"""
GIVE_BACK = "UPDATE labeling_signinattempt SET tries = greatest(tries - 1, 0) WHERE key = %(key)s"
SUCCEED = """
UPDATE labeling_signinattempt SET tries = 0, succeeded_at = clock_timestamp() WHERE key = %(key)s
"""
FORGET = """
DELETE FROM labeling_signinattempt WHERE key IN (
    SELECT key FROM labeling_signinattempt WHERE since < clock_timestamp() - interval '1 day'
    AND (succeeded_at IS NULL OR succeeded_at < clock_timestamp() - make_interval(days => %(known)s))
    FOR UPDATE SKIP LOCKED)
"""
FORGET_ONCE_IN = 200
"""Tries, at random: rows that say nothing any more are removed by the way."""


class TooMany(ActionError):
    """The limit is reached; `data["seconds"]` is how long to wait (HTTP 429)."""


@dataclass(frozen=True)
class Limit:
    """At most `most` tries within `seconds` of the first."""

    name: str
    most: int
    seconds: int


@dataclass(frozen=True)
class Taken:
    """A counted try. `known`: this very thing has succeeded within the last KNOWN_FOR_DAYS."""

    key: str
    known: bool

    def give_back(self) -> None:
        """The try was right: it counts no longer."""
        _execute(GIVE_BACK, key=self.key)

    def succeed(self) -> None:
        """The try was right, and so the wrong ones before it were mistakes."""
        _execute(SUCCEED, key=self.key)


def take(limit: Limit, *subject: object) -> Taken:
    """Count one try of `subject`. Raises TooMany once the limit is reached; the refusal counts nothing."""
    key = salted_hmac(f"labeling.limits.{limit.name}", "|".join(map(str, subject)), algorithm="sha256")
    values: dict[str, Any] = {
        "key": key.hexdigest(),
        "seconds": limit.seconds,
        "most": limit.most,
        "known": KNOWN_FOR_DAYS,
    }
    if secrets.randbelow(FORGET_ONCE_IN) == 0:
        _execute(FORGET, known=KNOWN_FOR_DAYS)
    row = _execute(TAKE, **values)
    if row is not None:
        return Taken(values["key"], bool(row[0]))
    wait = _execute(WAIT, **values)
    raise too_many(max(1, math.ceil(wait[0])) if wait else 1)


def take_all(*wanted: tuple[Limit, object]) -> list[Taken]:
    """Count one try under every limit, or under none. Callers name the limits in one order: no deadlocks."""
    with transaction.atomic():
        return [take(limit, subject) for limit, subject in wanted]


def too_many(seconds: int) -> TooMany:
    minutes = math.ceil(seconds / 60)
    sentence = ngettext(
        "Too many attempts. Try again in %(minutes)d minute.",
        "Too many attempts. Try again in %(minutes)d minutes.",
        minutes,
    )
    return TooMany(sentence % {"minutes": minutes}, data={"seconds": seconds})


def _execute(statement: str, **values: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone() if cursor.description else None
