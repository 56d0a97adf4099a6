"""The page of webhooks: who is told what, and what became of it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling import tasks
from labeling.actions import datasets
from labeling.models import Delivery, Webhook
from tests import learn
from tests.receivers import SECRET, status


@pytest.fixture
def address(project):
    return reverse("webhooks", args=[project.public_id])


@pytest.fixture
def subscribe(client, project):
    return lambda **form: client.post(reverse("subscribe", args=[project.public_id]), form, follow=True)


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def test_where_the_operator_names_nobody_the_page_says_what_to_set(client, address):
    page = client.get(address).content.decode()
    assert "RANKLOOP_WEBHOOK_SECRET_LAB" in page
    assert "<fieldset" not in page


def test_a_lead_subscribes_chooses_other_events_stops_and_starts_again(client, listen, subscribe):
    listen("lab")
    answer = subscribe(receiver="lab", events=["run.failed", "dataset.completed"])
    assert said(answer) == ["The events are saved."]
    webhook = Webhook.objects.get()
    assert (webhook.events, webhook.is_active) == (["dataset.completed", "run.failed"], True)
    subscribe(receiver="lab", events=["gate.stopped"])
    active = reverse("set-webhook-active", args=[webhook.public_id])
    assert said(client.post(active, {"active": "0"}, follow=True)) == ["The receiver is told nothing more."]
    webhook.refresh_from_db()
    assert (webhook.events, webhook.is_active) == (["gate.stopped"], False)
    client.post(active, {"active": "1"})
    webhook.refresh_from_db()
    assert webhook.is_active


def test_what_cannot_be_is_said_and_changes_nothing(listen, subscribe):
    listen("lab")
    assert said(subscribe(receiver="lab")) == ["events: Choose at least one event."]
    assert said(subscribe(receiver="chat", events=["run.failed"])) == [
        "receiver: The operator has named these receivers: lab."
    ]
    assert "named these receivers" in said(subscribe(receiver="\x00", events=["run.failed"]))[0]
    assert not Webhook.objects.exists()


def test_messages_are_listed_with_what_became_of_them_and_sent_again(
    client, listen, project, subscribe, address
):
    receiver = listen("lab", status(500, 200))
    subscribe(receiver="lab", events=["dataset.completed"])
    learn.imported(project, 1)
    version = datasets.freeze(project, "sft")
    Delivery.objects.update(failures=13)
    tasks.deliver()
    page = client.get(address).content.decode()
    assert reverse("dataset", args=[version.public_id]) in page
    assert "given up" in page
    assert ">500<" in page
    again = reverse("send-again", args=[Delivery.objects.get().public_id])
    assert said(client.post(again, follow=True)) == ["The message is on its way."]
    tasks.deliver()
    page = client.get(address, {"live": ""}).content.decode()
    assert "delivered" in page
    assert again not in page
    assert len(receiver.got) == 2
    assert said(client.post(again, follow=True)) == ["This message was not given up."]


def test_a_test_is_sent_by_a_button(client, listen, subscribe):
    receiver = listen("lab")
    subscribe(receiver="lab", events=["run.failed"])
    test = reverse("test-webhook", args=[Webhook.objects.get().public_id])
    assert said(client.post(test, follow=True)) == ["A test is on its way. What comes of it appears below."]
    tasks.deliver()
    assert receiver.events == ["ping"]


def test_a_receiver_that_is_no_longer_named_is_shown_as_such_and_can_be_stopped(
    client, listen, subscribe, settings, address
):
    listen("lab")
    subscribe(receiver="lab", events=["run.failed"])
    settings.WEBHOOKS = []
    page = client.get(address).content.decode()
    assert "The operator no longer names this receiver" in page
    assert reverse("set-webhook-active", args=[Webhook.objects.get().public_id]) in page
    assert reverse("test-webhook", args=[Webhook.objects.get().public_id]) not in page


def test_the_page_tells_a_receiver_s_host_and_neither_its_address_nor_its_secret(client, listen, address):
    listen("lab")
    page = client.get(address).content.decode()
    assert "127.0.0.1" in page
    assert "/hook" not in page
    assert SECRET not in page


def test_the_page_costs_the_same_with_many_messages(
    client, listen, project, subscribe, address, django_assert_max_num_queries
):
    listen("lab")
    subscribe(receiver="lab", events=["dataset.completed"])
    for _ in range(5):
        learn.imported(project, 1)
        datasets.freeze(project, "sft")
    with django_assert_max_num_queries(9):
        client.get(address)
