"""Webhooks of a project, for its leads: what each receiver is told, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling import tasks
from labeling.actions import deliveries, webhooks
from labeling.doors import entered
from labeling.models import Delivery, Project, Webhook, WebhookEvent
from labeling.pages.moves import IDLE_SECONDS, LIVE_SECONDS, move, render_page

TONES = {
    Delivery.State.WAITING: "",
    Delivery.State.DELIVERED: "good",
    Delivery.State.FAILED: "danger",
}
PAGES = {
    WebhookEvent.DATASET_COMPLETED: "dataset",
    WebhookEvent.RUN_FINISHED: "run",
    WebhookEvent.RUN_FAILED: "run",
    WebhookEvent.GATE_STOPPED: "round",
}
"""Where one reads what a message is about."""
PER_PAGE = 30


@dataclass(frozen=True)
class Receiver:
    """A receiver on its card. `webhook` is the project's subscription to it, `events` each event's box."""

    id: str
    name: str
    host: str
    is_named: bool
    webhook: Webhook | None
    events: list[tuple[str, str, bool]]


@dataclass(frozen=True)
class Row:
    """A delivery in the table; `about` is the address of what it is about."""

    delivery: Delivery
    receiver: str
    tone: str
    about: str


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    receivers = _receivers(membership.project)
    names = {one.id: one.name for one in receivers}
    sent = Delivery.objects.filter(project=membership.project).order_by("-pk")
    page = Paginator(sent, PER_PAGE).get_page(request.GET.get("page"))
    is_moving = any(one.state == Delivery.State.WAITING and not one.failures for one in page.object_list)
    context = {
        "membership": membership,
        "receivers": receivers,
        "page": page,
        "deliveries": [_row(one, names) for one in page.object_list],
        "live_seconds": LIVE_SECONDS if is_moving else IDLE_SECONDS,
    }
    return render_page(request, "webhooks/index.html", context)


@require_POST
def subscribe(request: HttpRequest, project: str) -> HttpResponse:
    """Subscribe to `receiver`, or choose other `events` for it."""
    here = entered(request)
    found, actor = here.membership.project, here.person
    receiver, events = request.POST.get("receiver", ""), request.POST.getlist("events")
    before = _webhooks(found).get(receiver)
    move(
        request,
        lambda: (
            webhooks.change(before, actor=actor, events=events)
            if before
            else webhooks.subscribe(found, receiver, events, actor=actor)
        ),
        _("The events are saved."),
    )
    return redirect("webhooks", found.public_id)


@require_POST
def set_active(request: HttpRequest, webhook: str) -> HttpResponse:
    """Stop a subscription, or start it again (`active=1`)."""
    here, active = entered(request), request.POST.get("active") == "1"
    found = here.the(Webhook)
    done = _("The receiver is told again.") if active else _("The receiver is told nothing more.")
    move(request, lambda: webhooks.change(found, actor=here.person, active=active), done)
    return redirect("webhooks", found.project.public_id)


@require_POST
def send_test(request: HttpRequest, webhook: str) -> HttpResponse:
    here = entered(request)
    found = here.the(Webhook)
    done = _("A test is on its way. What comes of it appears below.")
    move(request, lambda: webhooks.send_test(found, actor=here.person), done)
    tasks.hint_deliveries()
    return redirect("webhooks", found.project.public_id)


@require_POST
def send_again(request: HttpRequest, delivery: str) -> HttpResponse:
    here = entered(request)
    found = here.the(Delivery)
    move(request, lambda: deliveries.send_again(found, actor=here.person), _("The message is on its way."))
    tasks.hint_deliveries()
    return redirect("webhooks", found.project.public_id)


def _webhooks(project: Project) -> dict[str, Webhook]:
    """The project's subscriptions, by the receiver's id."""
    return {one.receiver: one for one in Webhook.objects.filter(project=project).order_by("receiver")}


def _receivers(project: Project) -> list[Receiver]:
    """Those that the operator names, then those that are still subscribed and no longer named."""
    subscribed = _webhooks(project)
    named = {
        one["id"]: Receiver(
            id=one["id"],
            name=one["name"],
            host=urlsplit(one["url"]).hostname or "",
            is_named=True,
            webhook=subscribed.get(one["id"]),
            events=_boxes(subscribed.get(one["id"])),
        )
        for one in settings.WEBHOOKS
    }
    gone = [
        Receiver(id, id, "", is_named=False, webhook=webhook, events=_boxes(webhook))
        for id, webhook in subscribed.items()
        if id not in named
    ]
    return [*named.values(), *gone]


def _boxes(webhook: Webhook | None) -> list[tuple[str, str, bool]]:
    """Each event with its name, and whether it is chosen; all are where there is no subscription yet."""
    chosen = webhook.events if webhook else WebhookEvent.values
    return [(event.value, str(event.label), event.value in chosen) for event in WebhookEvent]


def _row(delivery: Delivery, names: dict[str, str]) -> Row:
    noun = PAGES.get(delivery.event)  # type: ignore[call-overload]
    return Row(
        delivery=delivery,
        receiver=names.get(delivery.receiver, delivery.receiver),
        tone=TONES[Delivery.State(delivery.state)],
        about=reverse(noun, args=[delivery.cause.partition("/")[0]]) if noun else "",
    )
