"""The ways to an order, in Chromium: by keys alone, by touch, across a reload; what is said and stored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.actions import leases
from labeling.models import Assignment, Completion, Draft, Ranking, RankingMethod, RankingRevision
from tests import build
from tests.browser.test_look import LONG, findings, fits
from tests.browser.test_rank import drag, in_letters, latest, score


def begin(desk: Any, method: str, *, k: int, items: int = 1) -> Page:
    """The page of a project whose labelers rank in this way."""
    desk.project.ranking_method = method
    desk.project.save()
    build.rank_items(desk.project, items, k=k)
    page: Page = desk.open()
    expect(page.locator("#work")).to_have_attribute("data-method", method)
    return page


def pair(page: Page) -> tuple[str, str]:
    """The two letters that are compared, left and right."""
    names = page.locator(".answer:not(.is-aside) .letter").all_inner_texts()
    assert len(names) == 2
    return names[0], names[1]


def compare(desk: Any, order: str, *, ties: str = "") -> int:
    """Sort two at a time by keys, by somebody who likes the letters in this order; returns the keystrokes."""
    pressed = 0
    while desk.page.locator(".asking-choice").count():
        left, right = pair(desk.page)
        if left in ties and right in ties:
            desk.press("=")
        else:
            desk.press("ArrowLeft" if order.index(left) < order.index(right) else "ArrowRight")
        pressed += 1
    return pressed


# --- rate, then resolve ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "ranks"),
    [
        # Four equal scores are the most that can be left to decide; these are the longest ways out of it.
        (["5", "5", "5", "5", "a", "[", "c", "[", "=", "Enter"], {"A": 1, "B": 3, "C": 2, "D": 3}),
        (["5", "5", "5", "5", "a", "[", "c", "]", "[", "Enter"], {"A": 1, "B": 2, "C": 4, "D": 3}),
        (["5", "7", "5", "2", "=", "Enter"], {"A": 2, "B": 1, "C": 2, "D": 3}),
    ],
)
def test_four_answers_take_ten_keystrokes_at_most_and_no_mouse(desk, until, keys, ranks):
    begin(desk, "rate", k=4)
    assert len(keys) <= 10
    desk.press(*keys)
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == ranks
    assert (stored.mode, stored.method) == ("keys", "rate")


# --- direct ----------------------------------------------------------------------------------------------


def test_direct_by_keys_scores_place_nothing_and_move_nothing(desk, until):
    page = begin(desk, "direct", k=4)
    desk.press("5", "7", "2", "1")
    assert desk.tiers() == []
    expect(page.locator("#submit-reason")).to_have_text("Not in the order yet: A, B, C, and D.")
    desk.press("c", "]", "a", "]", "b", "]", "d", "=")
    assert desk.tiers() == ["C", "A", "BD"]
    desk.press("b", "7")
    assert desk.tiers() == ["C", "A", "BD"]
    expect(page.locator("#conflicts-text")).to_contain_text("3")
    expect(page.get_by_role("button", name="Order by the scores")).to_be_hidden()
    desk.press("Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 2, "B": 3, "C": 1, "D": 3}
    assert in_letters(stored, stored.scores) == {"A": 5, "B": 7, "C": 2, "D": 1}
    assert (stored.method, stored.moved, stored.conflicts) == ("direct", [True] * 4, 3)


def test_direct_by_dragging_and_by_buttons(desk, until):
    page = begin(desk, "direct", k=3)
    drag(page, '.answer[data-letter="B"] .grip', 0.5, 0.5, "#tiers")
    page.get_by_role("button", name="Move A down").click()
    page.get_by_role("button", name="Move C up").click()
    assert desk.tiers() == ["C", "B", "A"]
    for letter, value in (("A", 3), ("B", 3), ("C", 3)):
        score(page, letter, value)
    assert desk.tiers() == ["C", "B", "A"]
    page.get_by_role("button", name="Submit").click()
    until(lambda: Ranking.objects.count() == 1)
    assert (latest().method, latest().mode) == ("direct", "pointer")


# --- best and worst first --------------------------------------------------------------------------------


def test_best_and_worst_first_by_keys_alone(desk, until):
    page = begin(desk, "extremes", k=7)
    expect(page.locator("#asking-text")).to_have_text("Which is the best of what is left?")
    expect(page.get_by_role("button", name="Submit")).to_be_hidden()
    desk.press("c", "f")
    assert desk.tiers() == ["C", "ABDEG", "F"]
    expect(page.locator("#live")).to_have_text(
        "F is the worst. Which is the best of what is left? Step 3 of at most 6."
    )
    desk.press("c", "a")  # C has its place already
    assert desk.tiers() == ["C", "A", "BDEG", "F"]
    desk.press("Backspace")
    assert desk.tiers() == ["C", "ABDEG", "F"]
    desk.press("b", "g", "=")
    assert desk.tiers() == ["C", "B", "ADE", "G", "F"]
    # Then scores, from the best to the worst.
    expect(page.locator("#live")).to_have_text("A, D, and E are equal. The order is whole. Now score C.")
    desk.press("7", "6", "5", "5", "5", "2", "1", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 3, "B": 2, "C": 1, "D": 3, "E": 3, "F": 5, "G": 4}
    assert in_letters(stored, stored.scores) == {"A": 5, "B": 6, "C": 7, "D": 5, "E": 5, "F": 1, "G": 2}
    assert (stored.method, stored.mode, stored.conflicts) == ("extremes", "keys", 0)


def test_fewer_than_seven_answers_are_rated(desk):
    desk.project.ranking_method = "extremes"
    desk.project.save()
    build.rank_items(desk.project, 1, k=6)
    page = desk.open()
    expect(page.locator("#work")).to_have_attribute("data-method", "rate")
    expect(page.locator("#asking")).to_be_hidden()


# --- two at a time ---------------------------------------------------------------------------------------


def test_two_at_a_time_by_keys_alone_then_scores_in_order(desk, until):
    page = begin(desk, "two_up", k=4)
    assert pair(page) == ("A", "B")
    expect(page.locator(".answer .score").first).to_be_hidden()
    desk.press("6", "[", "x", "x")  # there is nothing to score or to move yet
    assert compare(desk, "DBCA", ties="BC") <= 5
    assert desk.tiers() == ["D", "BC", "A"]
    expect(page.locator(".answer.is-aside")).to_have_count(0)
    expect(page.locator("#live")).to_contain_text("The order is whole. Now score D.")
    desk.press("7", "5", "5", "2", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 3, "B": 2, "C": 2, "D": 1}
    assert in_letters(stored, stored.scores) == {"A": 2, "B": 5, "C": 5, "D": 7}
    assert (stored.method, stored.mode) == ("two_up", "keys")


def test_each_step_is_said_and_the_new_answer_has_the_focus(desk):
    page = begin(desk, "two_up", k=3)
    expect(page.locator("#prompt-region")).to_have_accessible_description("Which is better, A or B?")
    desk.press("ArrowRight")
    expect(page.locator("#live")).to_have_text(
        "B is better than A. Which is better, C or A? Step 2 of at most 3."
    )
    expect(page.locator('.answer[data-letter="C"]')).to_be_focused()
    assert pair(page) == ("C", "A")
    desk.press("Backspace")
    expect(page.locator("#live")).to_have_text("One step back. Which is better, A or B? Step 1 of at most 3.")
    assert pair(page) == ("A", "B")
    desk.press("=")
    expect(page.locator("#live")).to_have_text(
        re.compile(r"^A and B are equal\. Which is better, C or A\? Step 2")
    )


@pytest.mark.parametrize(("method", "k"), [("two_up", 5), ("extremes", 7)])
def test_a_reload_in_the_middle_of_a_sort_goes_on_where_it_was(desk, until, method, k):
    page = begin(desk, method, k=k)
    desk.press("a", *("b" if method == "extremes" else "c"))
    asked, order = page.locator("#asking").inner_text(), desk.tiers()
    until(lambda: Draft.objects.exists())
    # As on another machine, where only the server's draft is.
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.locator("#asking")).to_have_text(asked, use_inner_text=True)
    assert desk.tiers() == order
    desk.press("Backspace", "Backspace")
    expect(page.locator(".asking-count")).to_contain_text("Step 1 of")
    expect(page.get_by_role("button", name="Back one step")).to_be_hidden()


def test_an_undone_answer_can_go_a_step_back_and_becomes_a_revision(desk, until):
    page = begin(desk, "two_up", k=2, items=2)
    first = page.locator("#prompt .text").inner_text()
    desk.press("ArrowLeft", "6", "4", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    desk.press("u")
    expect(page.locator("#prompt .text")).to_have_text(first)
    desk.press("Backspace", "ArrowRight", "Enter")
    until(lambda: RankingRevision.objects.count() == 2)
    assert in_letters(latest(), latest().ranks) == {"A": 2, "B": 1}
    assert (latest().number, latest().method) == (2, "two_up")
    expect(page.locator("#asking-text")).to_have_text("Which is better, A or B?")


def test_when_all_are_bad_nothing_is_compared(desk, until):
    page = begin(desk, "two_up", k=3)
    desk.press("ArrowLeft", "x")
    expect(page.locator("#asking")).to_be_hidden()
    desk.press("x")
    expect(page.locator("#asking-text")).to_have_text("Which is better, C or B?")
    desk.press("x", "1", "1", "1", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    assert (latest().all_bad, latest().ranks) == (True, None)


def test_after_a_sort_the_order_can_still_be_changed_by_hand(desk, until):
    page = begin(desk, "two_up", k=3)
    compare(desk, "ABC")
    desk.press("c", "[", "[", "a", "=")
    assert desk.tiers() == ["AC", "B"]
    expect(page.get_by_role("button", name="Back one step")).to_be_hidden()
    page.reload()
    assert desk.tiers() == ["AC", "B"]
    expect(page.locator("#asking")).to_be_hidden()


# --- everywhere ------------------------------------------------------------------------------------------


@pytest.fixture
def phone(browser_context_args: Any, desk: Any) -> Any:
    desk.page.set_viewport_size({"width": 360, "height": 740})
    return desk


@pytest.mark.parametrize("method", RankingMethod.values)
def test_a_phone_ranks_by_touch_in_every_way(phone, until, method):
    page = begin(phone, method, k=7)
    assert fits(page)
    while page.locator(".asking-choice").count():
        choice = page.locator(".asking-choice").first
        expect(choice).to_be_in_viewport()
        box = choice.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        choice.click()
    if method == "direct":
        for letter in "ABCDEFG":
            page.get_by_role("button", name=f"Move {letter} down").click()
    for value, letter in enumerate("GFEDCBA", 1):
        score(page, letter, value)
    assert fits(page)
    page.get_by_role("button", name="Submit").click()
    until(lambda: Ranking.objects.count() == 1)
    assert (latest().method, latest().mode) == (method, "pointer")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_axe_finds_nothing_in_a_sort(desk, scheme, language):
    desk.user.language = language
    desk.user.save()
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = begin(desk, "extremes", k=7)
    desk.press("a", "b")
    found = [f"extremes: {line}" for line in findings(page)]
    leases.skip(Assignment.objects.get(state="open"), "other")
    page = begin(desk, "two_up", k=3)
    desk.press("a")
    found += [f"two up: {line}" for line in findings(page)]
    compare(desk, "ABC")
    found += [f"two up, whole: {line}" for line in findings(page)]
    assert found == []


def test_the_keys_dialog_lists_this_ways_keys_alone(desk):
    page = begin(desk, "two_up", k=3)
    desk.press("?")
    expect(page.get_by_text("The left one is better")).to_be_visible()
    expect(page.get_by_text("It is the best, or the worst, of what is left")).to_be_hidden()


def test_long_answers_stand_side_by_side_and_whole(desk):
    desk.project.ranking_method = "two_up"
    desk.project.save()
    build.rank_items(desk.project, 1, k=3)
    Completion.objects.update(text=LONG * 10)
    page = desk.open()
    left, right = (page.locator(f'.answer[data-letter="{letter}"]').bounding_box() for letter in pair(page))
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 2
