"""Webhooks: subscribing a project to a receiver that the operator has named, and trying it out.

Addresses and secrets stand in the operator's settings and nowhere else: a lead knows a receiver by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import announcements, audit, deliveries, limits
from labeling.actions.errors import BadInput, NotNow
from labeling.models import Delivery, Project, User, Webhook, WebhookEvent

TESTS = limits.Limit("tests of a webhook", most=20, seconds=3600)


def receiver(name: str) -> Mapping[str, str] | None:
    """The receiver of this id, with name, url and secret; None where the operator names none."""
    return next((one for one in settings.WEBHOOKS if one["id"] == name), None)


@transaction.atomic
def subscribe(project: Project, receiver_id: str, events: Sequence[str], *, actor: User) -> Webhook:
    """Tell a receiver of these events of the project.

    Raises BadInput for a receiver or an event that there is not, NotNow if the project has it already.
    """
    if receiver(receiver_id) is None:
        named = ", ".join(one["id"] for one in settings.WEBHOOKS) or "–"
        raise BadInput(
            _("The operator has named these receivers: %(names)s.") % {"names": named}, field="receiver"
        )
    wanted = {"events": _checked(events), "created_by": actor}
    webhook, is_new = Webhook.objects.get_or_create(project=project, receiver=receiver_id, defaults=wanted)
    if not is_new:
        raise NotNow(_("The project is subscribed to this receiver already."))
    _record("webhook.created", webhook, actor, receiver=receiver_id, events=webhook.events)
    return webhook


@transaction.atomic
def change(
    webhook: Webhook, *, actor: User, events: Sequence[str] | None = None, active: bool | None = None
) -> Webhook:
    """Choose other events, stop the subscription or start it again. Raises BadInput.

    What waits when it is stopped is given up.
    """
    changed: dict[str, Any] = {}
    if events is not None:
        changed["events"] = _checked(events)
    if active is not None:
        changed["is_active"] = active
    if not changed:
        return webhook
    Webhook.objects.filter(pk=webhook.pk).update(**changed)
    webhook.refresh_from_db(fields=["events", "is_active"])
    if active is False:
        deliveries.give_up(webhook)
    _record("webhook.changed", webhook, actor, **changed)
    return webhook


@transaction.atomic
def delete(webhook: Webhook, *, actor: User) -> None:
    """End the subscription for good. Its deliveries are kept for as long as others."""
    deliveries.give_up(webhook)
    _record("webhook.deleted", webhook, actor, receiver=webhook.receiver)
    webhook.delete()


def send_test(webhook: Webhook, *, actor: User) -> Delivery:
    """Send a message that says nothing. Raises NotNow while nothing can be sent, TooMany."""
    if not webhook.is_active:
        raise NotNow(_("This subscription is stopped."))
    if receiver(webhook.receiver) is None:
        raise NotNow(_("The operator no longer names this receiver."))
    limits.take(TESTS, webhook.pk)
    with transaction.atomic():
        delivery = announcements.ping(webhook)
        _record("webhook.tested", webhook, actor, delivery=delivery.public_id)
    return delivery


def _checked(events: Sequence[str]) -> list[str]:
    """These events in their order, each once. Raises BadInput."""
    if unknown := [event for event in events if event not in WebhookEvent.values]:
        raise BadInput(_("There is no event %(event)s.") % {"event": repr(unknown[0])}, field="events")
    if not events:
        raise BadInput(_("Choose at least one event."), field="events")
    return [event for event in WebhookEvent.values if event in events]


def _record(verb: str, webhook: Webhook, actor: User, **data: object) -> None:
    audit.record(verb, project=webhook.project, actor=actor, subject=webhook.public_id, **data)
