"""Ranking in Chromium: by keys alone, by buttons, by dragging; what cannot be submitted, and what arrives."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from labeling.models import Assignment, Ranking
from tests import build


def latest():
    return Ranking.objects.latest("pk").revisions.latest("number")


def in_letters(revision, values):
    """An answer's array over the item's positions, as the letters that the labeler saw."""
    order = revision.ranking.assignment.shown_order
    return {chr(ord("A") + place): values[position] for place, position in enumerate(order)}


def score(page: Page, letter: str, value: int) -> None:
    card = page.locator(f'.answer[data-letter="{letter}"]')
    card.locator(".score-step", has_text=str(value)).click()


def drag(page: Page, source: str, x_share: float, y_share: float, target: str) -> None:
    page.locator(source).hover()
    page.mouse.down()
    box = page.locator(target).bounding_box()
    page.mouse.move(box["x"] + box["width"] * x_share, box["y"] + box["height"] * y_share, steps=8)
    page.mouse.up()


def test_four_answers_with_scores_and_a_tie_take_six_keys(desk, until):
    build.rank_items(desk.project, 2)
    page = desk.open()
    expect(page.locator(".answer")).to_have_count(4)
    desk.press("5", "7", "5", "2")
    assert desk.tiers() == ["B", "AC", "D"]
    expect(page.locator("#submit")).to_have_attribute("aria-disabled", "true")
    desk.press("=", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.scores) == {"A": 5, "B": 7, "C": 5, "D": 2}
    assert in_letters(stored, stored.ranks) == {"A": 2, "B": 1, "C": 2, "D": 3}
    assert stored.mode == "keys"
    assert stored.moved == [False] * 4


def test_moves_flags_and_a_comment_by_keys_arrive_too(desk, until):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    desk.press("4", "4", "6", "b", "[", "t", "2", "Escape", "m")
    page.keyboard.type("B reads better")
    desk.press("Control+Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 3, "B": 2, "C": 1}
    assert in_letters(stored, stored.moved) == {"A": False, "B": True, "C": False}
    assert in_letters(stored, stored.flags) == {"A": 0, "B": 2, "C": 0}
    assert stored.comment == "B reads better"


def test_ranking_by_buttons_alone(desk, until):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    for letter, value in (("A", 3), ("B", 3), ("C", 6)):
        score(page, letter, value)
    page.get_by_role("button", name="Keep the tie").click()
    assert desk.tiers() == ["C", "AB"]
    page.get_by_role("button", name="Move B down").click()
    assert desk.tiers() == ["C", "A", "B"]
    page.get_by_role("button", name="Submit").click()
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 2, "B": 3, "C": 1}
    assert stored.mode == "pointer"


def test_ranking_by_dragging(desk, until):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    for letter, value in (("A", 3), ("B", 5), ("C", 6)):
        score(page, letter, value)
    assert desk.tiers() == ["C", "B", "A"]
    drag(page, '#tiers .chip[data-letter="A"]', 0.5, 0.1, '#tiers .tier[data-tier="0"]')
    assert desk.tiers() == ["A", "C", "B"]
    expect(page.locator("#conflicts")).to_contain_text("2")
    drag(page, '.answer[data-letter="B"] .grip', 0.5, 0.5, '#tiers .tier[data-tier="1"]')
    assert desk.tiers() == ["A", "BC"]
    page.get_by_role("button", name="Submit").click()
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.ranks) == {"A": 1, "B": 2, "C": 2}
    assert stored.conflicts == 2


def test_what_is_untouched_cannot_be_submitted_and_the_page_says_why(desk):
    build.rank_items(desk.project, 1)
    page = desk.open()
    submit = page.get_by_role("button", name="Submit")
    expect(submit).to_have_attribute("aria-disabled", "true")
    expect(submit).to_have_accessible_description("0 of 4 scored.")
    submit.click(force=True)
    desk.press("Enter")
    desk.press("5", "5", "3")
    expect(submit).to_have_accessible_description(
        "3 of 4 scored. A and B are equal: order them, or press = to keep the tie."
    )
    submit.click(force=True)
    assert not Ranking.objects.exists()
    expect(page.locator("#work")).to_be_visible()


def test_all_bad_needs_scores_and_no_order(desk, until):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    desk.press("x", "1", "1", "2")
    expect(page.get_by_role("checkbox", name="All of them are bad")).to_be_checked()
    desk.press("Enter")
    until(lambda: Ranking.objects.count() == 1)
    assert latest().all_bad
    assert latest().ranks is None


def test_a_skip_has_a_reason_and_brings_the_next_item(desk, until):
    build.rank_items(desk.project, 2)
    page = desk.open()
    first = page.locator("#prompt .text").inner_text()
    desk.press("s", "3", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    until(lambda: Assignment.objects.filter(state="skipped", skip_reason="language").count() == 1)


def test_the_next_item_is_there_at_once_without_a_page_load(desk, until):
    build.rank_items(desk.project, 3)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.evaluate("window.sameDocument = true")
    page.wait_for_load_state("networkidle")
    # From here on the server answers nothing: what is shown next was in the page before.
    page.route("**/api/**", lambda route: None)
    first = page.locator("#prompt .text").inner_text()
    desk.press("4", "3", "2", "1", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    assert page.evaluate("window.sameDocument") is True


def test_every_item_until_the_queue_is_empty_and_then_new_work_comes_by_itself(desk, until):
    build.rank_items(desk.project, 3, k=2)
    page = desk.open()
    for done in (1, 2, 3):
        expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
        desk.press("6", "2", "Enter")
        until(lambda done=done: Ranking.objects.count() == done)
    expect(page.get_by_role("heading", name="All done here")).to_be_visible()
    build.rank_items(desk.project, 1, k=2)
    page.get_by_role("button", name="Look now").click()
    expect(page.locator(".answer")).to_have_count(2)


def test_pressing_submit_twice_lands_once(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    desk.press("6", "2")
    page.get_by_role("button", name="Submit").dblclick()
    until(lambda: Ranking.objects.count() == 1)
    page.wait_for_load_state("networkidle")
    assert Ranking.objects.count() == 1


def test_undo_reopens_the_answer_and_a_change_is_a_new_revision(desk, until):
    build.rank_items(desk.project, 2, k=2)
    page = desk.open()
    first = page.locator("#prompt .text").inner_text()
    desk.press("6", "2", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    second = page.locator("#prompt .text").inner_text()
    desk.press("5", "u")
    expect(page.locator("#prompt .text")).to_have_text(first)
    desk.press("a", "1", "Enter")
    until(lambda: latest().number == 2)
    assert in_letters(latest(), latest().scores) == {"A": 1, "B": 2}
    assert in_letters(latest(), latest().ranks) == {"A": 2, "B": 1}
    # The item that was begun meanwhile is as it was left.
    expect(page.locator("#prompt .text")).to_have_text(second)
    expect(page.locator("#submit-reason")).to_have_text("1 of 2 scored.")
    assert Ranking.objects.count() == 1


def test_moves_are_announced(desk):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    desk.press("4", "4", "6", "b", "Alt+ArrowUp")
    expect(page.locator("#live")).to_have_text("B: place 2 of 3.")


def test_one_key_shortcuts_can_be_switched_off(desk):
    build.rank_items(desk.project, 1, k=2)
    page = desk.open()
    desk.press("?")
    page.get_by_label("Shortcuts of a single key are on").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    desk.press("6")
    expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
    page.reload()
    desk.press("6")
    expect(page.locator("#submit-reason")).to_have_text("0 of 2 scored.")
