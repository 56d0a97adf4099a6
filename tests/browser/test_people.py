"""Signing in, one-time passwords, languages and themes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Role, User
from tests import build
from tests.browser.conftest import quiet


@pytest.fixture
def visitor(transactional_db: None, live_server: Any, page: Page) -> Any:
    """Nobody yet: a browser at the door."""
    yield page, live_server.url
    page.goto("about:blank")
    page.close()
    quiet()


def sign_in_by_hand(page: Page, name: str, password: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_to_where_one_wanted_to_be(visitor):
    page, url = visitor
    project = build.project()
    user = build.member(project, "mei").user
    user.set_password("a long enough one")
    user.save()
    page.goto(f"{url}/p/{project.public_id}/guidelines/")
    sign_in_by_hand(page, "mei", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in_by_hand(page, "mei", "a long enough one")
    expect(page).to_have_url(f"{url}/p/{project.public_id}/guidelines/")


def test_an_unknown_name_and_a_wrong_password_read_the_same(visitor):
    page, url = visitor
    User.objects.create_user("mei", password="a long enough one")
    texts = []
    for name in ("mei", "nobody"):
        page.goto(f"{url}/sign-in/")
        sign_in_by_hand(page, name, "wrong")
        texts.append(page.get_by_role("alert").inner_text())
    assert texts[0] == texts[1]


def test_a_one_time_password_must_be_replaced_before_anything_else(visitor):
    page, url = visitor
    User.objects.create_user("fresh", password="one-time-one", must_change_password=True)
    page.goto(f"{url}/")
    sign_in_by_hand(page, "fresh", "one-time-one")
    expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    page.goto(f"{url}/")
    expect(page).to_have_url(f"{url}/account/password/")
    for field in ("#id_new_password1", "#id_new_password2"):
        page.locator(field).fill("my own, quite long")
    page.get_by_role("button", name="Save password").click()
    expect(page).to_have_url(f"{url}/")
    user = User.objects.get(username="fresh")
    assert not user.must_change_password
    assert user.check_password("my own, quite long")


def test_a_weak_password_is_refused_with_the_reason_at_the_field(visitor):
    page, url = visitor
    User.objects.create_user("fresh", password="one-time-one", must_change_password=True)
    page.goto(f"{url}/")
    sign_in_by_hand(page, "fresh", "one-time-one")
    for field in ("#id_new_password1", "#id_new_password2"):
        page.locator(field).fill("1234")
    page.get_by_role("button", name="Save password").click()
    expect(page.locator("#id_new_password2_error")).to_contain_text("too short")


def test_home_shows_what_there_is_to_do(desk):
    build.rank_items(desk.project, 3)
    build.demonstrate_items(desk.project, 2)
    page = desk.page
    page.goto(f"{desk.url}/")
    card = page.locator(".project")
    expect(card).to_contain_text("Stories")
    assert [figure.inner_text().split("\n") for figure in card.locator(".figure").all()] == [
        ["to rank", "3"],
        ["to demonstrate", "2"],
        ["given by you", "0"],
    ]
    card.get_by_role("link", name="Start ranking").click()
    expect(page.locator(".answer")).to_have_count(4)
    page.goto(f"{desk.url}/")
    expect(page.get_by_role("link", name="Continue ranking")).to_be_visible()


def test_who_is_in_no_project_is_told_whom_to_ask(desk):
    desk.membership.is_active = False
    desk.membership.save()
    desk.page.goto(f"{desk.url}/")
    expect(desk.page.get_by_role("heading", name="You are in no project yet")).to_be_visible()


def test_a_lead_finds_the_dashboard_and_a_labeler_does_not(desk):
    desk.page.goto(f"{desk.url}/")
    expect(desk.page.get_by_role("link", name="Dashboard")).to_have_count(0)
    desk.membership.role = Role.LEAD
    desk.membership.save()
    desk.page.reload()
    expect(desk.page.get_by_role("link", name="Dashboard")).to_have_count(1)


def test_the_language_is_switched_and_kept(desk):
    page = desk.page
    page.goto(f"{desk.url}/")
    page.locator("summary[aria-label='Language and appearance']").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.get_by_role("heading", level=1)).to_have_text("你好，mei")
    desk.user.refresh_from_db()
    assert desk.user.language == "zh-hans"


def test_the_time_zone_is_found_out_once(desk, until):
    desk.user.time_zone = ""
    desk.user.save()

    def known() -> bool:
        desk.user.refresh_from_db()
        return desk.user.time_zone == "Europe/Lisbon"

    desk.page.goto(f"{desk.url}/")
    until(known)
    desk.page.reload()
    expect(desk.page.locator("form[data-time-zone]")).to_have_count(0)


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "timezone_id": "Europe/Lisbon", "locale": "en-GB"}


def test_a_chosen_theme_holds_against_the_system_and_over_pages(desk):
    page = desk.page
    page.emulate_media(color_scheme="light")
    page.goto(f"{desk.url}/")
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("summary[aria-label='Language and appearance']").click()
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != bright
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_label("Language and appearance").click()
    page.get_by_role("button", name="As the system").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == bright
