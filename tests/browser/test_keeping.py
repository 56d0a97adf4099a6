"""Nothing is lost: reloads, a lost network, an ended lease, an expired sign-in, two tabs."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from labeling.models import Assignment, Demonstration, Draft, Ranking
from tests import build
from tests.browser.conftest import sign_in


def test_a_draft_survives_a_reload_at_once(desk):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    desk.press("5", "7")
    page.reload()
    assert desk.tiers() == ["B", "A"]
    expect(page.locator("#submit-reason")).to_have_text("2 of 3 scored.")


def test_a_draft_reaches_the_server_and_another_browser(desk, until, browser):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill("Half an answer")
    until(lambda: Draft.objects.filter(body__text="Half an answer").exists())
    expect(page.locator("#line-state")).to_have_text("Draft saved")
    other = browser.new_context()
    sign_in(other, desk.user, desk.url)
    second = other.new_page()
    second.goto(page.url)
    expect(second.locator("#text")).to_have_value("Half an answer")
    other.close()


def test_without_a_network_work_goes_on_and_arrives_later(desk, until, context):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.wait_for_load_state("networkidle")
    first = page.locator("#prompt .text").inner_text()
    context.set_offline(True)
    desk.press("6", "2", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    desk.press("3", "4", "Enter")
    assert not Ranking.objects.exists()
    context.set_offline(False)
    until(lambda: Ranking.objects.count() == 2)
    expect(page.get_by_text("The server cannot be reached")).to_have_count(0)


def test_an_answer_that_never_left_is_sent_by_the_next_page(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    page.route("**/ranking", lambda route: route.abort())
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.unroute("**/ranking")
    page.reload()
    until(lambda: Ranking.objects.count() == 1)
    expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
    expect(page.locator("#notices")).to_contain_text("was sent")
    desk.press("6", "2", "Enter")
    expect(page.locator("#notices")).not_to_contain_text("was sent")


def test_an_answer_whose_reply_was_lost_lands_once(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    tries = []

    def lose_the_first_reply(route):
        tries.append(route.request.headers["idempotency-key"])
        if len(tries) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/ranking", lose_the_first_reply)
    desk.press("6", "2", "Enter")
    until(lambda: len(tries) >= 2)
    expect(page.locator("#line-state")).to_have_attribute("data-state", "idle")
    assert len(set(tries)) == 1
    assert Ranking.objects.count() == 1


def test_when_the_lease_has_ended_the_page_says_so_and_the_answer_is_still_taken(desk, until):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill("An hour of")
    until(lambda: Draft.objects.exists())
    build.overdue(desk.project)
    from labeling.actions.leases import expire_leases

    assert expire_leases() == 1
    page.locator("#text").press_sequentially(" work")
    expect(page.get_by_role("alert")).to_contain_text("Your time for this item ran out")
    expect(page.locator("#text")).to_have_value("An hour of work")
    page.get_by_role("button", name="Submit").click()
    until(lambda: Demonstration.objects.filter(revisions__text="An hour of work").count() == 1)


def test_an_expired_sign_in_costs_no_answer(desk, until, context):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    sign_in(context, desk.user, desk.url)
    page.get_by_role("button", name="Try again").click()
    until(lambda: Ranking.objects.count() == 1)


def test_two_tabs_never_give_two_answers(desk, until, context):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    second = context.new_page()
    second.goto(page.url)
    desk.press("6", "2", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    for key in ("1", "2", "Enter"):
        second.keyboard.press(key)
    expect(second.get_by_role("alert")).to_contain_text("already answered")
    assert Ranking.objects.count() == 1


def test_what_the_server_refuses_comes_back_with_its_reason(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    first = page.locator("#prompt .text").inner_text()
    refusal = '{"error": {"code": "badinput", "message": "This will not do.", "field": "scores"}}'
    page.route("**/ranking", lambda route: route.fulfill(status=400, body=refusal))
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("This will not do.")
    expect(page.locator("#prompt .text")).to_have_text(first)
    assert desk.tiers() == ["A", "B"]
    page.unroute("**/ranking")
    desk.press("Enter")
    until(lambda: Ranking.objects.count() == 1)
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    desk.press("3", "4", "Enter")
    until(lambda: Ranking.objects.count() == 2)


def test_the_item_loaded_ahead_is_given_back_on_leaving(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.wait_for_load_state("networkidle")
    page.goto(f"{desk.url}/")
    until(lambda: Assignment.objects.filter(state="released").exists())
