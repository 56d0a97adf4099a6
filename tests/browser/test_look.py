"""Every page of a labeler: nothing for axe to find, in light and dark, in both languages, down to 360 px."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from labeling.actions import guidelines
from labeling.models import Rubric
from tests import build

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LONG = "An answer with enough words in it to wrap on any screen. " * 6


def findings(page: Page) -> list[str]:
    """axe's findings, one line each. Motion is reduced, so that no colour is caught half way."""
    page.wait_for_load_state("networkidle")
    # A button half under the fixed header would count as too small a target.
    page.evaluate("scrollTo(0, 0)")
    found = Axe().run(page, options=WCAG)
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.fixture
def filled(desk: Any) -> Any:
    """A project with guidelines, flags with help, and something of each kind to do."""
    text = "# How to rank\n\n1. **Read** it.\n2. Score it.\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    guidelines.write(desk.project, text, base=0)
    desk.project.description = LONG
    desk.project.save()
    flags = [
        {"key": f"f{n}", "en": f"A flag number {n}", "zh-hans": f"标记{n}", "help": {"en": "Its help."}}
        for n in range(11)
    ]
    Rubric.objects.create(project=desk.project, version=2, flags=flags)
    build.rank_items(desk.project, 2, k=5)
    build.demonstrate_items(desk.project, 2)
    return desk


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_axe_finds_nothing_on_any_page(filled, scheme, language):
    page = filled.page
    filled.user.language = language
    filled.user.save()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []

    def look(what: str) -> None:
        found.extend(f"{what}: {line}" for line in findings(page))

    page.goto(f"{filled.url}/")
    look("home")
    page.locator("details.menu").first.locator("summary").click()
    look("menu")
    filled.open("guidelines")
    look("guidelines")
    filled.open("demonstrate")
    look("demonstrate")
    filled.open()
    look("rank")
    filled.press("1", "2", "3", "4", "4")
    look("rank, undecided")
    filled.press("=", "a", "[", "[", "[", "[", "t", "1", "2", "Escape")
    look("rank, moved and flagged")
    filled.press("Enter")
    expect(page.locator(".toast")).to_be_visible()
    look("rank, submitted")
    filled.press("s")
    look("skip dialog")
    filled.press("Escape", "?")
    page.locator("#change-skip").click()
    look("keys dialog")
    filled.open("last-answers")
    expect(page.locator(".given")).to_have_count(1)
    look("last answers")
    page.goto(f"{filled.url}/account/password/")
    look("change password")
    page.goto(f"{filled.url}/account/tokens/")
    page.locator("#id_name").fill("a script")
    page.keyboard.press("Enter")
    expect(page.locator("#secret")).to_be_focused()
    look("tokens")
    page.goto(f"{filled.url}/p/none/rank/")
    look("404")
    page.context.clear_cookies()
    page.goto(f"{filled.url}/sign-in/")
    look("sign in")
    assert found == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_nothing_scrolls_sideways_at_360_pixels(filled, language):
    page = filled.page
    filled.user.language = language
    filled.user.save()
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/", "/account/password/", "/account/tokens/", f"/p/{filled.project.public_id}/guidelines/"):
        page.goto(f"{filled.url}{path}")
        assert fits(page), path
    filled.open("demonstrate")
    page.locator("#text").fill(LONG * 5)
    assert fits(page)
    filled.open()
    filled.press("?")
    dialog = page.locator("#keys-dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    filled.press("Escape")
    filled.press("1", "2", "3", "4", "4", "t", "1")
    assert fits(page)
    expect(page.locator(".tier-keep")).to_be_visible()
    expect(page.locator("#submit")).to_be_in_viewport()


def test_the_whole_page_can_be_walked_by_the_tab_key(filled):
    page = filled.open()
    seen = set()
    page.keyboard.press("Tab")
    for _ in range(120):
        seen.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.name"
            )
        )
        page.keyboard.press("Tab")
    assert {"submit", "skip", "all-bad", "keys-button"} <= seen


def test_the_rank_page_is_chinese_from_end_to_end(filled):
    filled.user.language = "zh-hans"
    filled.user.save()
    page = filled.open()
    expect(page.get_by_role("heading", level=1)).to_have_text("给回答排序")
    filled.press("5", "5")
    expect(page.locator("#submit-reason")).to_have_text("已打分 2/5。A和B同分：请排出先后，或按 = 保留并列。")
    expect(page.locator(".flag").first).to_contain_text("标记0")
