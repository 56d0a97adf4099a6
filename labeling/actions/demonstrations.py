"""Submitting and revising a demonstration."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from labeling.actions import disputes, prepared
from labeling.actions.answers import (
    Request,
    Submitted,
    check_base,
    note_revision,
    pasted_share,
    receive,
)
from labeling.actions.slots import check_unanswered, take_slot
from labeling.actions.text import check_text
from labeling.models import Assignment, Demonstration, DemonstrationRevision, DemonstrationSource

FIELDS = frozenset({"text", "active_seconds", "pasted_share"})


@transaction.atomic
def submit(assignment: Assignment, body: dict[str, Any], key: str) -> Submitted:
    """Store a demonstration and fill the slot; late, it fills a free one or becomes an extra.

    The same key and body again give the stored answer. Raises BadInput, KeyReused, and NotNow if the
    item was answered or skipped before.
    """
    request = receive(assignment, body, key, FIELDS, DemonstrationRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    held = request.held
    check_unanswered(held)
    text = check_text(body.get("text"), "text")
    slot, answered = take_slot(held)
    prepared.run(*answered)
    demonstration = Demonstration.objects.create(
        project_id=held.project_id,
        item_id=held.item_id,
        prompt=held.item.asked,
        assignment=held,
        slot_id=slot,
        labeler_id=held.labeler_id,
        is_simulated=assignment.labeler.is_simulated,
        source=DemonstrationSource.LABELER,
        wants_review=disputes.wants_review(held.item),
    )
    return _submitted(_write(demonstration, request, text, number=1, base=0), created=True)


@transaction.atomic
def revise(demonstration: Demonstration, body: dict[str, Any], key: str) -> Submitted:
    """Append a revision on the stated base. Raises as `submit`, and Stale with the stored text.

    What a reviewer had accepted is looked at anew.
    """
    assert demonstration.assignment is not None
    request = receive(demonstration.assignment, body, key, FIELDS | {"base"}, DemonstrationRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    # A reviewer's edit is a revision too.
    demonstration = Demonstration.objects.select_for_update(of=("self",)).get(pk=demonstration.pk)
    latest = demonstration.revisions.order_by("-number")[0]
    base = check_base(body, latest.number, {"text": latest.text})
    text = check_text(body.get("text"), "text")
    revision = _write(demonstration, request, text, number=latest.number + 1, base=base)
    note_revision(demonstration)
    return _submitted(revision, created=True)


def _write(
    demonstration: Demonstration, request: Request, text: str, *, number: int, base: int
) -> DemonstrationRevision:
    return DemonstrationRevision.objects.create(
        demonstration=demonstration,
        text=text,
        pasted_share=pasted_share(request.body),
        **request.columns(number=number, base=base),
    )


def _submitted(revision: Any, *, created: bool) -> Submitted:
    return Submitted(answer=revision.demonstration, revision=revision.number, created=created)
