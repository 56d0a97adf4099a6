"""Reading in Chromium: layouts, the pinned answer, Markdown as set, what is unseen, what is blurred."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from labeling.actions.items import NewItem, create_items
from labeling.models import Kind
from tests import build
from tests.browser.test_look import WCAG

MARKDOWN = (
    "## Sorting\n\nIt is **easy**, in $O(n^2)$:\n\n"
    "```python\ndef f(x):\n    return sorted(x)  # stable\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\nSee [the docs](https://docs.example/)."
)
LONG = "\n\n".join(
    f"Paragraph number {n} of a long answer, with enough words to fill a line." for n in range(60)
)


def item(desk, texts, *, prompt="Which is the best?", turns=(), **more):
    """One item whose answers are shown as they are given here: A is the first."""
    asked = build.prompt(desk.project, prompt, **more)
    asked.messages = [*turns, *asked.messages]
    asked.save()
    create_items(desk.project, [NewItem(asked, Kind.RANK, [build.completion(asked, text) for text in texts])])


def letters(page: Page) -> str:
    """Of the answers on the screen, in their order."""
    shown = page.locator(".answer:visible").all()
    return "".join(card.get_attribute("data-letter") or "" for card in shown)


def letter_of(page: Page, text: str) -> str:
    card = page.locator(".answer", has=page.locator(".answer-text", has_text=text))
    return card.get_attribute("data-letter") or ""


def text_of(page: Page, letter: str):
    return page.locator(f'.answer[data-letter="{letter}"] .answer-text')


def test_layouts_go_round_by_key_and_the_choice_is_there_before_the_script_next_time(desk, until, browser):
    build.rank_items(desk.project, 1)
    page = desk.open()
    expect(page.locator(".answer")).to_have_count(4)
    assert letters(page) == "ABCD"
    desk.press("z")
    assert letters(page) == "AB"
    expect(page.locator("#live")).to_have_text("Two answers side by side")
    desk.press("c")
    assert letters(page) == "CD"
    desk.press("z")
    assert letters(page) == "C"
    desk.press("ArrowRight")
    assert letters(page) == "D"
    expect(page.locator('.answer[data-letter="D"]')).to_be_focused()
    until(lambda: kept(desk).get("layout") == "carousel")
    bare = browser.new_context(java_script_enabled=False)
    bare.add_cookies(page.context.cookies())
    plain = bare.new_page()
    plain.goto(page.url)
    expect(plain.locator("#reading-area")).to_have_attribute("data-layout", "carousel")
    assert plain.locator(".answer:visible").count() == 4
    bare.close()
    page.reload()
    expect(page.locator('.segment[data-set-layout="carousel"]')).to_have_attribute("aria-pressed", "true")
    assert letters(page) == "A"


def kept(desk):
    desk.user.refresh_from_db()
    return desk.user.workspace.get("reading", {})


def test_one_at_a_time_each_score_brings_the_next_answer(desk):
    build.rank_items(desk.project, 1, k=3)
    page = desk.open()
    desk.press("z", "z", "5")
    assert letters(page) == "B"
    desk.press("3")
    assert letters(page) == "C"
    desk.press("1")
    assert desk.tiers() == ["A", "B", "C"]


def test_layout_and_pin_by_button(desk):
    build.rank_items(desk.project, 1)
    page = desk.open()
    page.get_by_role("button", name="Pin C, to compare others with it").click()
    assert letters(page) == "CABD"
    page.get_by_role("button", name="Two answers side by side").click()
    page.get_by_role("button", name="Show D").click()
    assert letters(page) == "CD"
    page.get_by_role("button", name="The answer before").click()
    assert letters(page) == "CB"
    page.get_by_role("button", name="Pin C, to compare others with it").click()
    expect(page.locator("#live")).to_have_text("C is no longer pinned.")
    page.get_by_role("button", name="One answer at a time").click()
    assert len(letters(page)) == 1
    page.get_by_role("button", name="All answers").click()
    assert letters(page) == "ABCD"


def test_words_that_differ_from_the_pinned_answer_are_marked(desk):
    item(desk, ["The cat sat on the mat.", "The dog sat on the mat.", "我喜欢绿色的苹果"])
    page = desk.open()
    pinned, other = letter_of(page, "cat"), letter_of(page, "dog")
    desk.press(pinned.lower(), "p", "w")
    expect(text_of(page, other).locator("del")).to_have_text("cat ")
    expect(text_of(page, other).locator("ins")).to_have_text("dog ")
    assert text_of(page, pinned).locator("ins, del").count() == 0
    desk.press("w")
    expect(text_of(page, other)).to_have_text("The dog sat on the mat.")


def test_texts_that_cannot_be_compared_are_shown_as_they_are_and_the_page_says_so(desk):
    item(desk, ["short", "word " * 12_000])
    page = desk.open()
    pinned = letter_of(page, "short")
    desk.press(pinned.lower(), "p", "w")
    other = "AB".replace(pinned, "")
    expect(page.locator("#diff-note")).to_have_text(
        f"{other}: too long, or too different from {pinned}, to compare word by word."
    )
    assert text_of(page, other).text_content() == "word " * 12_000


def test_two_long_answers_scroll_together_or_each_by_itself(desk, until):
    item(desk, [LONG, LONG + "\n\n" + LONG])
    page = desk.open()
    desk.press("z")
    expect(text_of(page, "A")).to_have_attribute("tabindex", "0")
    share = (
        "(letter) => { const box = document.querySelector(`.answer[data-letter=${letter}] .answer-text`);"
        " return box.scrollTop / (box.scrollHeight - box.clientHeight); }"
    )
    text_of(page, "A").evaluate("(box) => { box.scrollTop = (box.scrollHeight - box.clientHeight) / 2; }")
    until(lambda: abs(page.evaluate(share, "B") - 0.5) < 0.02)
    desk.press("y")
    expect(page.locator("#live")).to_have_text("Scroll together: off.")
    text_of(page, "B").evaluate("(box) => { box.scrollTop = 0; }")
    desk.press("a", "Space")
    until(lambda: page.evaluate(share, "A") > 0.51)
    assert page.evaluate(share, "B") == 0
    desk.press("z", "z")
    whole = text_of(page, "A").evaluate("(box) => box.scrollHeight <= box.clientHeight + 1")
    assert whole, "in columns a long text stands there whole"


def test_markdown_is_set_and_one_key_shows_it_as_typed(desk):
    item(desk, [MARKDOWN, "plain words"])
    page = desk.open()
    expect(page.locator(".answer-text math")).to_be_visible()
    letter = letter_of(page, "Sorting")
    text = text_of(page, letter)
    expect(text.get_by_role("heading", name="Sorting")).to_be_visible()
    expect(text.locator("strong")).to_have_text("easy")
    expect(text.locator(".code-keyword").first).to_have_text("def")
    expect(text.get_by_role("columnheader", name="b")).to_be_visible()
    expect(text.locator(".address")).to_have_text("(https://docs.example/)")
    assert text.locator("a").count() == 0
    desk.press("r")
    assert text.text_content() == MARKDOWN
    desk.press("r")
    expect(text.locator("math")).to_be_visible()


def test_where_nothing_is_marked_up_or_texts_are_wanted_as_typed_the_server_is_not_asked(desk, until):
    asked = []
    desk.page.on("request", lambda sent: asked.append(sent.url) if sent.url.endswith("/html") else None)
    item(desk, ["plain words", "other words"])
    desk.open()
    expect(desk.page.locator(".answer")).to_have_count(2)
    desk.press("r")
    until(lambda: kept(desk).get("raw") is True)
    item(desk, ["**bold**", "other"], prompt="And now?")
    desk.press("5", "3", "Enter")
    expect(desk.page.locator(".answer-text", has_text="**bold**")).to_be_visible()
    desk.page.wait_for_load_state("networkidle")
    assert asked == []
    desk.press("r")
    expect(desk.page.locator(".answer-text strong")).to_have_text("bold")
    assert len(asked) == 1


def test_the_texts_of_the_next_item_are_set_before_it_is_asked_for(desk, context):
    for prompt in ("The first", "The second"):
        item(desk, ["**one**", "**two**"], prompt=prompt)
    page = desk.open()
    before = page.locator("#prompt .text").inner_text()
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    desk.press("6", "2", "Enter")
    expect(page.locator("#prompt .text")).not_to_have_text(before)
    expect(page.locator(".answer-text strong")).to_have_count(2)
    context.set_offline(False)


def test_without_an_answer_from_the_server_the_texts_stay_as_typed(desk):
    desk.page.route("**/html", lambda route: route.abort())
    item(desk, ["**bold**", "other"])
    page = desk.open()
    expect(page.locator(".answer-text", has_text="**bold**")).to_be_visible()
    desk.press("5", "3")
    assert desk.tiers() == ["A", "B"]


def test_a_conversation_tells_who_speaks_and_can_be_folded_to_its_last_line(desk):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi, how *can* I help?"},
    ]
    item(desk, ["one", "two"], turns=turns, prompt="Which\nis best?")
    page = desk.open()
    expect(page.locator(".message-role")).to_have_text(["System", "User", "Assistant", "User"])
    expect(page.locator("#prompt-length")).to_have_text("Turns: 4 · Words: 11")
    expect(page.locator(".message em")).to_have_text("can")
    desk.press("o")
    expect(page.locator("#prompt")).to_be_hidden()
    expect(page.locator("#prompt-preview")).to_have_text("Which is best?")
    fold = page.get_by_role("button", name="Prompt")
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(page.locator("#prompt")).to_be_visible()


def test_each_line_has_its_own_direction_and_turns_nothing_beside_it(desk):
    texts = ["مرحبا بالعالم\nplain english", "שלום **עולם**", "\u202eoverridden\nalpha omega", "last"]
    item(desk, texts)
    page = desk.open()
    expect(page.locator(".answer-text strong")).to_be_visible()

    def edges(letter: str, first: str, second: str) -> bool:
        """Whether the first string begins left of the second on the screen."""
        return page.evaluate(
            """([letter, ...wanted]) => {
                const root = document.querySelector(`.answer[data-letter=${letter}]`);
                const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
                const at = {};
                for (let node; (node = walker.nextNode()); )
                    for (const text of wanted) {
                        const start = node.data.indexOf(text);
                        if (start < 0 || text in at) continue;
                        const range = document.createRange();
                        range.setStart(node, start); range.setEnd(node, start + text.length);
                        at[text] = range.getBoundingClientRect().left;
                    }
                return at[wanted[0]] < at[wanted[1]];
            }""",
            [letter, first, second],
        )

    arabic = letter_of(page, "plain english")
    assert edges(arabic, "بالعالم", "مرحبا"), "Arabic reads from the right"
    assert edges(arabic, "plain", "english"), "and the English line under it from the left"
    assert edges(letter_of(page, "שלום"), "עולם", "שלום"), "Hebrew, also where it is set as Markdown"
    overridden = letter_of(page, "overridden")
    assert edges(overridden, "ridden", "over"), "the override turns its own line"
    assert edges(overridden, "alpha", "omega"), "and not the next"
    assert edges(overridden, "very bad", "excellent"), "nor what stands under it"


def test_invisible_characters_are_told_and_can_be_seen(desk):
    item(desk, ["a\u200bb\u202ecba", "nothing 👨\u200d👩 hidden"])
    page = desk.open()
    note = page.get_by_role("button", name="Invisible characters: 2")
    expect(note).to_be_visible()
    assert page.locator(".unseen-note").count() == 1
    desk.press("v")
    letter = letter_of(page, "RLO")
    assert text_of(page, letter).text_content() == "aZWSPbRLOcba"
    expect(text_of(page, letter).locator(".unseen").first).to_have_attribute("title", "U+200B")
    note.click()
    assert text_of(page, letter).text_content() == "a\u200bb\u202ecba"


def test_sensitive_content_is_blurred_until_it_is_wanted(desk, until):
    item(desk, ["one", "two"], sensitive=["violence", "self_harm"])
    page = desk.open()
    veil = page.locator("#veil")
    expect(veil).to_contain_text("Blurred, because it may hold: violence and self-harm.")
    blurred = "(element) => getComputedStyle(element).filter !== 'none' && element.inert"
    assert text_of(page, "A").evaluate(blurred)
    assert page.locator("#prompt .text").evaluate(blurred)
    desk.press("n")
    assert not text_of(page, "A").evaluate(blurred)
    expect(page.locator("#live")).to_have_text("The texts are shown.")
    page.get_by_role("button", name="Blur it again").click()
    assert text_of(page, "A").evaluate(blurred)
    # Who wants no blur never has to ask.
    page.locator(".reading-summary").click()
    page.get_by_role("button", name="Blur sensitive content").click()
    expect(veil).to_be_hidden()
    until(lambda: kept(desk).get("blur") is False)
    page.reload()
    assert not text_of(page, "A").evaluate(blurred)


def test_texts_get_wider_and_narrower(desk):
    item(desk, ["one", "two"], prompt=LONG)
    page = desk.open()
    page.set_viewport_size({"width": 1900, "height": 900})
    width = "(element) => element.getBoundingClientRect().width"
    prompt = page.locator("#prompt .text")
    medium = prompt.evaluate(width)
    desk.press(",")
    assert prompt.evaluate(width) < medium
    desk.press(".", ".")
    assert prompt.evaluate(width) > medium
    page.locator(".reading-summary").click()
    page.get_by_role("button", name="Wider").click()
    expect(page.locator("#width-name")).to_have_text("Texts in full width")
    expect(page.get_by_role("button", name="Wider")).to_have_attribute("aria-disabled", "true")


def test_reading_is_no_part_of_how_one_ranks(desk, until):
    from labeling.models import Ranking

    item(desk, ["**a**", "b"])
    page = desk.open()
    desk.press("z", "p", "r", "v")
    for letter, value in (("A", "6"), ("B", "2")):
        page.locator(f'.answer[data-letter="{letter}"] .score-step', has_text=value).click()
    page.get_by_role("button", name="Submit").click()
    until(lambda: Ranking.objects.exists())
    assert Ranking.objects.get().revisions.get().mode == "pointer"


def test_a_demonstration_shows_its_prompt_in_the_same_way(desk):
    asked = build.prompt(desk.project, "Do **it**", sensitive=["hate"])
    create_items(desk.project, [NewItem(asked, Kind.DEMONSTRATE)])
    page = desk.open("demonstrate")
    expect(page.locator("#veil")).to_contain_text("hate")
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#prompt strong")).to_have_text("it")
    page.get_by_role("button", name="Prompt").click()
    expect(page.locator("#prompt")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_however_one_reads_and_all_fits_on_a_phone(desk, scheme):
    item(desk, [MARKDOWN, "short **one**", LONG, "a\u200bb\u202ecba שלום"], sensitive=["hate"])
    page = desk.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    desk.open()
    found = []

    def look(what: str) -> None:
        page.evaluate("scrollTo(0, 0)")
        report = Axe().run(page, options=WCAG).response["violations"]
        found.extend(f"{what}: {each['id']}: {each['nodes'][0]['html'][:160]}" for each in report)
        assert page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), what

    expect(page.locator(".answer-text math")).to_be_visible()
    look("blurred")
    desk.press("n")
    look("columns")
    desk.press("b", "p", "w", "v")
    look("pinned, with differences and unseen characters")
    desk.press("z", "w", "v")
    page.set_viewport_size({"width": 360, "height": 740})
    look("two on a phone")
    desk.press("z")
    page.locator(".reading-summary").click()
    look("one on a phone, the menu open")
    assert found == []
