"""The page of webhooks in a browser: by keyboard, under one's eyes, for axe and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling import tasks
from labeling.actions import datasets, deliveries, webhooks
from labeling.models import Delivery, Webhook, WebhookEvent
from tests import learn
from tests.browser.conftest import quiet, sign_in, watch
from tests.browser.test_look import findings, fits
from tests.pages import world
from tests.receivers import Receiver, status


class Office:
    """A lead before the webhooks of their project; the operator has named the receivers lab and chat."""

    def __init__(self, page: Page, url: str, listen: Any) -> None:
        self.project = learn.project()
        self.user = world.lead(self.project).user
        self.page = page
        self.path = f"{url}/p/{self.project.public_id}/webhooks/"
        self.lab: Receiver = listen("lab", status(500, 200))
        self.chat: Receiver = listen("chat")

    def open(self) -> Page:
        self.page.goto(self.path)
        return self.page

    def card(self, name: str) -> Any:
        return self.page.get_by_role("region", name=name)

    def messages(self) -> Any:
        return self.page.locator("#part-deliveries")


@pytest.fixture
def office(
    transactional_db: None,
    live_server: Any,
    page: Page,
    context: Any,
    settings: Any,
    tmp_path: Any,
    listen: Any,
) -> Iterator[Office]:
    settings.ARTIFACTS = tmp_path / "artifacts"
    office = Office(page, live_server.url, listen)
    sign_in(context, office.user, live_server.url)
    faults = watch(page, live_server.url)
    yield office
    page.goto("about:blank")
    page.close()
    quiet()
    assert faults == []


def everything(office: Office) -> None:
    """Both receivers subscribed, one of them stopped; a message in each state, and one about a test."""
    for receiver in (office.lab, office.chat):
        webhooks.subscribe(office.project, receiver.id, WebhookEvent.values, actor=office.user)
    learn.imported(office.project, 2)
    datasets.freeze(office.project, "sft")
    tasks.deliver()
    webhooks.change(Webhook.objects.get(receiver="chat"), actor=office.user, active=False)
    for _ in range(2):
        webhooks.send_test(Webhook.objects.get(receiver="lab"), actor=office.user)
    claim = deliveries.claim()
    assert claim is not None
    deliveries.record(claim, deliveries.Answer(trouble=Delivery.Trouble.TLS))


def test_a_lead_subscribes_by_keyboard_and_sees_a_test_arrive(office):
    page = office.open()
    page.get_by_role("link", name="Webhooks").focus()
    card = office.card("The chat")
    card.get_by_role("checkbox", name="a gate holds a round").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The events are saved.")).to_be_visible()
    expect(card.get_by_role("checkbox", checked=True)).to_have_count(3)
    assert Webhook.objects.get().events == ["dataset.completed", "run.finished", "run.failed"]
    card.get_by_role("button", name="Send a test").press("Enter")
    expect(office.messages()).to_contain_text("waiting")
    tasks.deliver()
    expect(office.messages()).to_contain_text("delivered")
    assert office.chat.events == ["ping"]


def test_what_was_given_up_is_sent_again(office):
    webhook = webhooks.subscribe(office.project, "lab", ["run.failed"], actor=office.user)
    webhooks.send_test(webhook, actor=office.user)
    tasks.deliver()
    page = office.open()
    expect(office.messages()).to_contain_text("given up")
    page.get_by_role("button", name="Send again to The lab: a test").press("Enter")
    expect(page.get_by_text("The message is on its way.")).to_be_visible()
    tasks.deliver()
    expect(office.messages()).to_contain_text("delivered")
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)


def test_a_receiver_is_told_nothing_more_after_stop(office):
    webhooks.subscribe(office.project, "lab", ["run.failed"], actor=office.user)
    page = office.open()
    card = office.card("The lab")
    card.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The receiver is told nothing more.")).to_be_visible()
    expect(card.get_by_role("button", name="Send a test")).to_have_count(0)
    card.get_by_role("button", name="Start again").click()
    expect(card).to_contain_text("active")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(office, scheme, language, settings):
    office.user.language = language
    office.user.save()
    office.project.name = "A-project-with-a-long-name-" * 4
    office.project.save()
    office.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    everything(office)
    named = settings.WEBHOOKS
    found = []
    for what, receivers in (("both", named), ("one gone", named[:1]), ("none", [])):
        settings.WEBHOOKS = receivers
        found += [f"{what}: {finding}" for finding in findings(office.open())]
        for width in (360, 800, 870, 1280):
            office.page.set_viewport_size({"width": width, "height": 800})
            assert fits(office.page), (what, width)
    Webhook.objects.all().delete()
    found += [f"nothing: {finding}" for finding in findings(office.open())]
    assert found == []


def test_hostile_names_are_shown_and_not_run(office, settings):
    hostile = "<img src=x onerror=alert(1)>"
    settings.WEBHOOKS = [{**office.lab.named, "name": hostile}]
    webhook = webhooks.subscribe(office.project, "lab", ["run.failed"], actor=office.user)
    webhooks.send_test(webhook, actor=office.user)
    page = office.open()
    expect(page.get_by_text("onerror").first).to_be_visible()
    assert page.locator("main img").count() == 0
