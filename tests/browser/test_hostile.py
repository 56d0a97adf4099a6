"""Hostile text shows as text: nothing runs, nothing is fetched, nothing breaks out of its place.

The desk fails a test on any dialog, script error, refused policy or request to another origin.
"""

from __future__ import annotations

from playwright.sync_api import expect

from labeling.actions import guidelines
from labeling.actions.items import NewItem, create_items
from labeling.models import Kind, Rubric
from tests import build

HOSTILE = [
    "<script>alert(1)</script></script><script>alert(2)</script>",
    '<img src="https://evil.example/x.png" onerror="alert(3)"><svg onload=alert(4)>',
    "javascript:alert(5) [x](javascript:alert(6)) ![y](https://evil.example/y.png)",
    "\u202egnp.exe \u2066\u202b Z\u0351\u0352\u0353a\u0354l\u0355g\u0356o " + "\u0336" * 200,
    "</textarea></title><style>body{display:none}</style><base href=https://evil.example/>",
    "W" * 5_000,
]


ACTING = (
    "#work :is(.text, .prompt-preview) :is(img, picture, video, audio, iframe, object, embed, script, style,"
    " link, base, meta, form, input, button, a, svg, [href], [src], [style], [id], [onclick], [onload],"
    " [onerror])"
)
"""What a text could act by, if one of these came of it."""
MARKED_UP = [
    "[a](https://evil.example/a) [b](data:text/html,<script>alert(1)</script>) [c](//evil.example/c)",
    "![a](https://evil.example/a.png) ![b](data:image/svg+xml,<svg/onload=alert(2)>) ![c][1]\n\n"
    "[1]: https://evil.example/1",
    "$\\href{javascript:alert(3)}{x}$ $\\text{<img src=https://evil.example/x onerror=alert(4)>}$"
    " $$\\style{position:fixed}{x}$$",
    "```html\n<img src=https://evil.example/x onerror=alert(5)>\n```\n```<svg/onload=alert(6)>\nx\n```",
    '| <img src=x onerror=alert(7)> |\n|---|\n| <a href="https://evil.example" style="left:0">x</a> |',
    "# <style>*{display:none}</style>\n\n<details open ontoggle=alert(8)>\n\n<https://evil.example/auto>",
    "$x^2$ &lt;script&gt;alert(9)&lt;/script&gt; &#60;img src=x onerror=alert(10)&#62;",
]


def item(desk, texts):
    prompt = build.prompt(desk.project, "\n".join(HOSTILE))
    prompt.messages.insert(0, {"role": "<b>system</b>", "content": HOSTILE[0]})
    prompt.save()
    create_items(
        desk.project, [NewItem(prompt, Kind.RANK, [build.completion(prompt, text) for text in texts])]
    )
    create_items(desk.project, [NewItem(prompt, Kind.DEMONSTRATE)])


def test_hostile_prompts_and_answers_show_as_text(desk):
    item(desk, HOSTILE)
    page = desk.open()
    expect(page.locator(".answer")).to_have_count(6)
    # Set as Markdown first: nothing of it becomes an element that could act.
    expect(page.locator(".answer-text .address")).to_have_text("(https://evil.example/y.png)")
    assert page.locator(ACTING).count() == 0
    desk.press("v")
    assert page.locator(ACTING).count() == 0
    desk.press("v", "a", "p", "w")
    assert page.locator(ACTING).count() == 0
    desk.press("w", "p", "r")
    shown = page.locator(".answer-text").all_text_contents()
    assert sorted(shown) == sorted(HOSTILE)
    assert page.locator(ACTING).count() == 0
    assert page.locator("#prompt .text").last.text_content() == "\n".join(HOSTILE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_markdown_code_and_formulas_are_set_and_do_nothing(desk):
    item(desk, MARKED_UP)
    page = desk.open()
    expect(page.locator(".answer-text.is-set")).to_have_count(len(MARKED_UP))
    assert page.locator(ACTING).count() == 0
    shown = " ".join(page.locator(".answer-text").all_inner_texts())
    for number in (2, 5, 6, 7, 8, 9, 10):
        assert f"alert({number})" in shown
    assert "(https://evil.example/a)" in shown
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_before_any_script_has_run_hostile_text_is_text_too(desk, browser):
    item(desk, HOSTILE)
    desk.open()
    bare = browser.new_context(java_script_enabled=False)
    bare.add_cookies(desk.page.context.cookies())
    page = bare.new_page()
    page.goto(desk.page.url)
    assert sorted(page.locator(".answer-text").all_text_contents()) == sorted(HOSTILE)
    bare.close()


def test_hostile_drafts_comments_and_demonstrations_come_back_as_text(desk):
    item(desk, HOSTILE)
    page = desk.open("demonstrate")
    text = "\n".join(HOSTILE[:5])
    page.locator("#text").fill(text)
    page.reload()
    expect(page.locator("#text")).to_have_value(text)


def test_hostile_names_flags_and_guidelines_are_escaped(desk):
    desk.project.name = HOSTILE[0]
    desk.project.description = HOSTILE[1]
    desk.project.save()
    text = "# " + HOSTILE[0] + "\n\n- " + HOSTILE[1] + "\n\n`" + HOSTILE[4] + "`"
    guidelines.write(desk.project, text, base=0)
    flags = [{"key": "x", "en": HOSTILE[0], "help": {"en": HOSTILE[1]}}]
    Rubric.objects.create(project=desk.project, version=2, flags=flags)
    desk.user.first_name = "<img src=x onerror=alert(9)>"
    desk.user.save()
    item(desk, HOSTILE[:3])
    page = desk.page
    page.goto(f"{desk.url}/")
    expect(page.locator(".project")).to_contain_text("<script>alert(1)</script>")
    desk.open("guidelines")
    expect(page.locator(".guide")).to_contain_text("<svg onload=alert(4)>")
    desk.open()
    desk.press("t")
    expect(page.locator(".flag").first).to_contain_text("<script>alert(1)</script>")


def test_a_path_with_a_nul_or_a_script_is_refused_politely(desk):
    for path, status in (("/p/%00/rank/", 400), ("/p/<script>alert(1)</script>/rank/", 404)):
        answer = desk.page.goto(f"{desk.url}{path}")
        assert answer is not None
        assert answer.status == status
