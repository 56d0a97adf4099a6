"""The page of an evaluation in a browser: it fits a phone, and samples open by the keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_dashboard import office  # noqa: F401
from tests.browser.test_look import findings, fits
from tests.pages.test_evaluations import evaluated


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_evaluation_is_readable_in_both_themes_and_on_a_phone(office, scheme):  # noqa: F811
    run = evaluated(office.project, office.store, text="a much better answer " * 30)
    office.page.emulate_media(color_scheme=scheme)
    page = office.open(f"/runs/{run.public_id}/")
    expect(page.get_by_role("heading", name="Samples, side by side")).to_be_visible()
    expect(page.get_by_text("a much better answer").first).to_be_visible()
    page.locator("#sample-1 summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("a much better answer").first).to_be_hidden()
    assert findings(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert fits(page)


def test_the_form_that_has_completions_written_works_by_keyboard(office):  # noqa: F811
    page = office.open(f"/p/{office.project.public_id}/runs/")
    page.locator("#write summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("For how many prompts").fill("3")
    assert findings(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_text("There are no prompts yet.")).to_be_visible()
