"""A browser, a live server, and somebody who is signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.slow)


@dataclass
class Desk:
    """One person at one project, in one browser."""

    page: Page
    project: Any
    membership: Any
    url: str
    faults: list[str]

    @property
    def user(self) -> Any:
        return self.membership.user

    def open(self, what: str = "rank") -> Page:
        self.page.goto(f"{self.url}/p/{self.project.public_id}/{what}/")
        return self.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tiers(self) -> list[str]:
        """The board as one reads it: letters of each tier, best first."""
        rows = self.page.locator("#tiers .tier")
        return [
            "".join(rows.nth(place).locator(".chip-letter").all_inner_texts())
            for place in range(rows.count())
        ]


def sign_in(context: BrowserContext, user: Any, url: str) -> None:
    """As by a password that was typed a moment ago."""
    from allauth.account.internal.flows.login import record_authentication
    from django.conf import settings
    from django.http import HttpRequest
    from django.test import Client

    client = Client()
    client.force_login(user)
    typed = HttpRequest()
    typed.session = client.session
    record_authentication(typed, user, method="password")
    typed.session.save()
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": url}])


def watch(page: Page, origin: str) -> list[str]:
    """What must never happen on our pages: script errors, refused policies, dialogs, foreign requests."""
    faults: list[str] = []

    def console(message: Any) -> None:
        if message.type == "error" and (
            "Content Security Policy" in message.text or "Uncaught" in message.text
        ):
            faults.append(message.text)

    def request(sent: Any) -> None:
        if not sent.url.startswith((origin, "data:", "about:", "blob:")):
            faults.append(f"request to {sent.url}")

    def dialog(opened: Any) -> None:
        faults.append(f"dialog: {opened.message}")
        opened.dismiss()

    page.on("console", console)
    page.on("pageerror", lambda error: faults.append(f"{error}"))
    page.on("request", request)
    page.on("dialog", dialog)
    return faults


@pytest.fixture
def desk(transactional_db: None, live_server: Any, page: Page, context: BrowserContext) -> Iterator[Desk]:
    """A labeler of a project, signed in, with nothing in the queue yet."""
    from tests import build

    project = build.project()
    membership = build.member(project, "mei", languages=[])
    membership.user.language = "en"
    membership.user.time_zone = "Asia/Shanghai"
    membership.user.save()
    sign_in(context, membership.user, live_server.url)
    faults = watch(page, live_server.url)
    yield Desk(page, project, membership, live_server.url, faults)
    page.goto("about:blank")
    page.wait_for_timeout(150)
    page.close()
    quiet()
    assert faults == []


def quiet() -> None:
    """What a closing page sends may still be under way; the tables are emptied only after that."""
    import time

    from django.db import connection

    calm = 0
    while calm < 3:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            calm = calm + 1 if cursor.fetchone()[0] == 0 else 0
        time.sleep(0.03)


@pytest.fixture
def until(page: Page) -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true on the server; what the browser sends arrives a moment later."""

    def wait(holds: Callable[[], bool]) -> None:
        for _ in range(200):
            if holds():
                return
            page.wait_for_timeout(50)
        pytest.fail("it did not come true within ten seconds")

    return wait
