"""A lead's pages in a browser: they keep themselves up to date and out of one's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from labeling.actions import loop, queue, runs, steps
from labeling.celery import app
from labeling.models import Kind, Run, Trigger
from tests import build, learn
from tests.browser.conftest import sign_in, watch
from tests.browser.test_look import findings, fits
from tests.pages import world

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@dataclass
class Office:
    """A lead in front of a project with a round under way."""

    page: Page
    project: Any
    user: Any
    url: str
    store: Path

    def open(self, path: str = "") -> Page:
        self.page.goto(f"{self.url}{path or self.dashboard}")
        return self.page

    @property
    def dashboard(self) -> str:
        return f"/p/{self.project.public_id}/"


@pytest.fixture
def office(
    transactional_db: None,
    live_server: Any,
    page: Page,
    context: BrowserContext,
    settings: Any,
    tmp_path: Path,
) -> Iterator[Office]:
    settings.ARTIFACTS = tmp_path / "artifacts"
    project = learn.project()
    build.member(project, "ann")
    user = world.lead(project).user
    sign_in(context, user, live_server.url)
    faults = watch(page, live_server.url)
    yield Office(page, project, user, live_server.url, tmp_path)
    page.close()
    assert faults == []


def line(step: int) -> dict[str, Any]:
    return {"step": step, "total": 100, "time": step * 0.5, "loss": 3 / step, "learning_rate": 0.001}


@pytest.fixture
def training(office: Office) -> runs.Claim:
    """The first round's SFT run is running: 20 of its 100 steps are done."""
    learn.imported(office.project, 3)
    round = loop.start_round(office.project, Trigger.MANUAL)
    while steps.move(round.pk):
        pass
    return world.running(Run.objects.get(), [line(step) for step in range(1, 21)])


def goes_on(claim: runs.Claim, upto: int) -> None:
    done = claim.run.metrics.count()
    runs.record_metrics(claim, done, [line(step) for step in range(done + 1, upto + 1)])
    runs.heartbeat(claim, upto, 100)


def test_a_run_moves_on_under_ones_eyes(office, training):
    page = office.open(f"/runs/{training.run.public_id}/")
    expect(page.locator("#part-state")).to_contain_text("20 / 100")
    before = page.locator(".chart path").first.get_attribute("d")
    goes_on(training, 40)
    expect(page.locator("#part-state")).to_contain_text("40 / 100")
    expect(page.locator(".chart path").first).not_to_have_attribute("d", before or "")
    runs.fail(training, "Out of memory: lower settings.batch_size.", retryable=False)
    expect(page.locator("h1")).to_contain_text("failed")
    expect(page.get_by_text("Out of memory: lower settings.batch_size.")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def test_the_dashboard_moves_on_under_ones_eyes(office, training):
    page = office.open()
    expect(page.locator("#part-runs")).to_contain_text("20 / 100")
    expect(page.locator("[aria-current=step]")).to_contain_text("SFT")
    build.rank_items(office.project, 1)
    learn.rank(office.project.memberships.get(user__username="ann"))
    goes_on(training, 60)
    expect(page.locator("#part-runs")).to_contain_text("60 / 100")
    expect(page.locator("#part-written")).to_contain_text("1 by people")


def test_an_update_leaves_the_focus_and_what_is_open_where_they_are(office, training):
    page = office.open(f"/runs/{training.run.public_id}/")
    table = page.locator("#chart-1")
    table.locator("summary").click()
    expect(table.locator("tbody tr")).to_have_count(20)
    goes_on(training, 30)
    expect(table.locator("tbody tr")).to_have_count(30)
    expect(table.locator("table")).to_be_visible()
    page.get_by_role("link", name="demonstrations 1").focus()
    goes_on(training, 35)
    expect(page.locator("#part-state")).to_contain_text("35 / 100")
    expect(page.get_by_role("link", name="demonstrations 1")).to_be_focused()


def test_a_link_keeps_the_focus_when_its_part_is_drawn_anew(office, training):
    page = office.open()
    link = page.locator("#part-runs").get_by_role("link", name="SFT")
    link.focus()
    goes_on(training, 50)
    expect(page.locator("#part-runs")).to_contain_text("50 / 100")
    expect(link).to_be_focused()


def test_a_run_is_stopped_by_keyboard_after_a_question(office, training):
    page = office.open(f"/runs/{training.run.public_id}/")
    page.get_by_role("button", name="Stop", exact=True).focus()
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Stop this run?")
    expect(question.get_by_role("button", name="Keep going")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    page.keyboard.press("Enter")
    question.get_by_role("button", name="Stop the run").press("Enter")
    expect(page.get_by_text("The run is being stopped.")).to_be_visible()
    training.run.refresh_from_db()
    assert training.run.stop_requested


def test_an_open_question_is_not_swept_away_by_an_update(office, training):
    page = office.open()
    page.locator("#part-runs").get_by_role("button", name="Stop", exact=True).click()
    goes_on(training, 70)
    expect(page.locator("#part-loop")).to_contain_text("70 %")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#part-runs")).to_contain_text("70 / 100")


def test_a_hidden_tab_asks_for_nothing(office, training):
    page = office.page
    page.clock.install()
    office.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => window.isAway, configurable: true });
            window.isAway = true;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    goes_on(training, 80)
    page.clock.fast_forward("10:00")
    assert [url for url in asked if "live" in url] == []
    page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#part-runs")).to_contain_text("80 / 100")


