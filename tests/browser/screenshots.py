"""`make screenshots`: the pictures of docs/labelers.md, of real pages in Chromium.

No tests: pytest looks in here only when it is told to. It has what tests have: servers of its own, a fresh
database for each picture, a browser. The content is the everyday demo's, the people are made up.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from labeling.actions import (
    care,
    disputes,
    guidelines,
    items,
    onboarding,
    people,
    projects,
    queue,
    rankings,
    reviews,
)
from labeling.actions.rankings import LETTERS
from labeling.demo.everyday import create_everyday_project
from labeling.models import Assignment, Item, Kind, Membership, Project, Purpose, Role
from tests import build
from tests.browser.conftest import quiet, sign_in, watch

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "labelers"
SCREEN, PHONE = {"width": 1240, "height": 800}, {"width": 390, "height": 760}
# A caret that blinks is there in every other picture.
STEADY = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { caret-color: transparent !important; }");
    document.adoptedStyleSheets = [sheet];
    return document.fonts.ready;
}"""


@dataclass
class Studio:
    """The everyday project, and somebody who sits at it."""

    page: Page
    project: Project
    url: str

    def seat(
        self, name: str, role: str = Role.LABELER, *, language: str = "en", accepts: bool = True, **more: Any
    ) -> Membership:
        """Somebody of this name signs in, who has read the guidelines and is let in unless told otherwise."""
        user, _password = people.create_user(name.split()[0].lower(), display_name=name)
        user.must_change_password, user.language, user.time_zone = False, language, "UTC"
        user.save()
        member = projects.add_member(self.project, user, role)
        Membership.objects.filter(pk=member.pk).update(**{"onboarding": "waived", **more})
        member.refresh_from_db()
        if accepts:
            guidelines.accept(member, 2)
        sign_in(self.page.context, user, self.url)
        return member

    def reviewer(self, name: str) -> Membership:
        """Somebody who works elsewhere."""
        member = projects.add_member(self.project, people.create_user(name)[0], Role.REVIEWER)
        guidelines.accept(member, 2)
        return member

    def give(self, member: Membership, prompt: str, kind: str = Kind.RANK) -> Assignment:
        """Hand somebody the item of this prompt, its answers in the order of the demo's file."""
        others = Item.objects.filter(project=self.project, kind=kind, purpose=Purpose.WORK)
        items.retire(others.exclude(prompt__external_id=prompt), project=self.project)
        held = queue.claim(member, kind)
        assert held is not None
        return in_order(held)

    def open(self, what: str = "rank") -> Page:
        self.page.goto(f"{self.url}/p/{self.project.public_id}/{what}/")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def take(self, name: str, *, from_top: bool = True) -> None:
        """Keep what is on the screen as docs/labelers/NAME.webp."""
        if from_top:
            self.page.evaluate("scrollTo(0, 0)")
        self.page.evaluate(STEADY)
        session = self.page.context.new_cdp_session(self.page)
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 80})
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))


def in_order(held: Assignment) -> Assignment:
    """The same, shown in the order of the models' names instead of a random one."""
    names = dict(held.item.item_completions.values_list("position", "completion__origins__model__name"))
    if names:
        held.shown_order = sorted(held.shown_order, key=lambda position: (names[position], position))
        held.save(update_fields=["shown_order"])
    return held


def in_letters(order: str, **more: Any) -> dict[str, Any]:
    """A ranking that puts these letters in this order, best first."""
    scores = {letter: max(1, 7 - 2 * place) for place, letter in enumerate(order)}
    return {"scores": scores, "tiers": [[letter] for letter in order], **more}


@pytest.fixture
def studio(transactional_db: None, live_server: Any, page: Page, context: BrowserContext) -> Iterator[Studio]:
    random.seed(5)  # which items come, and which of them are checks
    project = create_everyday_project()
    care.set_policy(project, {"gold_rate": 0.0, "repeat_rate": 0.0})
    page.set_viewport_size(SCREEN)
    page.emulate_media(reduced_motion="reduce")
    faults = watch(page, live_server.url)
    yield Studio(page, project, live_server.url)
    page.goto("about:blank")
    page.close()
    quiet()
    assert faults == []


# --- the first day --------------------------------------------------------------------------------------


def test_guidelines(studio: Studio) -> None:
    studio.seat("Lena Okafor", accepts=False)
    studio.open("guidelines")
    studio.take("guidelines")


def test_tutorial(studio: Studio) -> None:
    member = studio.seat("Lena Okafor", onboarding="tutorial", languages=["en"])
    held = onboarding.claim(member)
    assert held is not None
    rankings.submit(in_order(held), in_letters("BAC"), build.key())
    studio.open("onboarding")
    studio.take("tutorial")


# --- ranking --------------------------------------------------------------------------------------------


def test_ranking(studio: Studio) -> None:
    studio.give(studio.seat("Lena Okafor"), "everyday-022")
    page = studio.open()
    studio.press("4", "7", "6", "2", "2")
    expect(page.locator("#submit-reason")).to_contain_text("equal")
    studio.take("ranking")


def test_two_at_a_time(studio: Studio) -> None:
    projects.set_ranking_method(studio.project, "two_up")
    studio.give(studio.seat("Lena Okafor"), "everyday-013")
    page = studio.open()
    studio.press("ArrowRight")
    expect(page.locator(".asking-count")).to_contain_text("Step 2")
    studio.take("two-at-a-time")


def test_differences_in_the_dark(studio: Studio) -> None:
    studio.give(studio.seat("Lena Okafor"), "everyday-015")
    studio.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page = studio.open()
    studio.press("z", "b", "p", "c", "w")
    expect(page.locator(".answer-text ins").first).to_be_visible()
    studio.take("differences")


