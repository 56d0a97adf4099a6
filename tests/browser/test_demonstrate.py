"""Writing demonstrations in Chromium."""

from __future__ import annotations

from playwright.sync_api import expect

from labeling.models import Assignment, Demonstration
from tests import build


def test_a_demonstration_is_written_and_submitted_by_keys(desk, until):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    first = page.locator("#prompt .text").inner_text()
    page.keyboard.type("Once upon a time.")
    expect(page.locator("#count")).to_have_text("Words: 4 · Characters: 17")
    desk.press("Control+Enter")
    until(lambda: Demonstration.objects.filter(revisions__text="Once upon a time.").count() == 1)
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    expect(page.locator("#text")).to_be_empty()
    expect(page.locator("#text")).to_be_focused()


def test_nothing_cannot_be_submitted(desk):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.locator("#text").fill("   \n ")
    submit = page.get_by_role("button", name="Submit")
    expect(submit).to_have_accessible_description("Write an answer first.")
    submit.click(force=True)
    assert not Demonstration.objects.exists()


def test_letters_typed_into_the_text_are_no_shortcuts(desk):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    page.keyboard.type("s? u")
    expect(page.locator("#text")).to_have_value("s? u")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_skip_brings_the_next(desk, until):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    first = page.locator("#prompt .text").inner_text()
    page.get_by_role("button", name="Skip this one").click()
    page.get_by_label("I do not know enough about it").check()
    page.get_by_role("button", name="Skip it").click()
    expect(page.locator("#prompt .text")).not_to_have_text(first)
    until(lambda: Assignment.objects.filter(state="skipped", skip_reason="too_hard").exists())


def test_undo_brings_the_text_back_and_a_change_is_a_new_revision(desk, until):
    build.demonstrate_items(desk.project, 2)
    page = desk.open("demonstrate")
    page.keyboard.type("A first try")
    desk.press("Control+Enter")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#text")).to_have_value("A first try")
    page.locator("#text").fill("A better try")
    desk.press("Control+Enter")
    until(lambda: Demonstration.objects.filter(revisions__text="A better try", revisions__number=2).exists())
    assert Demonstration.objects.count() == 1


def test_the_text_area_grows_with_the_text(desk):
    build.demonstrate_items(desk.project, 1)
    page = desk.open("demonstrate")
    before = page.locator("#text").bounding_box()["height"]
    page.locator("#text").fill("line\n" * 60)
    assert page.locator("#text").bounding_box()["height"] > before * 2
