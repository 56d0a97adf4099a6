"""What submitting has in common for every kind of answer: keys, replays, capped time, revisions.

A submit and a revise go the same way: `receive` checks the request, locks the assignment and finds the
revision that an earlier try of the same request wrote; what is new is then parsed and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.actions import leases
from labeling.actions.errors import BadInput, KeyReused, Stale
from labeling.actions.text import body_digest
from labeling.models import Assignment, Demonstration, Ranking, Return, Review, Verdict, WrittenPrompt

TELEMETRY = frozenset({"active_seconds", "mode", "pasted_share"})
"""Fields that a retry may give differently: they are left out when two bodies are compared."""


@dataclass(frozen=True)
class Submitted:
    """A stored answer. `created` is False where the same request had been taken before."""

    answer: Ranking | Demonstration | WrittenPrompt | Review
    revision: int
    created: bool
    conflicts: int = 0

    @property
    def extra(self) -> bool:
        return self.answer.slot_id is None


@dataclass(frozen=True)
class Request:
    """A checked request with its assignment locked. `stored` is what it wrote already, if it came before."""

    held: Assignment
    body: dict[str, Any]
    key: str
    digest: bytes
    seconds: int
    stored: Any

    def columns(self, *, number: int, base: int) -> dict[str, Any]:
        """What a revision of any kind keeps of the request that wrote it."""
        return {
            "number": number,
            "base": base,
            "labeler_id": self.held.labeler_id,
            "idempotency_key": self.key,
            "body_digest": self.digest,
            "active_seconds": self.seconds,
        }


def receive(
    assignment: Assignment, body: Any, key: Any, fields: frozenset[str], revisions: models.Manager[Any]
) -> Request:
    """Check what every answer's request must have, and lock its assignment.

    To be called inside the verb's transaction. Raises BadInput, and KeyReused if the key wrote another body.
    """
    _check_key(key)
    check_fields(body, fields)
    digest = body_digest({name: value for name, value in body.items() if name not in TELEMETRY})
    # The revision that this key wrote before, if it did, which is quickly known.
    written = (
        f"SELECT id FROM {revisions.model._meta.db_table} WHERE labeler_id = %s AND idempotency_key = %s",  # noqa: S608
        [assignment.labeler_id, key],
    )
    held, (before,) = leases.lock_and(assignment, written)
    stored = revisions.get(pk=before[0][0]) if before else None
    if stored is not None and bytes(stored.body_digest) != digest:
        raise KeyReused(_("This key was already used for another answer."), field="Idempotency-Key")
    return Request(held, body, key, digest, _active_seconds(body, held), stored)


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not 8 <= len(key) <= 64 or not key.isascii() or not key.isprintable():
        raise BadInput(
            _("An idempotency key of 8 to 64 ASCII characters is wanted."), field="Idempotency-Key"
        )


def check_fields(body: Any, allowed: frozenset[str]) -> dict[str, Any]:
    """The body as an object without unknown fields. Raises BadInput that names the first one."""
    if not isinstance(body, dict):
        raise BadInput(_("An object is wanted."), field="body")
    for name in body:
        if name not in allowed:
            raise BadInput(_("There is no such field."), field=str(name)[:80])
    return body


def _active_seconds(body: dict[str, Any], held: Assignment) -> int:
    """What the page measured, but no more than the time since the item was first shown."""
    given = body.get("active_seconds", 0)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 10**7:
        raise BadInput(_("A number of seconds is wanted."), field="active_seconds")
    if held.opened_at is None:
        return 0
    shown = (timezone.now() - held.opened_at).total_seconds()
    return max(0, min(int(given), int(shown)))


def pasted_share(body: dict[str, Any]) -> float | None:
    """Of a text's characters, as the page counted those that were pasted; None where nobody did.

    Raises BadInput.
    """
    given = body.get("pasted_share")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise BadInput(_("A share from 0 to 1 is wanted."), field="pasted_share")
    return float(given)


def check_base(body: dict[str, Any], latest: int, stored: dict[str, Any]) -> int:
    """The revision that an edit rests on. Raises Stale, with the stored answer, if it is not the latest."""
    base = body.get("base")
    if isinstance(base, bool) or not isinstance(base, int):
        raise BadInput(_("The number of the revision that you changed is wanted."), field="base")
    if base != latest:
        raise Stale(
            _("The answer was changed meanwhile, perhaps in another tab."),
            field="base",
            data={"stored": {**stored, "revision": latest}},
        )
    return base


def note_revision(answer: Ranking | Demonstration | WrittenPrompt) -> None:
    """Its writer has changed an answer: what a reviewer had sent back is answered by that.

    And a text that they had accepted is another one now, which they have not seen. To be called by whatever
    revises an answer, in its transaction.
    """
    answer.returns.filter(state=Return.State.OPEN).update(state=Return.State.ANSWERED, answered_at=Now())
    if not isinstance(answer, Ranking):
        accepted = type(answer).objects.filter(pk=answer.pk, verdict__in=[Verdict.ACCEPTED, Verdict.EDITED])
        accepted.update(verdict="", wants_review=True)
