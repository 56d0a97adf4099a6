"""Writing in Chromium: guidelines beside the text, previews, earlier versions, and prompts by labelers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.actions import guidelines, items, lengths
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    Draft,
    Kind,
    WrittenPrompt,
    WrittenPromptRevision,
)
from tests import build
from tests.browser.test_look import findings, fits

SENTENCE = "Once upon a time there was a lighthouse keeper who collected storms."


@pytest.fixture
def writer(desk):
    text = "# Be kind\n\n- Answer **what was asked**.\n\n" + "Say more. " * 200
    guidelines.write(desk.project, text, base=0)
    build.demonstrate_items(desk.project, 2)
    return desk


def ask(desk, kind="plain", count=2, **more):
    items.ask_for_prompts(desk.project, count, kind=kind, **more)


# --- demonstrations -------------------------------------------------------------------------------------


def test_a_preview_shows_markdown_as_the_server_sets_it_and_the_text_is_still_there(writer):
    page = writer.open("demonstrate")
    page.locator("#text").fill("**Bold** <img src=x onerror=alert(1)> [a](javascript:alert(1))\n\n1. one")
    page.get_by_role("button", name="Preview").click()
    region = page.get_by_role("region", name="Preview", exact=True)
    expect(region.locator("strong")).to_have_text("Bold")
    expect(region.locator("li")).to_have_text("one")
    expect(region.locator("img, a, script")).to_have_count(0)
    expect(page.locator("#live")).to_have_text("This is how others will see it.")
    page.get_by_role("button", name="Write on").click()
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator("#text")).to_have_value(
        "**Bold** <img src=x onerror=alert(1)> [a](javascript:alert(1))\n\n1. one"
    )


def test_without_a_network_the_preview_says_so_and_writing_goes_on(writer, context):
    page = writer.open("demonstrate")
    page.keyboard.type("so")
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("cannot be shown")
    context.set_offline(False)
    page.get_by_role("button", name="Write on").click()
    expect(page.locator("#text")).to_have_value("so")


def test_the_guidelines_stand_beside_the_text_and_stay_folded_once_folded(writer):
    page = writer.open("demonstrate")
    guide = page.locator("#guide-text")
    expect(guide.locator("strong")).to_have_text("what was asked")
    text, beside = page.locator("#text").bounding_box(), guide.bounding_box()
    assert beside["x"] >= text["x"] + text["width"]
    page.locator("#guide-fold summary").press("Enter")
    expect(guide).to_be_hidden()
    page.reload()
    expect(guide).to_be_hidden()


def test_on_a_phone_the_guidelines_are_a_dialog_and_nothing_scrolls_sideways(writer):
    page = writer.page
    page.set_viewport_size({"width": 360, "height": 740})
    writer.open("demonstrate")
    expect(page.locator("#guide-text")).to_be_hidden()
    page.get_by_role("button", name="Guidelines").click()
    expect(page.get_by_role("dialog", name="Guidelines")).to_contain_text("what was asked")
    assert fits(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Guidelines")).to_be_focused()
    page.get_by_role("button", name="Versions").click()
    assert fits(page)


def test_a_conversation_is_shown_turn_by_turn_and_the_answer_is_its_next(desk, until):
    prompt = build.prompt(desk.project, "first")
    prompt.messages = [
        {"role": "user", "content": "What is the capital of Peru?"},
        {"role": "assistant", "content": "Lima."},
        {"role": "user", "content": "And of Chile?"},
    ]
    prompt.save()
    items.create_items(desk.project, [items.NewItem(prompt, Kind.DEMONSTRATE)])
    page = desk.open("demonstrate")
    expect(page.locator("#prompt .message-role")).to_have_text(["User", "Assistant", "User"])
    page.keyboard.type("Santiago.")
    desk.press("Control+Enter")
    until(lambda: DemonstrationRevision.objects.filter(text="Santiago.").exists())


def test_the_pasted_share_is_counted_and_blocks_nothing(writer, until, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = writer.open("demonstrate")
    page.keyboard.type("0123456789")
    page.evaluate("() => navigator.clipboard.writeText('x'.repeat(30))")
    writer.press("Control+v")
    expect(page.locator("#text")).to_have_value("0123456789" + "x" * 30)
    page.reload()
    expect(page.locator("#text")).to_have_value("0123456789" + "x" * 30)
    writer.press("Control+End", "Control+Enter")
    until(lambda: DemonstrationRevision.objects.filter(pasted_share=0.75).exists())


def test_text_that_was_deleted_by_mistake_is_brought_back_by_keys_alone(writer):
    page = writer.open("demonstrate")
    page.locator("#text").fill(SENTENCE)
    page.reload()
    writer.press("Control+a", "Delete")
    page.keyboard.type("Oh no")
    page.reload()
    page.get_by_role("button", name="Versions").press("Enter")
    dialog = page.get_by_role("dialog", name="Earlier versions")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    dialog.locator("summary").press("Enter")
    expect(dialog.locator(".version-text")).to_have_text(SENTENCE)
    dialog.get_by_role("button", name="Bring this back").press("Enter")
    expect(page.locator("#text")).to_have_value(SENTENCE)
    expect(page.locator("#text")).to_be_focused()
    page.get_by_role("button", name="Versions").click()
    expect(dialog.locator(".version-text")).to_have_text("Oh no")


def test_what_was_sent_before_is_among_the_versions_while_it_is_changed(writer, until):
    page = writer.open("demonstrate")
    page.locator("#text").fill("The first version")
    writer.press("Control+Enter")
    until(lambda: Demonstration.objects.exists())
    page.get_by_role("button", name="Undo").click()
    page.locator("#text").fill("Something else")
    page.get_by_role("button", name="Versions").click()
    dialog = page.get_by_role("dialog", name="Earlier versions")
    expect(dialog).to_contain_text("Sent, version 1")
    dialog.get_by_role("button", name="Bring this back").click()
    expect(page.locator("#text")).to_have_value("The first version")


def test_the_length_of_accepted_answers_is_shown_and_not_enforced(writer, monkeypatch, until):
    found = {"": lengths.Length(low=20, median=50, high=120)}
    monkeypatch.setattr(lengths, "guidance", lambda project: found)
    page = writer.open("demonstrate")
    expect(page.locator("#length-guide")).to_have_text(
        "Accepted answers: 20 to 120 words, half of them under 50"
    )
    page.keyboard.type("Short.")
    writer.press("Control+Enter")
    until(lambda: Demonstration.objects.exists())


# --- prompts --------------------------------------------------------------------------------------------


def test_a_plain_prompt_is_written_and_submitted_by_keys_alone(desk, until):
    ask(desk, note="Surprise us.")
    page = desk.open("write")
    expect(page.get_by_role("heading", name="A prompt of your own")).to_be_visible()
    expect(page.locator("#brief-note")).to_have_text("Surprise us.")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("Why is the sky blue?")
    expect(page.locator("#submit-reason")).to_have_text("Choose a use case.")
    desk.press("Tab")
    desk.press("ArrowDown", "ArrowDown")
    expect(page.locator("#language-name")).to_have_text("English")
    desk.press("Tab", "Tab", "Space")
    desk.press("Control+Enter")
    until(lambda: WrittenPrompt.objects.count() == 1)
    revision = WrittenPromptRevision.objects.get()
    assert revision.messages == [{"role": "user", "content": "Why is the sky blue?"}]
    assert (revision.use_case, revision.language, revision.flags) == ("open_qa", "en", ["ambiguous"])
    expect(page.locator("#text")).to_be_empty()
    expect(page.locator("#text")).to_be_focused()


def test_a_few_shot_prompt_is_an_instruction_with_examples_that_come_and_go(desk, until):
    ask(desk, "few_shot", use_case="classification", language="en")
    page = desk.open("write")
    expect(page.locator("#instruction")).to_be_focused()
    page.keyboard.type("Is it a fruit?")
    desk.press("Tab", "Tab")
    page.keyboard.type("apple")
    desk.press("Tab")
    page.keyboard.type("yes")
    expect(page.locator("#submit-reason")).to_contain_text("Write the last question")
    page.get_by_role("button", name="Add an example").press("Enter")
    expect(page.locator("#live")).to_have_text("Example 2 added.")
    page.keyboard.type("hammer")
    page.locator("#last").fill("pear")
    expect(page.locator("#submit-reason")).to_have_text(
        "Example 2 wants what is asked and how it is answered."
    )
    page.get_by_role("button", name="Submit").click(force=True)
    expect(page.locator(".example").nth(1).get_by_label("How it is answered")).to_be_focused()
    page.keyboard.type("no")
    page.get_by_role("button", name="Remove example 1").click()
    expect(page.locator(".example")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".example").nth(0).get_by_label("What is asked")).to_have_value("apple")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview .message-role")).to_have_text(
        ["System", "User", "Assistant", "User", "Assistant", "User"]
    )
    desk.press("Control+Enter")
    until(lambda: WrittenPrompt.objects.exists())
    said = [turn["content"] for turn in WrittenPromptRevision.objects.get().messages]
    assert said == ["Is it a fruit?", "apple", "yes", "hammer", "no", "pear"]


def test_a_prompts_draft_survives_a_reload_and_reaches_the_server(desk, until):
    ask(desk, "few_shot")
    page = desk.open("write")
    page.locator("#instruction").fill("翻译成英文。")
    page.locator(".example").get_by_label("What is asked").fill("你好")
    page.locator("#use-case").select_option("rewrite")
    page.locator("#language").fill("zh-Hans")
    page.get_by_label("Sensitive content").check()
    page.reload()
    expect(page.locator("#instruction")).to_have_value("翻译成英文。")
    expect(page.locator(".example").get_by_label("What is asked")).to_have_value("你好")
    expect(page.locator("#use-case")).to_have_value("rewrite")
    expect(page.locator("#language-name")).to_have_text("Simplified Chinese")
    expect(page.get_by_label("Sensitive content")).to_be_checked()
    until(lambda: Draft.objects.filter(body__examples=[{"query": "你好", "response": ""}]).exists())


def test_undo_brings_a_prompt_back_and_a_change_is_a_new_revision(desk, until):
    ask(desk, use_case="chat", language="zh-Hans")
    page = desk.open("write")
    expect(page.locator("#use-case")).to_be_disabled()
    expect(page.locator("#language")).to_have_value("zh-Hans")
    page.locator("#text").fill("你好吗？")
    desk.press("Control+Enter")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#text")).to_have_value("你好吗？")
    page.locator("#text").fill("你今天好吗？")
    desk.press("Control+Enter")
    until(lambda: WrittenPromptRevision.objects.filter(number=2).exists())
    assert WrittenPrompt.objects.count() == 1
    revision = WrittenPromptRevision.objects.get(number=2)
    assert revision.messages[0]["content"] == "你今天好吗？"


def test_the_server_says_what_is_wrong_and_the_text_stays(desk):
    ask(desk)
    page = desk.open("write")
    page.locator("#text").fill("Why?")
    page.locator("#use-case").select_option("chat")
    page.locator("#language").fill("not a tag")
    desk.press("Control+Enter")
    expect(page.locator("#submit-reason")).to_contain_text("no language tag")
    expect(page.locator("#text")).to_have_value("Why?")


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh-hans", "dark")])
def test_axe_finds_nothing_on_the_pages_for_writing(writer, language, scheme):
    page = writer.page
    writer.user.language = language
    writer.user.save()
    ask(writer, "few_shot", note="For a school: 给小学生用。")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    writer.open("demonstrate")
    page.locator("#text").fill(SENTENCE)
    page.locator("#text").fill("")
    page.locator("#versions").click()
    found += findings(page)
    page.keyboard.press("Escape")
    page.locator("#preview-button").click()
    found += findings(page)
    writer.open("write")
    found += findings(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert fits(page)
    page.locator("#guide-open").click()
    found += findings(page)
    assert found == []
