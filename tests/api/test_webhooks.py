"""Webhooks by a lead's program: subscribing, changing, trying out, sending again."""

from __future__ import annotations

import json

import pytest

from labeling import tasks
from labeling.models import AuditEvent, Delivery, Webhook
from tests.receivers import SECRET, status

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def address(project):
    return f"projects/{project.public_id}/webhooks"


@pytest.fixture
def webhook(listen, lead, address):
    listen("lab")
    return lead.post(address, {"receiver": "lab", "events": ["run.failed", "run.finished"]}).json()["webhook"]


def change(script, webhook, **body):
    return script.client.patch(f"/api/webhooks/{webhook}", json.dumps(body), "application/json")


def test_a_lead_subscribes_and_sees_it_listed(lead, address, webhook):
    (listed,) = lead.all(address)
    assert listed == lead.get(f"webhooks/{webhook}").json()
    created_at = listed.pop("created_at")
    assert created_at.endswith("Z")
    assert listed == {
        "webhook": webhook,
        "receiver": "lab",
        "named": True,
        "events": ["run.finished", "run.failed"],
        "active": True,
        "created_by": {"user": lead.user.public_id, "name": "lin"},
    }


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"receiver": "https://elsewhere.example/", "events": ["run.failed"]}, 400, "receiver"),
        ({"receiver": "lab", "url": "https://elsewhere.example/", "events": ["run.failed"]}, 400, "url"),
        ({"receiver": "chat", "events": ["run.failed"]}, 400, "receiver"),
        ({"receiver": "lab", "events": ["run.exploded"]}, 400, "events.0"),
        ({"receiver": "lab", "events": []}, 400, "events"),
        ({"receiver": "lab"}, 400, "events"),
        ({"receiver": "lab", "events": ["run.failed"]}, 409, ""),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused_at_its_field(lead, address, webhook, body, code, field):
    answer = lead.post(address, body)
    assert (answer.status_code, answer.json()["error"]["field"].partition("[")[0]) == (code, field)
    assert Webhook.objects.count() == 1


def test_a_subscription_is_changed_stopped_and_deleted(lead, webhook, settings):
    assert change(lead, webhook, events=["gate.stopped"]).json()["events"] == ["gate.stopped"]
    stopped = change(lead, webhook, active=False).json()
    assert (stopped["active"], stopped["events"]) == (False, ["gate.stopped"])
    assert change(lead, webhook, secret="mine").status_code == 400
    assert lead.post(f"webhooks/{webhook}/test").status_code == 409
    settings.WEBHOOKS = []
    assert change(lead, webhook, active=True).json()["named"] is False
    assert lead.client.delete(f"/api/webhooks/{webhook}").status_code == 204
    assert lead.get(f"webhooks/{webhook}").status_code == 404
    events = AuditEvent.objects.filter(subject=webhook).order_by("pk")
    assert {event.actor for event in events} == {lead.user}
    assert [(event.verb, event.data) for event in events] == [
        ("webhook.created", {"receiver": "lab", "events": ["run.finished", "run.failed"]}),
        ("webhook.changed", {"events": ["gate.stopped"]}),
        ("webhook.changed", {"is_active": False}),
        ("webhook.changed", {"is_active": True}),
        ("webhook.deleted", {"receiver": "lab"}),
    ]


def test_a_test_is_sent_and_what_came_of_it_is_listed(lead, webhook):
    sent = lead.post(f"webhooks/{webhook}/test")
    assert (sent.status_code, sent.json()["state"], sent.json()["event"]) == (202, "waiting", "ping")
    tasks.deliver()
    (listed,) = lead.all(f"webhooks/{webhook}/deliveries")
    assert (listed["delivery"], listed["cause"]) == (sent.json()["delivery"],) * 2
    assert (listed["state"], listed["status"], listed["trouble"]) == ("delivered", 200, "")
    assert lead.get(f"webhooks/{webhook}/deliveries", state="failed").json()["results"] == []


def test_what_was_given_up_is_sent_again(listen, lead, address):
    receiver = listen("lab", status(500, 200))
    webhook = lead.post(address, {"receiver": "lab", "events": ["run.failed"]}).json()["webhook"]
    delivery = lead.post(f"webhooks/{webhook}/test").json()["delivery"]
    assert lead.post(f"deliveries/{delivery}/again").status_code == 409
    tasks.deliver()
    (listed,) = lead.all(f"webhooks/{webhook}/deliveries", state="failed", event="ping")
    assert (listed["status"], listed["trouble"], listed["attempts"]) == (500, "refused", 1)
    again = lead.post(f"deliveries/{delivery}/again")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    tasks.deliver()
    assert Delivery.objects.get().state == "delivered"
    assert len({got.body for got in receiver.got}) == 1


def test_neither_the_secret_nor_the_address_is_told(lead, address, webhook):
    lead.post(f"webhooks/{webhook}/test")
    for path in (address, f"webhooks/{webhook}", f"webhooks/{webhook}/deliveries"):
        text = lead.get(path).content.decode()
        assert SECRET not in text
        assert "/hook" not in text