def test_flags(studio: Studio) -> None:
    studio.give(studio.seat("Lena Okafor"), "everyday-023")
    page = studio.open()
    studio.press("a", "t", "3", "Escape", "l")
    expect(page.locator("#rubric-dialog")).to_be_visible()
    studio.take("flags")


def test_reporting(studio: Studio) -> None:
    studio.give(studio.seat("Lena Okafor"), "everyday-022")
    page = studio.open()
    studio.press("s", "7")
    page.locator("#skip-comment").fill("The note gives no year. Is it the summer of 2024 that is meant?")
    studio.take("reporting")


def test_phone(studio: Studio) -> None:
    studio.page.set_viewport_size(PHONE)
    studio.give(studio.seat("Lena Okafor"), "everyday-023")
    page = studio.open()
    for letter, value in (("A", "2"), ("B", "1")):
        page.locator(f'.answer[data-letter="{letter}"] .score-step', has_text=value).click()
    studio.take("phone", from_top=False)


def test_chinese(studio: Studio) -> None:
    studio.give(studio.seat("陈思源", language="zh-hans"), "everyday-034")
    page = studio.open()
    studio.press("5", "3", "a")
    expect(page.locator("#submit-reason")).to_contain_text("2/5")
    studio.take("chinese")


# --- writing --------------------------------------------------------------------------------------------


def test_demonstration(studio: Studio) -> None:
    studio.give(studio.seat("Lena Okafor"), "everyday-020", Kind.DEMONSTRATE)
    page = studio.open("demonstrate")
    page.locator("#text").fill(
        "For 10 people, take two and a half times as much:\n\n"
        "- 1.5 kg carrots\n- 2 or 3 onions\n- 75 g ginger\n- 3 litres of stock\n- 500 ml coconut milk\n\n"
        "**It fits**, just: that is about 3.5 litres of liquid and 1.5 litres"
    )
    expect(page.locator("#count")).to_contain_text("Words")
    studio.take("demonstration")


def test_prompt(studio: Studio) -> None:
    member = studio.seat("Lena Okafor")
    few_shot = Item.objects.filter(kind=Kind.PROMPT, brief__kind="few_shot").order_by("pk")[0]
    others = Item.objects.filter(project=studio.project, kind=Kind.PROMPT).exclude(pk=few_shot.pk)
    items.retire(others, project=studio.project)
    assert queue.claim(member, Kind.PROMPT)
    page = studio.open("write")
    page.locator("#instruction").fill("Say in one word how the writer of this message feels.")
    page.locator(".example").get_by_label("What is asked").fill("The parcel came a day early, and intact!")
    page.locator(".example").get_by_label("How it is answered").fill("pleased")
    page.locator("#last").fill("I have been on hold for forty minutes.")
    studio.take("prompt")


# --- one's own numbers, and what comes back ---------------------------------------------------------------


def test_numbers(studio: Studio) -> None:
    build.golds(studio.project, 14)
    build.rank_items(studio.project, 60, overlap=2)
    lena, other = studio.seat("Lena Okafor"), studio.reviewer("omar")
    care.set_policy(studio.project, {"gold_rate": 0.25, "repeat_rate": 0.25})
    for week in range(7):
        for number in range(12):
            for member in (other, lena):
                rank_one(studio, member, is_slip=member == lena and number % 4 == 3)
        days = 7 if week < 6 else 0
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE labeling_ranking SET created_at = created_at - make_interval(days => %s)", [days]
            )
    page = studio.open("my-work")
    expect(page.locator("dl").first).not_to_contain_text("too few")
    studio.take("numbers")


def rank_one(studio: Studio, member: Membership, *, is_slip: bool) -> None:
    """As most would, or with the best and the worst the other way round."""
    held = queue.claim(member, Kind.RANK)
    assert held is not None
    if not held.is_repeat:
        in_order(held)
    held.opened_at = timezone.now() - timedelta(minutes=3)
    held.save(update_fields=["opened_at"])
    gold = held.item.gold if held.item.purpose == Purpose.GOLD else None
    best_first = sorted(held.shown_order, key=lambda position: gold.ranks[position] if gold else position)
    if is_slip:
        best_first[0], best_first[-1] = best_first[-1], best_first[0]
    order = "".join(LETTERS[held.shown_order.index(position)] for position in best_first)
    rankings.submit(held, in_letters(order, active_seconds=85), build.key())


def test_sent_back(studio: Studio) -> None:
    lena, prompt = studio.seat("Lena Okafor"), "everyday-023"
    rankings.submit(studio.give(lena, prompt), in_letters("ADBCE"), build.key())
    Item.objects.filter(prompt__external_id=prompt, kind=Kind.RANK).update(needs_review=True)
    disputes.find(settled=timedelta())
    comment = "Where does the text say that there are 120 of them? Please read A again."
    sent = {"verdict": "accepted", "returns": [{"labeler": 1, "comment": comment}]}
    reviews.submit(studio.give(studio.reviewer("rita"), prompt, Kind.REVIEW), sent, build.key())
    studio.open("sent-back")
    studio.take("sent-back")


def test_review(studio: Studio) -> None:
    disputes.find(settled=timedelta())
    rita = studio.seat("Rita Almeida", Role.REVIEWER)
    studio.give(rita, "everyday-004", Kind.REVIEW)
    page = studio.open("review")
    studio.press("q")
    expect(page.locator("#compare-table td.mine").first).to_be_visible()
    studio.take("review")
