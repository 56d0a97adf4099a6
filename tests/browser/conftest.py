"""A browser, a live server, and somebody who is signed in."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
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


class Product:
    """The web server as an installation runs it, in processes of its own, on the tests' database."""

    def __init__(self, state: Path) -> None:
        from labeling.services import ROOT, SERVICES
        from labeling.supervisor import ports
        from labeling.supervisor.processes import Process
        from tests.test_launcher import environment

        self.port = ports.choose(None, state / "port")
        self.url = f"http://{ports.HOST}:{self.port}"
        variables = {**environment(state), "GRANIAN_HOST": ports.HOST, "GRANIAN_PORT": str(self.port)}
        variables["GRANIAN_WORKERS"] = "1"
        service = SERVICES["web"]
        # Compressing what only operators load takes long.
        unused = ("admin", "unfold", "drf_spectacular_sidecar", "rest_framework")
        options = ["--no-input", "--verbosity=0", *(f"--ignore={name}" for name in unused)]
        collect = [sys.executable, "manage.py", "collectstatic", *options]
        subprocess.run(collect, cwd=ROOT, env=service.environment(variables), check=True)
        command = [sys.executable, *service.arguments]
        self.process = Process("web", command, state, environment=service.environment(variables))

    def start(self) -> None:
        """Returns once it answers."""
        self.process.start()
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.running(), self.process.tail()
            assert time.monotonic() < deadline, self.process.tail()
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@pytest.fixture(scope="session")
def product(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    served = Product(tmp_path_factory.mktemp("product"))
    served.start()
    yield served
    served.stop()


@pytest.fixture
def desk(transactional_db: None, live_server: Any, page: Page, context: BrowserContext) -> Iterator[Desk]:
    """A labeler of a project, signed in, with nothing in the queue yet."""
    yield from seat(page, context, live_server.url)


@pytest.fixture
def served_desk(
    transactional_db: None, product: Product, page: Page, context: BrowserContext
) -> Iterator[Desk]:
    """The same at the product itself."""
    yield from seat(page, context, product.url)


def seat(page: Page, context: BrowserContext, url: str) -> Iterator[Desk]:
    from tests import build

    project = build.project()
    membership = build.member(project, "mei", languages=[])
    membership.user.language = "en"
    membership.user.time_zone = "Asia/Shanghai"
    membership.user.save()
    sign_in(context, membership.user, url)
    faults = watch(page, url)
    yield Desk(page, project, membership, url, faults)
    for each in context.pages:
        each.goto("about:blank")
    page.wait_for_timeout(150)
    context.close()
    quiet()
    assert faults == []


def quiet() -> None:
    """What a closing page sends may still be under way; the tables are emptied only after that."""
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
