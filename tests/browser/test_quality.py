"""Onboarding, one's own numbers, and a lead's pages of quality and checks, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.actions import care, labelers, onboarding, queue, rankings
from labeling.models import Assignment, Gold, Item, Kind, Membership, QualityPolicy, Ranking, Role
from tests import build
from tests.browser.test_look import findings, fits


def rank_as_it_stands(page: Page) -> None:
    """Scores that put A first, then B, and so on."""
    cards = page.locator(".answer")
    expect(cards.first.locator(".score-step").first).to_be_visible()
    for value in ("7", "6", "5", "4")[: cards.count()]:
        page.keyboard.press(value)
    page.keyboard.press("Enter")


@pytest.fixture
def starter(desk: Any) -> Any:
    """A new labeler of a project that asks for the tutorial and the test."""
    build.rank_items(desk.project, 2)
    build.golds(desk.project, 2, "tutorial", k=3)
    build.golds(desk.project, 1, "test", k=3)
    build.policy(desk.project, onboarding=True, least_ranking_agreement=0.0)
    Membership.objects.update(onboarding="tutorial")
    desk.membership.refresh_from_db()
    return desk


def test_a_new_labeler_is_led_through_the_tutorial_and_the_test_to_the_work(starter, until):
    page = starter.open("rank")
    expect(page.get_by_role("heading", name="The tutorial")).to_be_visible()
    page.get_by_role("link", name="Begin the tutorial").click()
    expect(page.locator(".stage")).to_contain_text("Tutorial, 1 of 2")
    rank_as_it_stands(page)
    expect(page.get_by_role("heading", name="Your last answer")).to_be_visible()
    expect(page.locator(".explanation strong")).to_have_text("answers")
    expect(page.locator(".compared-answer")).to_have_count(3)
    expect(page.get_by_text("flag left out: Hallucination")).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="Next item").click()
    rank_as_it_stands(page)
    expect(page.get_by_role("heading", name="The test")).to_be_visible()
    expect(page.get_by_role("heading", name="Your last answer")).to_be_visible()
    page.get_by_role("link", name="Begin the test").click()
    expect(page.locator(".stage")).to_contain_text("Test, 1 of 1")
    QualityPolicy.objects.update(least_flag_agreement=0.0)
    rank_as_it_stands(page)
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()
    # Of the test nothing is said that would tell its answers.
    expect(page.get_by_role("heading", name="Your last answer")).to_have_count(0)
    page.get_by_role("link", name="Rank answers").click()
    expect(page.locator(".answer")).to_have_count(4)


def test_an_answer_that_the_server_refuses_in_the_tutorial_stays_on_the_page(starter):
    page = starter.open("onboarding/next")
    expect(page.locator(".answer")).to_have_count(3)
    page.route("**/ranking", lambda route: route.fulfill(
        status=400, content_type="application/json",
        body='{"error": {"code": "badinput", "field": "comment", "message": "too long"}}'))  # fmt: skip
    rank_as_it_stands(page)
    expect(page.locator("#notices")).to_contain_text("too long")
    expect(page.locator(".answer")).to_have_count(3)
    page.unroute("**/ranking")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your last answer")).to_be_visible()


def test_who_did_not_pass_reads_what_was_good_and_what_to_look_at(starter):
    Item.objects.filter(purpose="tutorial").update(state="retired")
    build.policy(starter.project, least_ranking_agreement=0.0, least_flag_agreement=1.0)
    held = onboarding.claim(starter.membership)
    rankings.submit(held, build.wrong_answer(held), build.key())
    page = starter.open("onboarding")
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    expect(page.locator(".result").nth(0)).to_contain_text("reached")
    expect(page.locator(".result").nth(1)).to_contain_text("to look at")
    page.goto(f"{starter.url}/")
    expect(page.get_by_role("link", name="To your test")).to_be_visible()
    expect(page.get_by_role("link", name="Start ranking")).to_have_count(0)


def test_a_labeler_sees_their_numbers_and_sets_what_they_do_not_want_to_see(desk, until):
    build.rank_items(desk.project, 12)
    for _ in range(3):
        held = queue.claim(desk.membership, Kind.RANK)
        rankings.submit(held, build.answer(held), build.key())
    page = desk.open("my-work")
    expect(page.locator(".figure").first).to_contain_text("3 rankings")
    expect(page.get_by_text("once the week is over")).to_be_visible()
    page.get_by_label("violence").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    expect(page.get_by_label("violence")).to_be_checked()
    assert Membership.objects.get().opt_outs == ["violence"]


def test_a_break_is_suggested_after_so_much_work_and_blocks_nothing(desk, until):
    build.rank_items(desk.project, 2)
    build.policy(desk.project, break_after_minutes=1)
    page = desk.page
    page.clock.install()
    desk.open()
    expect(page.locator(".answer")).to_have_count(4)
    for _ in range(3):
        page.clock.run_for(25_000)
        page.mouse.wheel(0, 1)
        page.keyboard.press("ArrowRight")
    notice = page.locator("#rest").get_by_text("short break")
    expect(notice).to_be_visible()
    desk.press("a", "7", "6", "5", "4", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    page.locator("#rest").get_by_role("button", name="Go on").click()
    expect(notice).to_have_count(0)


@pytest.fixture
def lead(desk: Any) -> Any:
    """A lead whose two labelers ranked an item alike."""
    Membership.objects.update(role=Role.LEAD)
    desk.membership.refresh_from_db()
    build.rank_items(desk.project, 1, k=3, overlap=2)
    for name in ("ann", "ben"):
        held = queue.claim(build.member(desk.project, name), Kind.RANK)
        rankings.submit(held, build.right_answer(held), build.key())
    return desk


def test_a_lead_makes_a_check_of_an_item_that_people_ordered_alike(lead):
    page = lead.open("checks")
    page.get_by_role("link", name="Make a check of:").click()
    assert [page.locator(f"#rank-{n}").input_value() for n in range(3)] == ["1", "2", "3"]
    expect(page.locator("fieldset").nth(2).get_by_label("Hallucination")).to_be_checked()
    for place in range(3):
        page.locator(f"#rank-{place}").select_option("2")
    page.get_by_role("button", name="Make the check").click()
    expect(page.get_by_role("alert")).to_contain_text("all are equal")
    page.locator("#rank-0").select_option("1")
    page.get_by_label("test: decides who works").check()
    page.locator("#explanation-en").fill("It is *short*.")
    page.get_by_role("button", name="Make the check").click()
    expect(page.get_by_role("status")).to_contain_text("The check is made")
    gold = Gold.objects.get()
    assert (gold.ranks, gold.item.purpose, gold.explanation) == ([1, 2, 2], "test", {"en": "It is *short*."})
    page.get_by_role("button", name="Retire:").click()
    expect(page.get_by_role("button", name="Use again:")).to_be_visible()
    gold.refresh_from_db()
    assert not gold.is_active


def test_a_lead_sets_the_policy_and_lets_somebody_in(lead):
    build.golds(lead.project, 1, "test")
    Membership.objects.filter(user__username="ann").update(onboarding="failed")
    page = lead.open("quality")
    page.get_by_label("share of hidden golds").fill("0.9")
    page.get_by_label("share of hidden repeats").fill("0.2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#id_repeat_rate_error")).to_contain_text("at most half")
    page.get_by_label("share of hidden golds").fill("0.05")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    assert QualityPolicy.objects.get().gold_rate == 0.05
    page.get_by_role("button", name="Let ann take the test again").click()
    assert Membership.objects.get(user__username="ann").onboarding == "test"
    page.get_by_role("button", name="Let ann work without the test").click()
    expect(page.get_by_role("status")).to_contain_text("open to ann")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_axe_finds_nothing_and_every_page_fits_a_phone(lead, scheme, language):
    page = lead.page
    lead.user.language = language
    lead.user.save()
    build.golds(lead.project, 1, "tutorial", k=3)
    item = Item.objects.filter(purpose="work").first()
    ann = Membership.objects.get(user__username="ann")
    ann.onboarding = "tutorial"
    ann.save()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    addresses = ["p/{0}/quality/", "p/{0}/checks/", "p/{0}/my-work/", "p/{0}/onboarding/"]
    for address in [*addresses, f"items/{item.public_id}/check/"]:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{lead.url}/{address.format(lead.project.public_id)}")
        found += findings(page)
        page.set_viewport_size({"width": 360, "height": 740})
        if not fits(page):
            found.append(f"{address} is wider than a phone")
    assert found == []


def test_the_own_figures_are_of_no_use_for_telling_a_check(desk):
    """They do not move with the answer to one, before the week is over."""
    build.rank_items(desk.project, 1)
    build.golds(desk.project, 1)
    build.policy(desk.project, gold_rate=1.0)
    before = desk.open("my-work").locator(".figures").inner_text()
    held = queue.claim(desk.membership, Kind.RANK)
    rankings.submit(held, build.right_answer(held), build.key())
    assert labelers.weeks_of(desk.membership)[0].golds.items == 1
    after = desk.open("my-work").locator(".figures").inner_text()
    assert before.split("Agreement")[1:] == after.split("Agreement")[1:]
    assert Assignment.objects.get().item.purpose == "gold"
    assert care.has_test(desk.project) is False
