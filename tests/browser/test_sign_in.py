"""Coming in, in a browser: second factor, invitations, a provider; and how those pages look."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page, expect

from labeling.actions import invitations, sign_in, tokens
from labeling.models import Membership, Role, User
from labeling.pages import members
from tests import build
from tests.browser.conftest import quiet, watch
from tests.browser.test_look import findings, fits

PASSWORD = "a long enough one"
PROVIDERS_OWN = ("request to http://localhost", "request to https://cdn.jsdelivr.net")
"""What the provider's pages ask for is not ours to judge."""


@pytest.fixture
def visitor(transactional_db: None, live_server: Any, page: Page) -> Any:
    """Nobody yet: a browser at the door."""
    faults = watch(page, live_server.url)
    yield page, live_server.url
    page.goto("about:blank")
    page.close()
    quiet()
    assert [fault for fault in faults if not fault.startswith(PROVIDERS_OWN)] == []


def person(name="mei", **more: Any) -> User:
    return User.objects.create_user(name, password=PASSWORD, language="en", time_zone="UTC", **more)


def come_in(page: Page, url: str, name: str = "mei") -> None:
    page.goto(f"{url}/sign-in/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def code_of(page: Page) -> str:
    secret = page.locator("#secret").inner_text().replace(" ", "")
    return sign_in.app_code(secret, int(time.time()) // 30)


def test_a_second_factor_from_setting_it_up_to_a_recovery_code(visitor):
    page, url = visitor
    person()
    come_in(page, url)
    page.get_by_label("Account of mei").click()
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Set up").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    assert page.locator("img.qr").get_attribute("src").startswith("data:image/svg+xml;base64,")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".errors")).to_contain_text("not right")
    page.get_by_label("Code").fill(code_of(page))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    recovery = page.locator(".codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("on", exact=True)).to_be_visible()

    for answer in (sign_in.app_code(secret, int(time.time()) // 30), recovery):
        page.get_by_label("Account of mei").click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        come_in(page, url)
        expect(page.get_by_role("heading", name="Second step")).to_be_visible()
        page.get_by_label("Code").fill(answer)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Hello, mei")).to_be_visible()


def test_the_second_step_can_be_given_up(visitor):
    page, url = visitor
    mei = person()
    from allauth.mfa.totp.internal.auth import TOTP

    TOTP.activate(mei, "A" * 32)
    person("bo")
    come_in(page, url)
    page.get_by_role("button", name="Sign in as somebody else").click()
    come_in(page, url, "bo")
    expect(page.get_by_role("heading", name="Hello, bo")).to_be_visible()


def test_a_lead_invites_and_somebody_joins_by_the_link(visitor, context, browser):
    page, url = visitor
    project = build.project()
    person("lin")
    build.member(project, "lin", Role.LEAD)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
    come_in(page, url, "lin")
    page.get_by_role("link", name="Dashboard").click()
    page.get_by_role("link", name="People").click()
    page.get_by_label("For whom").fill("Ada from the lab")
    page.get_by_label("Role").select_option("reviewer")
    page.get_by_role("button", name="Make a link").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.locator("#link").input_value()
    expect(page.get_by_role("cell", name="Ada from the lab", exact=True)).to_be_visible()

    other = browser.new_context(locale="en-GB").new_page()
    other.goto(link)
    expect(other.get_by_text("lin invites you to this project as reviewer.")).to_be_visible()
    other.get_by_label("Username").fill("ada")
    other.get_by_label("Password", exact=True).fill(PASSWORD)
    other.get_by_label("Password, once more").fill(PASSWORD)
    other.get_by_role("button", name="Make the account and join").click()
    expect(other.get_by_role("heading", name="Hello, ada")).to_be_visible()
    other.goto("about:blank")
    other.context.close()
    page.goto(f"{url}/p/{project.public_id}/people/")
    expect(page.get_by_text("used")).to_be_visible()
    page.get_by_role("link", name="Change ada").click()
    page.get_by_label("Role").select_option("labeler")
    page.get_by_label("Languages").fill("en, zh")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row").filter(has=page.get_by_role("link", name="Change ada"))).to_contain_text(
        "labeler"
    )
    expect(page.get_by_role("row").filter(has=page.get_by_role("link", name="Change ada"))).to_contain_text(
        "en, zh"
    )
    page.get_by_role("button", name="End the membership of ada").click()
    expect(page.get_by_text("ada is no member any more.")).to_be_visible()


def test_through_a_provider_and_back(visitor, openid):
    page, url = visitor
    openid.register(url)
    page.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())  # the provider's own style sheet
    project = build.project()
    lead = build.member(project, "lin", Role.LEAD).user
    openid.person("ada", preferred_username="ada", name="Ada")

    def go_there(sub: str) -> None:
        page.get_by_role("button", name="Continue with Our lab").click()
        page.locator("input[name=sub]").fill(sub)
        page.get_by_role("button", name="Authorize").click()

    page.goto(f"{url}/sign-in/")
    go_there("ada")
    expect(page.get_by_role("heading", name="There is no account for you here yet")).to_be_visible()
    _made, token = invitations.invite(project, Role.LABELER, by=lead)
    page.goto(f"{url}/join/{token}/")
    go_there("ada")
    expect(page.get_by_role("heading", name="Hello, Ada")).to_be_visible()
    assert Membership.objects.get(user__username="ada").project == project
    page.get_by_label("Account of Ada").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    go_there("ada")
    expect(page.get_by_role("heading", name="Hello, Ada")).to_be_visible()


@pytest.fixture
def every_page(visitor, openid, settings):
    """Each page by its name, one after the other, as a lead with everything switched on meets it."""
    page, url = visitor
    settings.EMAIL = {"EMAIL_HOST": "mail.example.org"}
    project = build.project()
    lin = person("lin", first_name="Lin with a rather long name, as some people have")
    build.member(project, "lin", Role.LEAD)
    build.member(project, "former", is_active=False)
    EmailAddress.objects.create(user=lin, email="lin.with.a.long.address@example.org", verified=False)
    ann = build.member(project, "ann", languages=["en", "zh"]).user
    for _ in range(members.PER_PAGE):
        invitations.invite(project, Role.LABELER, by=lin)
    _made, token = invitations.invite(project, Role.REVIEWER, by=lin, note="Somebody from the lab next door")
    tokens.create(lin, "a script")

    def walk() -> Any:
        page.context.clear_cookies()
        for name, path in (
            ("sign in", "/sign-in/"),
            ("forgotten", "/password/forgotten/"),
            ("forgotten, sent", "/password/sent/"),
            ("new password, bad link", "/password/new/1-x-y/"),
            ("join", f"/join/{token}/"),
            ("join, closed", "/join/none/"),
        ):
            page.goto(f"{url}{path}")
            yield name
        come_in(page, url, "lin")
        for name, path in (
            ("account", "/account/"),
            ("password", "/account/password/"),
            ("e-mail", "/account/email/"),
            ("second factor on", "/account/second-factor/"),
            ("join as oneself", f"/join/{token}/"),
            ("is it you", "/account/again/"),
        ):
            page.goto(f"{url}{path}")
            yield name
        page.goto(f"{url}/p/{project.public_id}/people/")
        page.get_by_role("button", name="Make a link").click()
        yield "people"
        page.goto(f"{url}/p/{project.public_id}/people/{ann.public_id}/")
        yield "a member"
        page.goto(f"{url}/account/second-factor/")
        page.get_by_label("Code").fill(code_of(page))
        page.get_by_role("button", name="Turn on").click()
        yield "recovery codes"
        page.goto(f"{url}/account/recovery-codes/new/")
        yield "new recovery codes"
        page.goto(f"{url}/account/")
        yield "account, with a factor"
        page.context.clear_cookies()
        come_in(page, url, "lin")
        yield "second step"
        lin.authenticator_set.all().delete()

    return page, walk


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways_at_360_pixels(every_page, scheme):
    page, walk = every_page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 740})
    wrong = []
    for name in walk():
        wrong += [f"{name}: {line}" for line in findings(page)]
        if not fits(page):
            wrong.append(f"{name}: scrolls sideways")
    assert wrong == []
