"""What receivers of webhooks are told, written into the outbox by the verb that makes it true.

A message holds ids and figures and no text of a person's. Why a run failed may quote what the run has read:
one asks for that at /api/runs/RUN. A message is written down in the transaction of its cause: what is rolled
back was never announced, and what is committed will be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from labeling.models import DatasetVersion, Delivery, ModelVersion, Project, Round, Run, Webhook, WebhookEvent
from labeling.models.webhooks import PING


def dataset_completed(version: DatasetVersion) -> None:
    facts = {
        "kind": version.kind,
        "number": version.number,
        "digest": version.digest,
        "counts": version.counts,
    }
    _announce(WebhookEvent.DATASET_COMPLETED, version.project, version.public_id, facts)


def run_finished(run: Run, model: ModelVersion | None) -> None:
    """`model` is what the run has published, if it was for a model."""
    made = model and {"id": model.public_id, "kind": model.kind, "name": model.name}
    _announce(WebhookEvent.RUN_FINISHED, run.project, run.public_id, {**_run(run), "model": made})


def run_failed(run: Run, failures: int) -> None:
    """For good, after so many attempts."""
    _announce(WebhookEvent.RUN_FAILED, run.project, run.public_id, {**_run(run), "failures": failures})


def gate_stopped(round: Round, gate: str, why: str, reason: str, figures: Mapping[str, Any]) -> None:
    """The gate's verdict, its reason also in words. A round may have several gates: each is told of once."""
    facts = {"number": round.number, "gate": gate, "why": why, "reason": reason, "figures": figures}
    _announce(WebhookEvent.GATE_STOPPED, round.project, round.public_id, facts, part=gate)


def ping(webhook: Webhook) -> Delivery:
    """A test: it is about nothing but itself."""
    delivery = _delivery(webhook.project, webhook.receiver, PING, "", {})
    delivery.cause = delivery.public_id
    delivery.save()
    return delivery


def _run(run: Run) -> dict[str, Any]:
    return {"stage": run.stage, "round": run.round.public_id if run.round else None}


def _announce(event: str, project: Project, subject: str, facts: Mapping[str, Any], part: str = "") -> None:
    """Write a message to each receiver that is told of this event; it is about `part` of the subject."""
    told = Webhook.objects.filter(project=project, is_active=True, events__contains=[event])
    cause = f"{subject}/{part}" if part else subject
    Delivery.objects.bulk_create(
        [
            _delivery(project, receiver, event, cause, {"id": subject, **facts})
            for receiver in told.values_list("receiver", flat=True)
        ],
        ignore_conflicts=True,  # announced before
    )


def _delivery(project: Project, receiver: str, event: str, cause: str, about: Mapping[str, Any]) -> Delivery:
    now = timezone.now()
    delivery = Delivery(project=project, receiver=receiver, event=event, cause=cause, created_at=now)
    message = {
        "id": delivery.public_id,
        "event": event,
        "created_at": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "project": {"id": project.public_id, "slug": project.slug},
        "object": about,
    }
    delivery.body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return delivery
