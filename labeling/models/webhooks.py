"""Webhooks: which receivers a project tells what, and the outbox of what they are told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id

RECEIVER_LENGTH = 30


class WebhookEvent(models.TextChoices):
    """What a project may announce."""

    DATASET_COMPLETED = "dataset.completed", _("a dataset version is complete")
    RUN_FINISHED = "run.finished", _("a run has finished")
    RUN_FAILED = "run.failed", _("a run has failed for good")
    GATE_STOPPED = "gate.stopped", _("a gate holds a round")


PING = "ping"
"""The event of a test, which every subscription gets when a lead asks for it."""


class Webhook(models.Model):
    """A project's subscription to a receiver that the operator has named (RANKLOOP_WEBHOOKS).

    active ◄──► stopped   by a lead
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="webhooks", db_index=False)
    receiver = models.CharField(max_length=RECEIVER_LENGTH)
    events = ArrayField(models.CharField(max_length=20, choices=WebhookEvent))
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey("User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "receiver"], name="webhook_receiver_once"),
            models.CheckConstraint(
                condition=models.Q(events__contained_by=WebhookEvent.values, events__len__gt=0),
                name="webhook_events",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} · {self.receiver}"


class Delivery(models.Model):
    """One message to one receiver, written in the transaction of its cause. Its bytes never change.

    waiting ──► delivered   an attempt was answered with 2xx
       ▲ ├────► waiting     it was answered otherwise, or not at all: back-off
       │ └────► failed      so was the last one, or a lead stopped the subscription
       └─────── failed      a lead sends it again

    A claim is nothing but a later `not_before`: whoever dies with one leaves a delivery that is due again.
    `attempts` is the fencing token: a sender whose lease is over writes nothing once another has it. A
    message may so arrive twice, with the same id; a cause is announced to a receiver once.

    It names its receiver itself, so that ending a subscription is in nobody's way.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")

    class Trouble(models.TextChoices):
        """Why the last attempt came to nothing. Of an answer only its status is kept."""

        NONE = "", ""
        REFUSED = "refused", _("refused")
        UNREACHABLE = "unreachable", _("cannot be reached")
        TIMEOUT = "timeout", _("no answer in time")
        TLS = "tls", _("no trusted TLS connection")
        NO_HTTP = "no_http", _("no HTTP answer")
        NOT_NAMED = "not_named", _("the operator no longer names this receiver")
        STOPPED = "stopped", _("the subscription was stopped")

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey(
        "Project", on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    receiver = models.CharField(max_length=RECEIVER_LENGTH)
    event = models.CharField(max_length=20, choices=[*WebhookEvent.choices, (PING, _("a test"))])
    cause = models.CharField(
        max_length=40, help_text="Public id of what it is about; of a gate the round's, with the gate's name."
    )
    body = models.BinaryField(editable=False)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="Attempts that came to nothing, in a row.")
    not_before = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer.")
    trouble = models.CharField(max_length=11, choices=Trouble, blank=True, default=Trouble.NONE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "receiver", "event", "cause"], name="delivery_cause_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="waiting", ended_at__isnull=True)
                | models.Q(state__in=["delivered", "failed"], ended_at__isnull=False),
                name="delivery_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=models.Q(state="waiting"), name="delivery_due"),
            models.Index(fields=["project", "-id"], name="delivery_project"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.receiver}"
