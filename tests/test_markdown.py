"""Markdown from people and models: set as it was meant, and harmless whatever it was."""

from __future__ import annotations

import re

import pytest

from labeling.markdown import ATTRIBUTES, CLASSES, MAX_CHARACTERS, TAGS, markdown


def test_headings_begin_below_the_pages_own():
    assert markdown("# One\n\n###### Six") == "<h2>One</h2>\n<h6>Six</h6>\n"


def test_a_table_scrolls_in_a_box_of_its_own_and_has_heads():
    html = markdown("| a | b |\n|:--|--:|\n| 1 | **2** |")
    assert html.startswith('<div class="table-scroll"><table class="table">')
    assert '<th scope="col">a</th>' in html
    assert "<td><strong>2</strong></td>" in html
    assert "style" not in html


def test_lists_code_and_emphasis():
    assert markdown("3. a\n4. `b` *c*") == (
        '<ol start="3">\n<li>a</li>\n<li><code>b</code> <em>c</em></li>\n</ol>\n'
    )


def test_a_line_break_between_chinese_characters_is_no_space():
    assert markdown("你好\n世界") == "<p>你好世界</p>\n"
    assert markdown("one\ntwo") == "<p>one\ntwo</p>\n"


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![pixel](https://tracker.example/x.png)",
    "<https://auto.example>",
    "[a]: https://x.example\n\n[a]",
    "`<script>`",
    "```html\n<script>\n```",
    "| <b onmouseover=x> |\n|---|\n| <iframe src=//x> |",
    "# <style>*{}</style>",
    '"><svg/onload=alert(1)>',
    "&lt;script&gt; &#60;script&#62;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_becomes_a_tag_or_an_attribute(text):
    for html in (markdown(text), markdown(text * (MAX_CHARACTERS // len(text) + 1))):
        for tag, attributes in re.findall(r"</?([a-zA-Z][\w-]*)([^>]*)>", html):
            assert tag in TAGS
            names = set(re.findall(r"([\w-]+)=", attributes))
            assert names <= ATTRIBUTES.get(tag, set()) | ({"class"} if tag in CLASSES else set())


def test_a_very_long_text_is_shown_as_it_was_typed():
    assert markdown("**a** <b>" * MAX_CHARACTERS).startswith("<pre>**a** &lt;b&gt;")
