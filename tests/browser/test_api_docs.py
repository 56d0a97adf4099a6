"""The API's description in a browser, under our content policy, and the page of one's tokens."""

from __future__ import annotations

from playwright.sync_api import expect

from labeling.actions import tokens


def test_the_description_is_read_and_tried_out_in_the_browser(desk):
    page = desk.page
    page.goto(f"{desk.url}/api/docs")
    expect(page.get_by_role("heading", name="Rankloop")).to_be_visible()
    page.locator("#operations-people-me").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator("#operations-people-me .responses-table.live-responses-table")).to_contain_text("mei")
    next_item = page.locator("#operations-projects-next")
    next_item.get_by_role("button").first.click()
    next_item.get_by_role("button", name="Try it out").click()
    next_item.get_by_placeholder("project").fill(desk.project.public_id)
    next_item.get_by_role("button", name="Execute").click()  # a write: CSRF goes with it
    expect(next_item.locator(".live-responses-table")).to_contain_text("There is nothing for you to do")


def test_a_token_is_made_copied_and_revoked_by_keyboard(desk):
    page = desk.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{desk.url}/")
    page.locator("summary[aria-label^='Account']").click()
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="API tokens").click()
    page.get_by_label("Name").fill("export")
    page.keyboard.press("Enter")
    secret = page.locator("#secret")
    expect(secret).to_be_focused()
    token = secret.input_value()
    assert tokens.find(token) is not None
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#secret-status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == token
    page.get_by_role("button", name="Revoke export").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("export is revoked")
    expect(page.locator("#secret")).to_have_count(0)
    assert tokens.find(token) is None
