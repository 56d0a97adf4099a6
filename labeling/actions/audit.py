"""Recording who did what, and sealing the record.

An event holds ids and figures, never text. `seal` chains batches of events by hash; it runs in the
control worker's tick under an advisory lock, so that recording an event never waits for the chain.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import connection, transaction

from labeling.models import AuditEvent, AuditSeal, Project, User

SEAL_LOCK = 0x52414E4B
"""Advisory lock of the one writer of seals."""
SEAL_AFTER_SECONDS = 60
"""An event is sealed once it is this old, so that no transaction is still about to commit an earlier id."""


def record(
    verb: str, *, project: Project | None = None, actor: User | None = None, subject: str = "", **data: Any
) -> None:
    """Write one event into the caller's transaction."""
    AuditEvent.objects.create(project=project, actor=actor, verb=verb, subject=subject, data=data)


@transaction.atomic
def seal() -> AuditSeal | None:
    """Chain every event since the last seal; None where there is nothing to seal or another seals."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SEAL_LOCK])
        if not cursor.fetchone()[0]:
            return None
    last = AuditSeal.objects.order_by("-last_event").first()
    events = list(_sealable(last.last_event if last else 0))
    if not events:
        return None
    previous = last.digest if last else ""
    return AuditSeal.objects.create(
        first_event=events[0].pk,
        last_event=events[-1].pk,
        previous=previous,
        digest=chain_digest(previous, events),
    )


def chain_digest(previous: str, events: list[AuditEvent]) -> str:
    """SHA-256 over the previous seal and each event's canonical JSON."""
    digest = hashlib.sha256(previous.encode())
    for event in events:
        line = [
            event.pk,
            event.project_id,
            event.actor_id,
            event.verb,
            event.subject,
            event.data,
            event.created_at.isoformat(),
        ]
        digest.update(json.dumps(line, sort_keys=True, separators=(",", ":")).encode())
    return digest.hexdigest()


def _sealable(after: int) -> Any:
    return AuditEvent.objects.filter(pk__gt=after).extra(
        where=["created_at < clock_timestamp() - make_interval(secs => %s)"], params=[SEAL_AFTER_SECONDS]
    ).order_by("pk")[:10_000]  # fmt: skip
