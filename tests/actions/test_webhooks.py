"""Subscribing, and what is announced: each cause once, with its transaction or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from labeling.actions import datasets, deliveries, limits, loop, retention, runs, steps, webhooks
from labeling.actions.clock import from_now
from labeling.actions.errors import BadInput, NotNow
from labeling.models import AuditEvent, DatasetVersion, Delivery, Role, Run, Trigger, Webhook, WebhookEvent
from tests import build, learn
from tests.pages import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def state(settings, tmp_path):
    settings.STATE = tmp_path / "state"
    settings.ARTIFACTS, settings.RUNS = settings.STATE / "artifacts", settings.STATE / "runs"
    settings.WEBHOOKS = [
        {"id": id, "name": id.title(), "url": "https://nowhere.invalid/", "secret": "x" * 32}
        for id in ("lab", "chat")
    ]


@pytest.fixture
def project():
    made = learn.project()
    learn.imported(made, 3)
    build.member(made, "ann")
    return made


@pytest.fixture
def lead(project):
    return build.member(project, "lin", Role.LEAD).user


@pytest.fixture
def webhook(project, lead):
    return webhooks.subscribe(project, "lab", WebhookEvent.values, actor=lead)


def told(event: str = "") -> list[dict[str, Any]]:
    """What was announced, oldest first; of this event."""
    found = Delivery.objects.order_by("pk")
    return [json.loads(bytes(one.body)) for one in (found.filter(event=event) if event else found)]


def verbs() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


# --- subscribing ------------------------------------------------------------------------------------


def test_a_project_subscribes_to_a_receiver_once_and_only_to_one_that_is_named(project, lead):
    made = webhooks.subscribe(project, "lab", ["run.failed", "dataset.completed", "run.failed"], actor=lead)
    assert (made.events, made.is_active) == (["dataset.completed", "run.failed"], True)
    with pytest.raises(NotNow, match="already"):
        webhooks.subscribe(project, "lab", ["run.failed"], actor=lead)
    with pytest.raises(BadInput, match="these receivers: lab, chat") as refused:
        webhooks.subscribe(project, "https://elsewhere.example", ["run.failed"], actor=lead)
    assert refused.value.field == "receiver"
    assert Webhook.objects.count() == 1
    event = AuditEvent.objects.get(verb="webhook.created")
    assert (event.actor, event.subject) == (lead, made.public_id)
    assert event.data == {"receiver": "lab", "events": ["dataset.completed", "run.failed"]}


@pytest.mark.parametrize("events", [[], ["run.exploded"], ["ping"]])
def test_events_that_there_are_not_cannot_be_chosen(project, lead, webhook, events):
    for choose in (
        lambda: webhooks.subscribe(project, "chat", events, actor=lead),
        lambda: webhooks.change(webhook, actor=lead, events=events),
    ):
        with pytest.raises(BadInput) as refused:
            choose()
        assert refused.value.field == "events"
    with pytest.raises(IntegrityError), transaction.atomic():
        Webhook.objects.update(events=events)
    assert Webhook.objects.get().events == WebhookEvent.values


def test_only_who_is_subscribed_to_an_event_is_told_of_it(project, lead, webhook):
    webhooks.subscribe(project, "chat", ["run.failed"], actor=lead)
    other = learn.project("other")
    learn.imported(other, 1)
    datasets.freeze(other, "sft")
    datasets.freeze(project, "sft")
    assert [(one.project, one.receiver) for one in Delivery.objects.all()] == [(project, "lab")]


def test_what_waits_is_given_up_when_the_subscription_stops_and_can_be_sent_after_it_goes_on(
    project, lead, webhook
):
    datasets.freeze(project, "sft")
    webhooks.change(webhook, actor=lead, active=False)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.trouble) == ("failed", "stopped")
    learn.imported(project, 1)
    datasets.freeze(project, "sft")
    assert Delivery.objects.count() == 1
    with pytest.raises(NotNow, match="not subscribed"):
        deliveries.send_again(delivery, actor=lead)
    with pytest.raises(NotNow, match="stopped"):
        webhooks.send_test(webhook, actor=lead)
    webhooks.change(webhook, actor=lead, active=True)
    assert not deliveries.are_due()
    deliveries.send_again(delivery, actor=lead)
    assert deliveries.are_due()
    with pytest.raises(NotNow, match="not given up"):
        deliveries.send_again(delivery, actor=lead)
    assert [verb for verb in verbs() if "webhook" in verb or "delivery" in verb] == [
        "webhook.created", "webhook.changed", "webhook.changed", "delivery.again",
    ]  # fmt: skip


def test_a_change_of_one_thing_leaves_the_other_as_it_is(lead, webhook):
    before = Webhook.objects.get()
    webhooks.change(webhook, actor=lead, active=False)
    webhooks.change(before, actor=lead, events=["run.failed"])
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.events) == (False, ["run.failed"])


def test_a_deleted_subscription_is_told_nothing_more_and_what_it_was_told_stays_known(project, lead, webhook):
    datasets.freeze(project, "sft")
    webhooks.delete(webhook, actor=lead)
    assert not Webhook.objects.exists()
    assert Delivery.objects.get().state == "failed"
    again = webhooks.subscribe(project, "lab", WebhookEvent.values, actor=lead)
    assert not deliveries.are_due()
    webhooks.send_test(again, actor=lead)
    assert deliveries.are_due()


def test_tests_cannot_be_sent_without_end(lead, webhook, settings):
    for _ in range(webhooks.TESTS.most):
        webhooks.send_test(webhook, actor=lead)
    with pytest.raises(limits.TooMany):
        webhooks.send_test(webhook, actor=lead)
    assert Delivery.objects.count() == webhooks.TESTS.most
    settings.WEBHOOKS = []
    with pytest.raises(NotNow, match="no longer names"):
        webhooks.send_test(webhook, actor=lead)


# --- what is announced ------------------------------------------------------------------------------


def test_a_version_is_announced_when_it_is_complete_and_not_when_nothing_is_new(project, webhook):
    version = datasets.freeze(project, "sft")
    assert datasets.freeze(project, "sft") == version
    (message,) = told()
    assert message["event"] == "dataset.completed"
    assert message["object"] == {
        "id": version.public_id,
        "kind": "sft",
        "number": 1,
        "digest": version.digest,
        "counts": version.counts,
    }
    assert message["object"]["counts"]["rows"] == 3


def test_what_is_rolled_back_was_never_announced(project, webhook):
    with datasets.snapshot():
        datasets.take(project, "sft")
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)
    assert (Delivery.objects.count(), DatasetVersion.objects.count()) == (0, 0)


def test_a_subscription_that_ends_meanwhile_is_in_no_freeze_s_way(project, lead, webhook):
    import threading

    from django.db import connection

    def end() -> None:
        webhooks.delete(Webhook.objects.get(), actor=lead)
        connection.close()

    with datasets.snapshot():
        assert Webhook.objects.exists()  # the snapshot is taken
        ending = threading.Thread(target=end)
        ending.start()
        ending.join()
        version = datasets.take(project, "sft")
    assert version.state == "complete"
    assert not Webhook.objects.exists()
    assert not deliveries.are_due()
    deliveries.tidy_up()
    assert (Delivery.objects.get().state, Delivery.objects.get().trouble) == ("failed", "stopped")


def test_a_finished_run_is_announced_with_its_model(project, webhook, tmp_path):
    model = world.sft_model(project, tmp_path)
    (message,) = told("run.finished")
    assert message["object"] == {
        "id": model.run.public_id,
        "stage": "sft",
        "round": None,
        "model": {"id": model.public_id, "kind": "sft", "name": "sft-1"},
    }


def test_a_run_that_is_tried_again_announces_nothing_until_it_has_failed_for_good(project, webhook):
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})
    reason = "KeyError: 'what somebody wrote'"
    for attempt in range(1, run.max_attempts + 1):
        assert told("run.failed") == []
        claim = runs.claim(run.pk)
        assert claim is not None
        if attempt == 2:  # its worker is lost
            Run.objects.update(lease_until=F("lease_until") - timedelta(hours=1))
            assert runs.sweep() == 1
        elif attempt == 3:  # given back, which is no failure
            runs.give_back(claim)
            claim = runs.claim(run.pk)
            assert claim is not None
            runs.fail(claim, reason, retryable=True)
        else:
            runs.fail(claim, reason, retryable=True, log_tail=reason)
        Run.objects.update(not_before=from_now(seconds=-1))
    (message,) = told("run.failed")
    assert message["object"] == {"id": run.public_id, "stage": "sft", "round": None, "failures": 5}
    assert told("run.finished") == []


def test_a_run_that_a_person_stops_has_neither_finished_nor_failed(project, webhook):
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})
    claim = runs.claim(run.pk)
    assert claim is not None
    runs.request_stop(run)
    runs.fail(claim, "killed", retryable=False)
    assert told("run.failed") == told("run.finished") == []


def test_a_round_that_a_gate_holds_is_announced_once_with_the_gate_s_figures(project, webhook, tmp_path):
    build.rank_items(project, 1)
    learn.rank(project.memberships.get(user__username="ann"))
    round = loop.start_round(project, Trigger.MANUAL)
    for figures in ({"loss": 0.6}, {"accuracy": 0.6, "accuracy_low": 0.5, "agreement": 0.7}):
        while steps.move(round.pk):
            pass
        world.completed(Run.objects.get(round=round, state="waiting"), tmp_path, **figures)
    for _ in range(3):
        loop.tick()
    round.refresh_from_db()
    (message,) = told("gate.stopped")
    about = message["object"]
    figures = about.pop("figures")
    assert about == {
        "id": round.public_id,
        "number": 1,
        "gate": "gate",
        "why": "below_floor",
        "reason": round.reason,
    }
    assert (figures["accuracy_low"], figures["floor"]) == (0.5, 0.55)
    assert [one["object"]["round"] for one in told("run.finished")] == [round.public_id] * 2
    assert {one["object"]["kind"] for one in told("dataset.completed")} == {"sft", "comparisons", "prompts"}


def test_no_cause_is_announced_to_a_receiver_twice(project, webhook):
    from labeling.actions import announcements

    version = datasets.freeze(project, "sft")
    announcements.dataset_completed(version)
    announcements.dataset_completed(version)
    assert len(told()) == 1
    copy = Delivery.objects.get()
    copy.pk, copy.public_id = None, "another"
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)


# --- what is kept -----------------------------------------------------------------------------------


def test_deliveries_that_ended_long_ago_are_forgotten_and_those_that_wait_are_not(project, webhook):
    for state, days in (("delivered", 31), ("failed", 31), ("delivered", 29), ("waiting", 0)):
        learn.imported(project, 1)
        datasets.freeze(project, "sft")
        newest = Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk)
        newest.update(state=state, ended_at=from_now(seconds=-days * 86400) if days else None)
    Delivery.objects.update(created_at=from_now(seconds=-90 * 86400))
    retention.tick()
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["delivered", "waiting"]
    event = AuditEvent.objects.get(verb="retention.deleted")
    assert event.data == {"what": "deliveries", "count": 2}
