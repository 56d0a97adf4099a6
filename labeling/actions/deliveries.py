"""The outbox: taking up a delivery, writing down what came of it, sending one again, tidying up.

A sender (courier.py) holds a delivery by its *claim*, the attempt that the claim began. It is good until its
lease is over and somebody else has begun another attempt; then the sender's word changes no row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from labeling.actions import audit
from labeling.actions.clock import Clock, from_now
from labeling.actions.errors import NotNow
from labeling.models import Delivery, User, Webhook
from labeling.models.webhooks import PING

LOCK = 0x53454E44
"""Advisory lock of the one sender."""
LEASE_SECONDS = 60
FIRST_BACK_OFF = 10
"""Seconds until a delivery is tried again; doubled at each failure."""
MOST_FAILURES = 14
"""After these it is given up, which is 23 hours after the first."""
KEPT_DAYS = 30


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: the receiver's status, and what is wrong with it, or why there is none."""

    status: int | None = None
    trouble: str = Delivery.Trouble.NONE

    @property
    def is_good(self) -> bool:
        return not self.trouble


@dataclass(frozen=True)
class Claim:
    """A sender's hold on a delivery."""

    delivery: Delivery
    attempt: int

    @property
    def receiver(self) -> str:
        return self.delivery.receiver


@contextmanager
def one_sender() -> Iterator[bool]:
    """Whether we are the only sender now; whoever is not comes back later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def are_due() -> bool:
    """Whether there is anything to send now."""
    return _due().exists()


@transaction.atomic
def claim(*, besides: Collection[str] = ()) -> Claim | None:
    """Begin an attempt at the oldest delivery that is due, but to none of the receivers `besides`."""
    due = _due().exclude(receiver__in=besides).order_by("pk")
    delivery = due.select_for_update(skip_locked=True, of=("self",)).first()
    if delivery is None:
        return None
    attempt = delivery.attempts + 1
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=attempt, not_before=from_now(seconds=LEASE_SECONDS)
    )
    return Claim(delivery, attempt)


def record(claim: Claim, answer: Answer) -> bool:
    """Write down what came of an attempt; False if the claim is no longer good."""
    held = Delivery.objects.filter(pk=claim.delivery.pk, attempts=claim.attempt, state=Delivery.State.WAITING)
    told = {"status": answer.status, "trouble": answer.trouble}
    if answer.is_good:
        return bool(held.update(**told, state=Delivery.State.DELIVERED, failures=0, ended_at=Clock()))
    failures = claim.delivery.failures + 1
    if failures >= _most_failures(claim.delivery):
        return bool(held.update(**told, state=Delivery.State.FAILED, failures=failures, ended_at=Clock()))
    pause = FIRST_BACK_OFF * 2 ** (failures - 1)
    return bool(held.update(**told, failures=failures, not_before=from_now(seconds=pause)))


@transaction.atomic
def send_again(delivery: Delivery, *, actor: User) -> None:
    """Let a delivery that was given up wait once more. Raises NotNow, also where nobody is subscribed."""
    if not _subscriptions(delivery.project_id, delivery.receiver).exists():
        raise NotNow(_("The project is not subscribed to this receiver now."))
    revived = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.FAILED).update(
        state=Delivery.State.WAITING, failures=0, not_before=Clock(), ended_at=None
    )
    if not revived:
        raise NotNow(_("This message was not given up."))
    audit.record("delivery.again", project=delivery.project, actor=actor, subject=delivery.public_id)


def give_up(webhook: Webhook) -> None:
    """Nothing more is sent to this subscription, nor what waits already."""
    _give_up(Delivery.objects.filter(project=webhook.project_id, receiver=webhook.receiver))


@transaction.atomic
def tidy_up() -> int:
    """Delete deliveries that ended long ago; how many."""
    # Written by a transaction that had begun before their subscription ended.
    _give_up(Delivery.objects.filter(~Exists(_subscriptions(OuterRef("project"), OuterRef("receiver")))))
    old = from_now(seconds=-KEPT_DAYS * 24 * 3600)
    count, _by_table = Delivery.objects.filter(ended_at__lt=old).delete()
    if count:
        audit.record("retention.deleted", what="deliveries", count=count)
    return count


def _give_up(stopped: QuerySet[Delivery]) -> None:
    stopped.filter(state=Delivery.State.WAITING).update(
        state=Delivery.State.FAILED, trouble=Delivery.Trouble.STOPPED, ended_at=Clock()
    )


def _due() -> QuerySet[Delivery]:
    subscribed = _subscriptions(OuterRef("project"), OuterRef("receiver"))
    return Delivery.objects.filter(Exists(subscribed), state=Delivery.State.WAITING, not_before__lte=Clock())


def _subscriptions(project: Any, receiver: Any) -> QuerySet[Webhook]:
    return Webhook.objects.filter(project=project, receiver=receiver, is_active=True)


def _most_failures(delivery: Delivery) -> int:
    """Who sends a test wants to see at once what came of it."""
    return 1 if delivery.event == PING else MOST_FAILURES
