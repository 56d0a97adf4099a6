"""Markdown from people and models: set as it was meant, and harmless whatever it was."""

from __future__ import annotations

import html as html_module
import re

import pytest

from labeling.formulas import MAX_FORMULAS
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


def test_lines_stay_as_they_were_broken_where_that_is_asked_for():
    assert markdown("床前明月光\n疑是地上霜", keep_lines=True) == "<p>床前明月光<br>\n疑是地上霜</p>\n"


def test_a_link_shows_as_its_text_and_address_and_an_image_as_its_description():
    html = markdown('[the *docs*](https://a.example/b "T") and ![a cat](https://b.example/c.png)')
    assert html == (
        '<p><span class="link">the <em>docs</em></span>'
        ' <span class="address">(https://a.example/b "T")</span>'
        ' and <span class="image">a cat</span> <span class="address">(https://b.example/c.png)</span></p>\n'
    )


def test_what_a_link_refers_to_elsewhere_does_not_vanish():
    assert markdown("[a]: https://x.example\n\n[a]") == "<p>[a]: https://x.example</p>\n<p>[a]</p>\n"


def test_code_is_in_colours_and_its_language_is_named():
    html = markdown("```python\ndef f():\n    return '<b>'\n```")
    assert '<p class="code-language">python</p><pre><code>' in html
    assert '<span class="code-keyword">def</span> <span class="code-name">f</span>()' in html
    assert '<span class="code-string">&lt;b&gt;</span>' in html
    assert markdown("```klingon x\na < b\n```") == (
        '<div class="code"><p class="code-language">klingon x</p><pre><code>a &lt; b\n</code></pre></div>\n'
    )


def test_a_lexer_that_can_be_made_slow_is_stopped_and_no_letter_is_lost():
    code = "a b " * 2_400 + "\n"
    html = markdown(f"```java\n{code}```")
    assert html_module.unescape(re.sub(r"<[^>]+>", "", html)) == f"java{code}\n"
    assert "<span" not in html.removesuffix("</div>\n")[-2_000:]


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("so $x^2$.", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"so \(a < b\).", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        ("so\n$$\na\n- b\n$$\nit is", "<mi>a</mi><mo>−</mo><mi>b</mi>"),
        ("\\[\n\\frac{1}{2}\n\\]", "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        ("1. so\n   $$\n   y\n   $$\n2. on", '<math display="block"><mrow><mi>y</mi></mrow></math>'),
        (r"$\begin{aligned} a &= b \\ c &= d\end{aligned}$", "<mtable"),
    ],
)
def test_formulas_are_set(text, formula):
    html = markdown(text)
    assert formula in html
    assert "<math" in html
    assert "$" not in html


@pytest.mark.parametrize(
    "text", ["It costs $5, or $6 each.", r"\$a\$", "`$a$`", "$ a $", "$$\n\n$$", "a $b", "$$", r"\(a", "$"]
)
def test_money_and_what_is_no_formula_stay_as_they_were(text):
    assert "<math" not in markdown(text)


@pytest.mark.parametrize(
    "formula",
    [
        r"\frac{", r"\left(", "^", "{" * 900,
        r"\newcommand{\a}{\b\b}\newcommand{\b}{\c\c}\a", r"\def\a{\a\a}\a",
    ],
)  # fmt: skip
def test_a_formula_that_cannot_be_read_shows_as_it_was_typed(formula):
    assert f"<code>${html_module.escape(formula)}$</code>" in markdown(f"${formula}$")


def test_of_very_many_formulas_the_last_show_as_they_were_typed():
    html = markdown("$x$ " * 300)
    assert html.count("<math") == MAX_FORMULAS
    assert html.count("<code>$x$</code>") == 300 - MAX_FORMULAS


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
    '[x](https://x.example/"><script>alert(1)</script> "\\"><img src=x onerror=alert(1)>")',
    "![<img src=x onerror=alert(1)>](data:image/png;base64,AAAA)",
    r"$\text{<script>alert(1)</script>}$ $\href{javascript:alert(1)}{x}$ $\style{color:red}{x}$",
    r"$\text{&lt;img src=x onerror=alert(1)&gt;}\hspace{999em}\hspace{-9em}\color{red}{x}\class{a}{x}$",
    r"\(\unicode{60}script\unicode{62}\) $$</math><script>alert(1)</script>$$",
    "```<script>\n</code></pre><script>alert(1)</script>\n```",
    "```html\n<a href='javascript:alert(1)' onclick=\"x\">\n```",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_becomes_a_tag_or_an_attribute(text):
    for html in (markdown(text), markdown(text * (MAX_CHARACTERS // len(text) + 1))):
        for tag, attributes in re.findall(r"</?([a-zA-Z][\w-]*)([^>]*)>", html):
            assert tag in TAGS
            names = set(re.findall(r"([\w-]+)=", attributes))
            assert names <= ATTRIBUTES.get(tag, set()) | ({"class"} if tag in CLASSES else set())
            assert set(re.findall(r'class="([^"]*)"', attributes)) <= CLASSES.get(tag, set())
            assert not re.search(r"999em|-9em|red|javascript", attributes)


def test_a_very_long_text_is_shown_as_it_was_typed():
    assert markdown("**a** <b>" * MAX_CHARACTERS).startswith("<pre>**a** &lt;b&gt;")
