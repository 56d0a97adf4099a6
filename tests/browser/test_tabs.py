"""One item in two tabs or two browsers: nothing is lost, nothing lands twice, and the page says so."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import Assignment, DemonstrationRevision, Draft, Ranking, RankingRevision
from tests import build
from tests.browser.conftest import Desk, sign_in


@pytest.fixture
def tab(desk, context):
    """Another tab of the same browser."""
    return Desk(context.new_page(), desk.project, desk.membership, desk.url, desk.faults)


@pytest.fixture
def elsewhere(desk, browser):
    """The same person in another browser."""
    context = browser.new_context()
    sign_in(context, desk.user, desk.url)
    yield Desk(context.new_page(), desk.project, desk.membership, desk.url, desk.faults)
    context.close()


def opened(kind, *desks):
    for each in desks:
        each.open(kind).wait_for_load_state("networkidle")
    return [each.page for each in desks]


def texts():
    return list(DemonstrationRevision.objects.order_by("pk").values_list("text", flat=True))


def test_tabs_follow_each_other_and_an_answer_given_in_one_is_given_in_both(desk, tab, until):
    build.demonstrate_items(desk.project, 2)
    first, second = opened("demonstrate", desk, tab)
    first.locator("#text").fill("One")
    expect(second.locator("#text")).to_have_value("One")
    second.locator("#text").press_sequentially(" and two")
    expect(first.locator("#text")).to_have_value("One and two")
    until(lambda: Draft.objects.filter(body__text="One and two").exists())
    desk.press("Control+Enter")
    expect(second.get_by_role("alert")).to_contain_text("You submitted that item in another tab")
    expect(second.locator("#text")).to_be_empty()
    second.locator("#text").fill("Three")
    tab.press("Control+Enter")
    until(lambda: texts() == ["One and two", "Three"])


def test_a_ranking_that_is_begun_in_one_tab_is_ended_in_another(desk, tab, until):
    build.rank_items(desk.project, 2, k=3)
    first, second = opened("rank", desk, tab)
    desk.press("5", "7")
    expect(second.locator("#submit-reason")).to_have_text("2 of 3 scored.")
    assert tab.tiers() == ["B", "A"]
    tab.press("c", "6", "Enter")
    expect(first.get_by_role("alert")).to_contain_text("You submitted that item in another tab")
    expect(first.locator("#submit-reason")).to_have_text("0 of 3 scored.")
    until(lambda: Ranking.objects.count() == 1)


def test_what_was_written_beside_an_answer_from_another_browser_can_be_made_a_change_of_it(
    desk, elsewhere, until
):
    build.demonstrate_items(desk.project, 2)
    page, _other = opened("demonstrate", desk, elsewhere)
    page.locator("#text").fill("Mine")
    until(lambda: Draft.objects.exists())
    elsewhere.page.locator("#text").fill("Theirs")
    elsewhere.press("Control+Enter")
    until(lambda: texts() == ["Theirs"])
    page.locator("#text").press_sequentially(", longer")
    expect(page.get_by_role("alert")).to_contain_text("You have answered this item already")
    expect(page.locator("#text")).to_have_value("Mine, longer")
    desk.press("Control+Enter")
    until(lambda: texts() == ["Theirs", "Mine, longer"])
    expect(page.locator("#text")).to_be_empty()


def test_a_second_answer_from_another_browser_comes_back_and_may_be_left(desk, elsewhere, until):
    build.rank_items(desk.project, 2, k=2)
    page, _other = opened("rank", desk, elsewhere)
    item = page.locator("#prompt .text").inner_text()
    elsewhere.press("1", "2", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("You have answered this item already")
    expect(page.locator("#prompt .text")).to_have_text(item)
    assert desk.tiers() == ["A", "B"]
    page.get_by_role("button", name="Leave it as it was").click()
    expect(page.locator("#prompt .text")).not_to_have_text(item)
    expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
    assert RankingRevision.objects.count() == 1


def test_two_changes_of_one_answer_are_both_kept(desk, elsewhere, until):
    build.demonstrate_items(desk.project, 1)
    page, _other = opened("demonstrate", desk, elsewhere)
    page.locator("#text").fill("First")
    desk.press("Control+Enter")
    until(lambda: texts() == ["First"])
    page.get_by_role("button", name="Undo").click()
    page.locator("#text").fill("Second, here")
    answer = DemonstrationRevision.objects.get().demonstration.public_id
    elsewhere.page.goto(f"{desk.url}/p/{desk.project.public_id}/demonstrate/?change={answer}")
    elsewhere.page.locator("#text").fill("Second, there")
    elsewhere.press("Control+Enter")
    until(lambda: texts() == ["First", "Second, there"])
    desk.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("The answer was changed meanwhile")
    expect(page.locator("#text")).to_have_value("Second, here")
    desk.press("Control+Enter")
    until(lambda: texts() == ["First", "Second, there", "Second, here"])


def test_a_change_that_was_left_off_does_not_pass_over_what_was_said_since(desk, elsewhere, until):
    build.demonstrate_items(desk.project, 1)
    page, _other = opened("demonstrate", desk, elsewhere)
    page.locator("#text").fill("First")
    desk.press("Control+Enter")
    until(lambda: texts() == ["First"])
    change = f"demonstrate/?change={DemonstrationRevision.objects.get().demonstration.public_id}"
    page.get_by_role("button", name="Undo").click()
    page.locator("#text").fill("Half a change")
    page.goto("about:blank")
    elsewhere.page.goto(f"{desk.url}/p/{desk.project.public_id}/{change}")
    elsewhere.page.locator("#text").fill("Said since")
    elsewhere.press("Control+Enter")
    until(lambda: texts() == ["First", "Said since"])
    page.goto(f"{desk.url}/p/{desk.project.public_id}/{change}")
    expect(page.locator("#text")).to_have_value("Half a change")
    expect(page.get_by_role("alert")).to_contain_text("The answer was changed meanwhile")


def test_a_draft_from_another_browser_is_neither_lost_nor_put_in_place_of_what_is_here(
    desk, elsewhere, until
):
    build.demonstrate_items(desk.project, 1)
    page, _other = opened("demonstrate", desk, elsewhere)
    elsewhere.page.locator("#text").fill("Theirs")
    until(lambda: Draft.objects.filter(body__text="Theirs").exists())
    page.locator("#text").fill("Mine")
    expect(page.get_by_role("alert")).to_contain_text("in another browser")
    expect(page.locator("#text")).to_have_value("Mine")
    assert Draft.objects.get().body["text"] == "Theirs"
    page.get_by_role("button", name="Show what was done there").click()
    expect(page.locator("#text")).to_have_value("Theirs")
    page.get_by_role("button", name="Versions").click()
    page.get_by_role("dialog").get_by_role("button", name="Bring this back").click()
    expect(page.locator("#text")).to_have_value("Mine")
    until(lambda: Draft.objects.filter(body__text="Mine").exists())


def test_an_item_that_was_skipped_in_another_tab_says_so_and_keeps_its_text(desk, tab, until):
    build.demonstrate_items(desk.project, 2)
    page, _second = opened("demonstrate", desk, tab)
    item = page.locator("#prompt .text").inner_text()
    tab.page.get_by_role("button", name="Skip this one").click()
    tab.press("Enter")
    until(lambda: Assignment.objects.filter(state="skipped").exists())
    page.locator("#text").fill("Yet I wrote")
    expect(page.get_by_role("alert")).to_contain_text("You have skipped this item")
    desk.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("did not take your answer: You have skipped this item")
    expect(page.locator("#text")).to_have_value("Yet I wrote")
    page.get_by_role("button", name="Take another item").click()
    expect(page.locator("#prompt .text")).not_to_have_text(item)


def test_a_page_that_is_left_does_not_take_the_item_from_where_it_is_shown_meanwhile(desk, elsewhere, until):
    build.rank_items(desk.project, 2, k=2)
    page, _other = opened("rank", desk, elsewhere)
    elsewhere.press("6", "2", "Enter")
    until(lambda: Ranking.objects.count() == 1 and Assignment.objects.filter(state="open").exists())
    with page.expect_response("**/release"):
        page.evaluate("dispatchEvent(new Event('pagehide'))")
    assert Assignment.objects.filter(state="open").count() == 1
