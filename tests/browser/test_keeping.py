"""Nothing is lost: reloads, a lost network, an ended lease, an expired sign-in, a server restart."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from labeling.actions import leases, queue, rankings
from labeling.models import Assignment, Demonstration, DemonstrationRevision, Draft, Kind, Ranking
from tests import build
from tests.browser.conftest import sign_in

TEXT = "An hour of work"


def texts() -> list[str]:
    """Every revision of every demonstration, in the order in which they arrived."""
    return list(DemonstrationRevision.objects.order_by("pk").values_list("text", flat=True))


def leases_end(desk) -> None:
    build.overdue(desk.project)
    assert leases.expire_leases() > 0


def goes_through(page) -> None:
    """The page tries again by itself, at ever longer intervals: a button to press may be gone before."""
    expect(page.get_by_text("You are signed out")).to_have_count(0, timeout=60_000)


@contextmanager
def offline(context):
    context.set_offline(True)
    yield
    context.set_offline(False)


# --- the page is reloaded or closed --------------------------------------------------------------------


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


@pytest.mark.parametrize("kind", ["rank", "demonstrate"])
def test_an_answer_that_never_left_is_sent_by_the_next_page_once(desk, until, context, kind):
    build.rank_items(desk.project, 2, k=2)
    build.demonstrate_items(desk.project, 2)
    page = desk.open(kind)
    page.wait_for_load_state("networkidle")
    with offline(context):
        if kind == "rank":
            desk.press("6", "2", "Enter")
        else:
            page.locator("#text").fill(TEXT)
            desk.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
        page.goto("about:blank")
    desk.open(kind)
    until(lambda: Ranking.objects.count() + Demonstration.objects.count() == 1)
    expect(page.locator("#notices")).to_contain_text("was sent")
    if kind == "rank":
        expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
        desk.press("6", "2", "Enter")
        until(lambda: Ranking.objects.count() == 2)
        expect(page.locator("#notices")).not_to_contain_text("was sent")
    else:
        expect(page.locator("#text")).to_be_empty()
        assert texts() == [TEXT]


def test_a_change_that_was_not_submitted_or_never_left_survives_too(desk, until, context):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    page.locator("#text").fill("The first version")
    desk.press("Control+Enter")
    until(lambda: texts() == ["The first version"])
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Skip this one")).to_be_hidden()
    page.locator("#text").fill("A better one")
    page.reload()
    expect(page.locator("#text")).to_be_empty()
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator("#text")).to_have_value("A better one")
    page.wait_for_load_state("networkidle")
    with offline(context):
        desk.press("Control+Enter")
        expect(page.locator("#text")).to_be_empty()
        page.goto("about:blank")
    desk.open("demonstrate")
    until(lambda: texts() == ["The first version", "A better one"])
    expect(page.get_by_role("button", name="Go on with it")).to_have_count(0)


# --- the network ---------------------------------------------------------------------------------------


def test_without_a_network_work_goes_on_and_arrives_later(desk, until, context):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.wait_for_load_state("networkidle")
    first = page.locator("#prompt .text").inner_text()
    with offline(context):
        desk.press("6", "2", "Enter")
        expect(page.locator("#prompt .text")).not_to_have_text(first)
        expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
        desk.press("3", "4", "Enter")
        assert not Ranking.objects.exists()
    until(lambda: Ranking.objects.count() == 2)
    expect(page.get_by_text("The server cannot be reached")).to_have_count(0)


def test_a_draft_that_was_typed_without_a_network_is_saved_once_it_is_back(desk, until, context):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.wait_for_load_state("networkidle")
    with offline(context):
        page.locator("#text").fill(TEXT)
        expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    until(lambda: Draft.objects.filter(body__text=TEXT).exists())
    expect(page.locator("#line-state")).to_have_text("Draft saved")


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


def test_a_server_that_is_stopped_and_started_again_costs_neither_answer_nor_draft(
    served_desk, product, until
):
    build.rank_items(served_desk.project, 3, k=2)
    build.demonstrate_items(served_desk.project, 1)
    writing = served_desk.page.context.new_page()
    writing.goto(f"{served_desk.url}/p/{served_desk.project.public_id}/demonstrate/")
    page = served_desk.open()
    for each in (page, writing):
        each.wait_for_load_state("networkidle")
    product.stop()
    served_desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    served_desk.press("3", "4", "Enter")
    writing.locator("#text").fill(TEXT)
    expect(writing.get_by_role("alert")).to_contain_text("The server cannot be reached")
    product.start()
    until(lambda: Ranking.objects.count() == 2)
    expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
    expect(page.get_by_text("The server cannot be reached")).to_have_count(0)
    writing.get_by_role("button", name="Submit").click()
    until(lambda: texts() == [TEXT])


# --- the lease -----------------------------------------------------------------------------------------


def test_when_the_lease_has_ended_the_page_says_so_and_the_answer_is_still_taken(desk, until):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill("An hour of")
    until(lambda: Draft.objects.exists())
    leases_end(desk)
    page.locator("#text").press_sequentially(" work")
    expect(page.get_by_role("alert")).to_contain_text("Your time for this item ran out")
    expect(page.locator("#text")).to_have_value(TEXT)
    until(lambda: Draft.objects.filter(body__text=TEXT).exists())
    page.get_by_role("button", name="Submit").click()
    until(lambda: texts() == [TEXT])
    assert Demonstration.objects.get().slot is not None


def test_an_answer_to_an_item_that_went_to_somebody_else_is_kept_and_said_to_be_an_extra(desk, until):
    build.rank_items(desk.project, 1, k=2)
    page = desk.open()
    desk.press("6")
    until(lambda: Draft.objects.exists())
    leases_end(desk)
    theirs = queue.claim(build.member(desk.project, "wang"), Kind.RANK)
    rankings.submit(theirs, build.answer(theirs), build.key())
    desk.press("2")
    expect(page.get_by_role("alert")).to_contain_text("may have gone to somebody else")
    desk.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("kept as an extra")
    assert Ranking.objects.filter(labeler=desk.user, slot=None).count() == 1


def test_what_was_begun_before_the_lease_ended_is_offered_by_the_next_page(desk, until):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill(TEXT)
    page.goto("about:blank")
    until(lambda: Draft.objects.exists())
    leases_end(desk)
    assert queue.claim(build.member(desk.project, "wang"), Kind.DEMONSTRATE) is not None
    desk.open("demonstrate")
    expect(page.get_by_role("heading", name="All done here")).to_be_visible()
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator("#text")).to_have_value(TEXT)
    expect(page.get_by_role("alert")).to_contain_text("Your time for this item ran out")
    page.get_by_role("button", name="Submit").click()
    until(lambda: texts() == [TEXT])
    expect(page.get_by_role("alert")).to_contain_text("kept as an extra")


def test_the_item_loaded_ahead_is_given_back_on_leaving(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.wait_for_load_state("networkidle")
    page.goto(f"{desk.url}/")
    until(lambda: Assignment.objects.filter(state="released").exists())


# --- the sign-in ---------------------------------------------------------------------------------------


def test_an_expired_sign_in_is_told_while_one_types_and_costs_nothing(desk, until, context):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    page.locator("#text").fill(TEXT)
    expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    desk.user.set_password("correct horse battery")
    desk.user.save()
    with context.expect_page() as opened:
        page.get_by_role("button", name="Sign in").click()
    tab = opened.value
    tab.get_by_label("Username").fill("mei")
    tab.get_by_label("Password").fill("correct horse battery")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    tab.close()
    goes_through(page)
    until(lambda: Draft.objects.filter(body__text=TEXT).exists())
    desk.press("Control+Enter")
    until(lambda: texts() == [TEXT])


def test_an_answer_submitted_while_signed_out_arrives_after_signing_in(desk, until, context):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    sign_in(context, desk.user, desk.url)
    goes_through(page)
    until(lambda: Ranking.objects.count() == 1)


def test_who_signs_in_as_somebody_else_is_told_and_sends_nothing_for_them(desk, context):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    page.wait_for_load_state("networkidle")
    sign_in(context, build.member(desk.project, "wang").user, desk.url)
    page.locator("#text").fill(TEXT)
    desk.press("Control+Enter")
    expect(page.locator("[data-name=refused]")).to_contain_text("did not take your answer")
    expect(page.locator("#text")).to_have_value(TEXT)
    assert not Demonstration.objects.exists()


# --- what the server refuses ---------------------------------------------------------------------------


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
