"""Flags that want a yes or a no, help at hand, reports, and guidelines that must be accepted: in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.actions import guidelines, rubrics
from labeling.models import Acceptance, Assignment, Draft, Item, Kind, Ranking, Role
from tests import build
from tests.browser.test_look import findings, fits
from tests.browser.test_rank import in_letters, latest

RUDE = {"key": "rude", "labels": {"en": "Rude", "zh-hans": "粗鲁"}, "help": {"en": "Insults **somebody**."}}
MADE_UP = {
    "key": "made_up",
    "labels": {"en": "Made up", "zh-hans": "编造"},
    "help": {"en": "A source that is not there <script>alert(1)</script>"},
    "required": True,
}
HARMFUL = {"key": "harmful", "labels": {"en": "Harmful", "zh-hans": "有害"}, "required": True}


@pytest.fixture
def asked(desk):
    """Two required flags and one that may be set; two items of two answers each."""
    rubrics.write(desk.project, [RUDE, MADE_UP, HARMFUL], base=1, help={"en": "7 is *excellent*"})
    build.rank_items(desk.project, 2, k=2)
    return desk


def test_required_flags_are_answered_by_keys_alone(asked, until):
    page = asked.open()
    asked.press("6", "2")
    submit = page.get_by_role("button", name="Submit")
    expect(submit).to_have_accessible_description("Flags of A and B want a yes or a no.")
    # Of A: the first key once is yes, twice is no; the third sets what may be set.
    asked.press("a", "t", "1", "1", "2", "3")
    expect(page.locator("#live")).to_have_text("Rude, A: yes.")
    expect(submit).to_have_accessible_description("Flags of B want a yes or a no.")
    # On to B while flagging; no to all the rest.
    asked.press("ArrowRight", "n")
    expect(page.locator("#live")).to_have_text("Made up and Harmful, B: no.")
    asked.press("Escape", "Enter")
    until(lambda: Ranking.objects.count() == 1)
    stored = latest()
    assert in_letters(stored, stored.flags) == {"A": 1 + 4, "B": 0}
    assert in_letters(stored, stored.denied) == {"A": 2, "B": 2 + 4}


def test_required_flags_are_answered_by_buttons_kept_in_the_draft_and_taken_back(asked, until):
    page = asked.open()
    made_up = page.locator('.answer[data-letter="A"]').get_by_role("group", name="Made up")
    made_up.get_by_role("button", name="No").click()
    until(lambda: Draft.objects.filter(body__denied__A=["made_up"]).exists())
    page.reload()
    expect(made_up.get_by_role("button", name="No")).to_have_attribute("aria-pressed", "true")
    made_up.get_by_role("button", name="Yes").click()
    expect(made_up.get_by_role("button", name="No")).to_have_attribute("aria-pressed", "false")
    made_up.get_by_role("button", name="Yes").click()
    expect(made_up.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#live")).to_have_text("Made up, A: not set.")


def test_what_scale_and_flags_mean_is_one_key_away(asked):
    page = asked.open()
    asked.press("l")
    dialog = page.get_by_role("dialog", name="Scale and flags")
    expect(dialog.locator("em")).to_have_text("excellent")
    expect(dialog.locator("strong")).to_have_text("somebody")
    expect(dialog).to_contain_text("<script>alert(1)</script>")
    assert findings(page) == []
    asked.press("Escape")
    page.get_by_role("button", name="Scale and flags").click()
    expect(dialog).to_be_visible()
    asked.press("Escape", "6")
    expect(page.locator("#submit-reason")).to_contain_text("1 of 2 scored.")


def test_a_report_wants_a_reason_and_reaches_a_reviewer(desk, until):
    build.rank_items(desk.project, 1, k=2)
    page = desk.open()
    desk.press("s", "7", "Enter")
    expect(page.get_by_label("What is wrong with it?")).to_be_visible()
    assert not Assignment.objects.filter(state="skipped").exists()
    page.get_by_label("What is wrong with it?").fill("it names a real person")
    page.get_by_role("button", name="Skip it").click()
    until(lambda: Assignment.objects.filter(skip_reason="report").exists())
    assert Item.objects.get().needs_review
    assert Assignment.objects.get().skip_comment == "it names a real person"


def test_new_guidelines_that_bind_are_read_between_two_items_and_nothing_is_lost(desk, until):
    build.rank_items(desk.project, 2, k=2)
    first = guidelines.write(desk.project, "# Read\n\nBe kind to whoever asked.", base=0, binding=True)
    guidelines.accept(desk.membership, first.version)
    page = desk.open()
    until(lambda: Assignment.objects.filter(state="reserved").exists())
    page.wait_for_load_state("networkidle")
    desk.press("6", "2", "m")
    page.keyboard.type("half way")
    guidelines.write(desk.project, "# Read\n\nBe honest to whoever asked.", base=1, binding=True)
    page.reload()
    expect(page.get_by_role("heading", name="Guidelines")).to_be_visible()
    expect(page.locator("ins")).to_contain_text("honest")
    assert findings(page) == []
    page.get_by_role("button", name="I accept these guidelines").click()
    expect(page.locator("#comment")).to_have_value("half way")
    assert Acceptance.objects.filter(guidelines__version=2).count() == 1
    desk.press("Control+Enter")
    until(lambda: Ranking.objects.count() == 1)
    assert latest().comment == "half way"


def test_who_has_answered_and_may_not_go_on_is_sent_to_the_guidelines(desk, until):
    build.rank_items(desk.project, 1, k=2)
    page = desk.open()
    page.wait_for_load_state("networkidle")
    guidelines.write(desk.project, "Be kind.", base=0, binding=True)
    desk.press("6", "2", "Enter")
    expect(page.get_by_role("button", name="I accept these guidelines")).to_be_visible()
    until(lambda: Ranking.objects.count() == 1)


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh-hans", "dark")])
def test_axe_finds_nothing_on_a_leads_pages_of_labeling_and_they_fit_a_phone(desk, language, scheme):
    page = desk.page
    desk.membership.role = Role.LEAD
    desk.membership.save()
    desk.user.language = language
    desk.user.save()
    guidelines.write(desk.project, "# Read\n\nBe kind to whoever asked.", base=0)
    guidelines.write(desk.project, "# Read\n\nBe honest to whoever asked.", base=1, binding=True, note="why")
    rubrics.write(desk.project, [RUDE, {**MADE_UP, "use_cases": ["chat"]}, HARMFUL], base=1)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 740})
    found = []

    def look(what):
        found.extend(f"{what}: {line}" for line in findings(page))
        assert fits(page), what

    for address in (
        "labeling",
        "labeling/guidelines",
        "labeling/guidelines/history",
        "labeling/rubric",
        "labeling/rubric/history",
    ):
        desk.open(address)
        look(address)
    page.goto(f"{desk.url}/p/{desk.project.public_id}/labeling/guidelines/history/?version=2")
    look("a version of the guidelines")
    page.goto(f"{desk.url}/p/{desk.project.public_id}/labeling/rubric/history/?version=2")
    look("a version of the rubric")
    desk.open("labeling/rubric")
    page.locator("button[value=add]").click()
    look("a new flag")
    page.locator("button[value=save]").click()
    look("a flag that cannot be saved")
    assert found == []


def test_a_lead_writes_a_rubric_by_the_keyboard_alone(desk):
    desk.membership.role = Role.LEAD
    desk.membership.save()
    page = desk.open("labeling/rubric")
    page.locator("button[value=add]").focus()
    desk.press("Enter")
    # The new flag's name has the focus.
    expect(page.get_by_label("Name, in English").last).to_be_focused()
    page.keyboard.type("Off topic")
    page.locator("button[value=save]").focus()
    desk.press("Enter")
    expect(page.get_by_role("heading", name="History of scale and flags")).to_be_visible()
    assert [flag["key"] for flag in rubrics.latest(desk.project).flags][-1] == "off_topic"
    build.rank_items(desk.project, 1, k=2)
    desk.open()
    desk.press("t")
    expect(page.locator('.answer[data-letter="A"]').get_by_role("button", name="Off topic")).to_be_visible()
    assert Assignment.objects.filter(kind=Kind.RANK).exists()
