"""Webhooks: a project's subscriptions to the receivers that the operator has named, and what was sent."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import tasks
from labeling.actions import deliveries, webhooks
from labeling.api.base import OneView, View
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Moment, PersonShape, Shape
from labeling.models import Delivery, Webhook, WebhookEvent
from labeling.models.webhooks import PING, RECEIVER_LENGTH


class Events(serializers.ListField):
    """Some of the events, each once."""

    def __init__(self, **more: Any) -> None:
        super().__init__(child=serializers.ChoiceField(WebhookEvent.values), min_length=1, **more)


class WebhookShape(Shape):
    webhook = serializers.CharField(source="public_id")
    receiver = serializers.CharField(help_text="Its id, by which the operator has named it.")
    named = serializers.SerializerMethodField(help_text="False: the operator no longer names it.")
    events = Events()
    active = serializers.BooleanField(source="is_active")
    created_by = PersonShape()
    created_at = Moment()

    def get_named(self, webhook: Webhook) -> bool:
        return webhooks.receiver(webhook.receiver) is not None


class DeliveryShape(Shape):
    delivery = serializers.CharField(source="public_id", help_text="The `id` of the message.")
    receiver = serializers.CharField()
    event = serializers.ChoiceField([*WebhookEvent.values, PING])
    cause = serializers.CharField(
        help_text="Public id of what it is about; of a gate `ROUND/gate`, of a ping its own."
    )
    state = serializers.ChoiceField(Delivery.State.values)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, help_text="HTTP status of the last answer.")
    trouble = serializers.ChoiceField(
        Delivery.Trouble.values, help_text="Why the last attempt came to nothing; empty where it did not."
    )
    created_at = Moment()
    not_before = Moment(help_text="While it waits: when it is tried next.")
    ended_at = Moment(allow_null=True)


class DeliveryQuery(Page):
    state = serializers.ChoiceField(Delivery.State.values, required=False)
    event = serializers.ChoiceField([*WebhookEvent.values, PING], required=False)


class SubscribeBody(Shape):
    receiver = serializers.CharField(max_length=RECEIVER_LENGTH, help_text="One that the operator has named.")
    events = Events()


class ChangeBody(Shape):
    """What is left out stays as it is."""

    events = Events(required=False)
    active = serializers.BooleanField(required=False, help_text="False gives up what waits to be sent.")


class Webhooks(ListView):
    """A project's subscriptions, newest first."""

    shown = WebhookShape

    def rows(self) -> QuerySet[Webhook]:
        return _of(self.here.membership.project_id)

    @extend_schema(operation_id="subscribe", request=SubscribeBody, responses={201: WebhookShape})
    def post(self, request: Request, project: str) -> Response:
        """Tell a receiver of these events; 409 where it is told of some already."""
        given, here = self.taken(request, SubscribeBody), self.here.membership
        made = webhooks.subscribe(here.project, given["receiver"], given["events"], actor=self.here.person)
        return Response(WebhookShape(made).data, status=status.HTTP_201_CREATED)


class OneWebhook(OneView):
    """A subscription."""

    shown = WebhookShape

    def thing(self) -> Webhook:
        found = self.here.the(Webhook)
        return _of(found.project_id).get(pk=found.pk)

    @extend_schema(operation_id="change_webhook", request=ChangeBody, responses={200: WebhookShape})
    def patch(self, request: Request, webhook: str) -> Response:
        """Choose other events, stop it or start it again."""
        given = self.taken(request, ChangeBody)
        webhooks.change(self.here.the(Webhook), actor=self.here.person, **given)
        return Response(WebhookShape(self.thing()).data)

    @extend_schema(operation_id="delete_webhook", request=None, responses={204: None})
    def delete(self, request: Request, webhook: str) -> Response:
        """End it for good. What waits to be sent is given up."""
        webhooks.delete(self.here.the(Webhook), actor=self.here.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Deliveries(ListView):
    """What was sent or is to be sent to a subscription's receiver, newest first. Kept for 30 days."""

    query = DeliveryQuery
    shown = DeliveryShape

    def rows(self) -> QuerySet[Delivery]:
        found = self.here.the(Webhook)
        return Delivery.objects.filter(project=found.project_id, receiver=found.receiver)


class SendTest(View):
    """Send the receiver a message with the event `ping`; it is tried once."""

    @extend_schema(request=None, responses={202: DeliveryShape})
    def post(self, request: Request, webhook: str) -> Response:
        sent = webhooks.send_test(self.here.the(Webhook), actor=self.here.person)
        return _on_its_way(sent)


class SendAgain(View):
    """Send a message that was given up once more, by the same id and with the same bytes."""

    @extend_schema(request=None, responses={202: DeliveryShape})
    def post(self, request: Request, delivery: str) -> Response:
        found = self.here.the(Delivery)
        deliveries.send_again(found, actor=self.here.person)
        return _on_its_way(found)


def _on_its_way(delivery: Delivery) -> Response:
    tasks.hint_deliveries()
    delivery.refresh_from_db()
    return Response(DeliveryShape(delivery).data, status=status.HTTP_202_ACCEPTED)


def _of(project_id: int) -> QuerySet[Webhook]:
    return Webhook.objects.filter(project_id=project_id).select_related("created_by")
