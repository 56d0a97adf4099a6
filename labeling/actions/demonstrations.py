"""Submitting and revising a demonstration."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from labeling.actions import queue
from labeling.actions.answers import (
    Submitted,
    active_seconds,
    check_base,
    check_fields,
    check_key,
    check_unanswered,
    replayed,
    request_digest,
)
from labeling.actions.slots import take_slot
from labeling.actions.text import check_text
from labeling.models import Assignment, Demonstration, DemonstrationRevision, DemonstrationSource

FIELDS = frozenset({"text", "active_seconds"})


@transaction.atomic
def submit(assignment: Assignment, body: dict[str, Any], key: str) -> Submitted:
    """Store a demonstration and fill the slot; late, it fills a free one or becomes an extra.

    The same key and body again give the stored answer. Raises BadInput, KeyReused, and NotNow if the
    item was answered or skipped before.
    """
    check_key(key)
    check_fields(body, FIELDS)
    text = check_text(body.get("text"), "text")
    digest = request_digest(body)
    held = queue.lock(assignment)
    stored = replayed(DemonstrationRevision.objects, held.labeler_id, key, digest)
    if stored is not None:
        return _submitted(stored, created=False)
    check_unanswered(held)
    demonstration = Demonstration.objects.create(
        project_id=held.project_id,
        item_id=held.item_id,
        prompt_id=held.item.prompt_id,
        assignment=held,
        slot_id=take_slot(held),
        labeler_id=held.labeler_id,
        is_simulated=assignment.labeler.is_simulated,
        source=DemonstrationSource.LABELER,
    )
    return _submitted(_write(demonstration, held, body, text, key, digest, number=1, base=0), created=True)


@transaction.atomic
def revise(demonstration: Demonstration, body: dict[str, Any], key: str) -> Submitted:
    """Append a revision on the stated base. Raises as `submit`, and Stale with the stored text."""
    check_key(key)
    check_fields(body, FIELDS | {"base"})
    text = check_text(body.get("text"), "text")
    digest = request_digest(body)
    assert demonstration.assignment is not None
    held = queue.lock(demonstration.assignment)
    stored = replayed(DemonstrationRevision.objects, held.labeler_id, key, digest)
    if stored is not None:
        return _submitted(stored, created=False)
    latest = demonstration.revisions.order_by("-number")[0]
    base = check_base(body, latest.number, {"text": latest.text})
    revision = _write(demonstration, held, body, text, key, digest, number=latest.number + 1, base=base)
    return _submitted(revision, created=True)


def _write(
    demonstration: Demonstration,
    held: Assignment,
    body: dict[str, Any],
    text: str,
    key: str,
    digest: bytes,
    *,
    number: int,
    base: int,
) -> DemonstrationRevision:
    return DemonstrationRevision.objects.create(
        demonstration=demonstration,
        number=number,
        base=base,
        labeler_id=held.labeler_id,
        idempotency_key=key,
        body_digest=digest,
        active_seconds=active_seconds(body, held),
        text=text,
    )


def _submitted(revision: Any, *, created: bool) -> Submitted:
    return Submitted(answer=revision.demonstration, revision=revision.number, created=created)