def test_a_page_that_cannot_be_updated_says_so_and_recovers(office, training):
    page = office.page
    page.clock.install()
    office.open(f"/runs/{training.run.public_id}/")
    stale = page.get_by_text("This page cannot be updated right now.")
    page.route("**/*?live=*", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.clock.fast_forward("00:05")
    expect(stale).to_be_hidden()
    with page.expect_event("requestfailed"):
        page.clock.fast_forward("00:30")
    expect(stale).to_be_visible()
    page.unroute("**/*?live=*")
    goes_on(training, 90)
    page.clock.fast_forward("01:00")
    expect(page.locator("#part-state")).to_contain_text("90 / 100")
    expect(stale).to_be_hidden()


def test_a_gate_is_overridden_with_a_reason_that_survives_updates(office):
    build.rank_items(office.project, 1)
    learn.rank(office.project.memberships.get(user__username="ann"))
    learn.imported(office.project, 2)
    round = loop.start_round(office.project, Trigger.MANUAL)
    for figures in ({"loss": 0.6}, {"accuracy": None, "accuracy_low": None, "agreement": None}):
        while steps.move(round.pk):
            pass
        world.completed(Run.objects.get(round=round, state="waiting"), office.store, **figures)
    while steps.move(round.pk):
        pass
    page = office.open()
    page.get_by_role("button", name="Override the gate").click()
    page.get_by_label("Why").fill("A control run.")
    with page.expect_response("**/*?live=*"):
        pass
    expect(page.get_by_label("Why")).to_have_value("A control run.")
    page.get_by_role("button", name="Override", exact=True).click()
    expect(page.get_by_text("The gate is overridden.")).to_be_visible()
    round.refresh_from_db()
    assert (round.state, round.override_reason) == ("running", "A control run.")


def test_a_version_is_frozen_from_the_menu_and_downloaded(office):
    learn.imported(office.project, 2)
    app.conf.task_always_eager = True
    page = office.open()
    page.locator("main summary", has_text="Freeze").click()
    page.get_by_role("button", name="demonstrations", exact=True).click()
    expect(page.get_by_text("Freezing.")).to_be_visible()
    app.conf.task_always_eager = False
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "strings-sft-1.jsonl"
    assert len(Path(download.value.path()).read_text().splitlines()) == 2


def everything(office: Office, training: runs.Claim) -> list[str]:
    """Something to see on each page; the paths of all of them."""
    build.rank_items(office.project, 2, overlap=2)
    queue.claim(build.member(office.project, "ben"), Kind.RANK)
    model = world.sft_model(office.project, office.store)
    reward = world.reward_model(office.project, office.store, model)
    world.policy_model(office.project, office.store, model, reward)
    failed = world.waiting("sft", {"dataset.jsonl": model.run.inputs.get().dataset}, seed=9)
    runs.fail(
        world.running(failed, [line(1), line(2)]), "It failed.", retryable=False, log_tail="The end." * 99
    )
    version = office.project.datasets.order_by("pk").first()
    return [
        office.dashboard,
        *(f"{office.dashboard}{name}/" for name in ("runs", "datasets", "rounds")),
        *(f"/runs/{run.public_id}/" for run in (training.run, reward.run, failed)),
        f"/rounds/{office.project.rounds.get().public_id}/",
        f"/datasets/{version.public_id}/",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_leads_pages(office, training, scheme):
    page = office.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    for path in everything(office, training):
        office.open(path)
        if page.locator(".chart-table").count():
            page.locator(".chart-table summary").first.click()
        found += [f"{path}: {finding}" for finding in findings(page)]
    office.open()
    page.get_by_role("button", name="Stop the round").click()
    found += [f"question: {finding}" for finding in findings(page)]
    assert found == []


def test_nothing_of_a_lead_scrolls_sideways_at_360_pixels(office, training):
    office.project.name = "A-project-with-a-long-name-" * 4
    office.project.save()
    office.page.set_viewport_size({"width": 360, "height": 740})
    for path in everything(office, training):
        office.open(path)
        assert fits(office.page), path


def test_hostile_text_is_shown_and_not_run(office, training):
    office.project.name = office.project.description = HOSTILE
    office.project.save()
    queue.claim(build.member(office.project, HOSTILE[:150]), build.rank_items(office.project, 1)[0].kind)
    runs.record_metrics(training, 20, [{"step": 21, "total": 100, HOSTILE: 1.0}, {"step": 22, HOSTILE: 2.0}])
    runs.fail(training, HOSTILE, retryable=False, log_tail=HOSTILE)
    for path in (office.dashboard, f"/runs/{training.run.public_id}/"):
        page = office.open(path)
        expect(page.get_by_text("onerror").first).to_be_visible()
        assert page.locator("main img, main script").count() == 0
