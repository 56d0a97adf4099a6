"""Keys of one's own, in Chromium: given by keys alone, said, kept with the account; and the last answers."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Ranking, User
from tests import build
from tests.browser.conftest import sign_in
from tests.browser.test_rank import in_letters, latest


def give(page: Page, action: str, key: str) -> None:
    """In the open dialog, without a mouse."""
    page.locator(f"#change-{action}").focus()
    page.keyboard.press("Enter")
    page.keyboard.press(key)


def kept() -> Any:
    return User.objects.get(username="mei").workspace.get("keys")


def test_an_item_is_ranked_by_keys_of_ones_own_which_another_browser_knows_too(desk, until, browser):
    build.rank_items(desk.project, 2)
    page = desk.open()
    status = page.locator("#keys-status")
    desk.press("?")
    give(page, "tie", ";")
    expect(status).to_have_text("Keep a tie, or tie it with the one above: ;.")
    # The key of another action is exchanged for the old one.
    give(page, "submit", "s")
    expect(status).to_have_text("Submit: S. Skip this one: ↵.")
    expect(page.locator("#change-submit")).to_be_focused()
    desk.press("Escape", "5", "7", "5", "2")
    expect(page.locator("#submit-reason")).to_have_text(
        "A and C are equal: order them, or press ; to keep the tie."
    )
    expect(page.locator(".tier-keep kbd")).to_have_text(";")
    desk.press("=", ";", "s")
    until(lambda: Ranking.objects.count() == 1)
    assert in_letters(latest(), latest().ranks) == {"A": 2, "B": 1, "C": 2, "D": 3}
    assert latest().mode == "keys"

    other = browser.new_context()
    sign_in(other, desk.user, desk.url)
    theirs = other.new_page()
    theirs.goto(page.url)
    expect(theirs.locator("#submit kbd")).to_have_text("S")
    expect(theirs.locator("#skip kbd")).to_have_text("↵")
    other.close()


def test_what_belongs_to_the_item_is_refused_and_escape_leaves_a_key_as_it_was(desk):
    build.rank_items(desk.project, 1, k=2)
    page = desk.open()
    status = page.locator("#keys-status")
    desk.press("?")
    give(page, "skip", "a")
    expect(status).to_have_text("“A” belongs to the answers, their scores or their flags.")
    give(page, "skip", "ArrowLeft")
    expect(status).to_have_text(
        "“ArrowLeft” would be a key of two: “Skip this one” and “Choose the answer before”."
    )
    desk.press("Enter")
    expect(status).to_have_text("Press the new key of: Skip this one. Escape leaves it as it is.")
    desk.press("Escape")
    expect(status).to_have_text("It stays as it was.")
    expect(page.locator("#keys-dialog")).to_be_visible()
    desk.press("Escape", "s")
    expect(page.locator("#skip-dialog")).to_be_visible()
    assert kept() is None


def test_keys_are_taken_back_one_by_one_or_all_at_once_and_other_pages_know_at_once(desk, until):
    """What an earlier version kept and this one cannot have is passed over."""
    desk.user.workspace = {"keys": {"pin": "F2", "preview": "F4", "fly": ";", "undo": "x", "raw": ["r"]}}
    desk.user.save()
    build.rank_items(desk.project, 1, k=2)
    build.demonstrate_items(desk.project, 1)
    page = desk.open()
    beside = page.context.new_page()
    beside.goto(f"{desk.url}/p/{desk.project.public_id}/demonstrate/")
    page.bring_to_front()
    desk.press("p")
    expect(page.locator(".pin[aria-pressed=true]")).to_have_count(0)
    desk.press("F2")
    expect(page.locator(".pin[aria-pressed=true]")).to_have_count(1)
    desk.press("?")
    give(page, "fold", "F8")
    expect(beside.locator("#fold kbd")).to_have_text("F8")
    expect(page.locator('[data-title-key="layout"]').first).to_have_attribute("title", "All answers (Z)")
    page.locator("#reset-pin").click()
    expect(page.locator("#keys-status")).to_have_text(
        "Pin the chosen answer, to compare the others with it: P."
    )
    assert kept() == {"preview": "F4", "fold": "F8"}
    page.get_by_role("button", name="Reset all keys").click()
    expect(page.locator("#keys-status")).to_have_text("All keys are as they were at first.")
    assert kept() == {}
    expect(beside.locator("#fold kbd")).to_have_text("O")
    beside.close()


def test_writing_has_keys_of_ones_own_and_a_key_leads_to_the_last_answers(desk):
    desk.user.workspace = {"keys": {"preview": "'", "last": "F9"}}
    desk.user.save()
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill("It **is**.")
    page.locator("h1").click()
    desk.press("p", "'")
    expect(page.locator("#preview strong")).to_have_text("is")
    desk.press("F9")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your last answers")


def test_the_answer_before_the_last_is_opened_and_changed(desk, until):
    build.rank_items(desk.project, 3, k=2)
    page = desk.open()
    for _ in range(2):
        expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
        desk.press("6", "2", "Enter")
    # What is still on its way is waited for.
    desk.press("q")
    given = page.locator(".given")
    expect(given).to_have_count(2)
    given.nth(1).get_by_role("link", name="Open and change").click()
    expect(page.locator("#notices")).to_contain_text("You are changing an answer that you have given.")
    desk.press("a", "1", "Enter")
    first = Ranking.objects.earliest("pk")
    until(lambda: first.revisions.count() == 2)
    now = first.revisions.latest("number")
    assert in_letters(now, now.scores) == {"A": 1, "B": 2}
    assert Ranking.objects.count() == 2
    desk.open("last-answers")
    expect(given.nth(1)).to_contain_text("changed once")
    expect(given.nth(1)).to_contain_text("B > A")


@pytest.fixture
def logic(live_server, page):
    """Call a function of shortcuts.js, which knows no document."""
    page.goto(f"{live_server.url}/sign-in/")

    def call(name: str, *given: Any) -> Any:
        script = "async ([name, given]) => (await import('/static/js/shortcuts.js'))[name](...given)"
        return page.evaluate(script, [name, list(given)])

    return call


SKIP = {"name": "skip", "key": "s", "also": [], "scopes": ["rank", "write"]}
PIN = {"name": "pin", "key": "p", "also": [], "scopes": ["rank"]}
PREVIEW = {"name": "preview", "key": "p", "also": [], "scopes": ["write"]}
NEXT = {"name": "next", "key": "j", "also": ["ArrowRight"], "scopes": ["rank", "flags"]}
ALL = [SKIP, PIN, PREVIEW, NEXT]


def test_a_key_is_what_it_types_whatever_the_case_or_what_it_is_called(logic):
    assert logic("nameOf", {"key": "J"}) == logic("nameOf", {"key": "j"}) == "j"
    assert logic("nameOf", {"key": " "}) == "Space"
    assert logic("nameOf", {"key": "ArrowUp", "altKey": True}) == "Alt+ArrowUp"
    named = {"j": "J", "Enter": "↵", "Alt+ArrowUp": "Alt+↑", "F2": "F2", "+": "+"}
    assert {key: logic("cap", key) for key in named} == named


def test_what_a_key_does_depends_on_where_one_is(logic):
    assert logic("actionOf", ALL, "rank", "p") == "pin"
    assert logic("actionOf", ALL, "write", "p") == "preview"
    assert logic("actionOf", ALL, "rank", "ArrowRight") == "next"
    assert logic("actionOf", ALL, "flags", "s") == ""
    assert logic("actionOf", logic("withChosen", ALL, {"next": "S"}), "flags", "s") == "next"


def test_who_takes_a_key_gives_the_old_one_to_all_that_had_it_and_to_nobody_else(logic):
    assert logic("exchanged", ALL, {}, "skip", "p") == {"skip": "p", "pin": "s", "preview": "s"}
    assert logic("exchanged", ALL, {}, "pin", "s") == {"pin": "s", "skip": "p"}
    assert logic("exchanged", ALL, {"pin": ";"}, "preview", ";") == {"pin": ";", "preview": ";"}


def test_a_key_as_it_was_at_first_is_not_kept(logic):
    assert logic("exchanged", ALL, {"skip": "p", "pin": "s", "preview": "s"}, "skip", "s") == {}


def test_flags_take_the_keys_that_are_left(logic):
    assert logic("left", "12JK", ALL, "flags") == ["1", "2", "K"]
    assert logic("left", "12JK", logic("withChosen", ALL, {"next": "2"}), "flags") == ["1", "J", "K"]


def test_shift_turns_back_only_where_it_makes_no_other_key(logic):
    assert logic("isShifted", {"key": " ", "shiftKey": True}) is True
    assert logic("isShifted", {"key": "G", "shiftKey": True}) is True
    assert logic("isShifted", {"key": ":", "shiftKey": True}) is False
