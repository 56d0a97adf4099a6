"""Markdown from people and models, as safe HTML.

CommonMark with tables, formulas (formulas.py) and code in colours (highlighting.py). HTML in a text shows as
text, a link as its text and address, an image as its description and address: nothing that somebody wrote can
fetch, run or lead anywhere. What markdown-it makes of a text passes through nh3's list of allowed tags
besides, so that a mistake in one of the two is no hole.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from labeling import formulas, highlighting

MAX_CHARACTERS = 20_000
"""A longer text is shown as it was typed: to set it would take longer than a reader should wait."""
MAX_ADDRESS = 300
TAGS = formulas.TAGS | {
    "p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em",
    "strong", "div", "span", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"ol": {"start"}, "th": {"scope"}} | formulas.ATTRIBUTES
CLASSES = {
    "div": {"table-scroll", "formula", "code"},
    "p": {"code-language"},
    "table": {"table"},
    "span": {"formula", "link", "image", "address"} | set(highlighting.CLASSES.values()) - {""},
}
# A line break between two Chinese characters is no space.
CHINESE = re.compile("[\u3000-\u9fff\uff00-\uffef]")


def markdown(text: str, *, keep_lines: bool = False) -> SafeString:
    """Headings start at h2: the page has its own h1.

    `keep_lines` breaks lines where they were broken: in what people and models say, that is meant.
    """
    html = _plain(text) if len(text) > MAX_CHARACTERS else _parser.render(text, {"keep_lines": keep_lines})
    return mark_safe(  # noqa: S308
        nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, allowed_classes=CLASSES, link_rel=None)
    )


def _plain(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _fit_the_page(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type == "table_open":
            token.attrSet("class", "table")
        elif token.type == "th_open":
            token.attrSet("scope", "col")


def _soft_break(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Mapping[str, Any]
) -> str:
    if env.get("keep_lines"):
        return "<br>\n"
    around = [tokens[beside].content for beside in (place - 1, place + 1) if 0 <= beside < len(tokens)]
    if len(around) == 2 and CHINESE.fullmatch(around[0][-1:]) and CHINESE.fullmatch(around[1][:1]):
        return ""
    return "\n"


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return '<div class="table-scroll">' + renderer.renderToken(tokens, place, options, env)


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return renderer.renderToken(tokens, place, options, env) + "</div>"


def _fence(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    token = tokens[place]
    language = token.info.strip()
    name = f'<p class="code-language">{escape(language[:80])}</p>' if language else ""
    began = time.thread_time()
    left = highlighting.MAX_SECONDS - env.get("coloured", 0.0)
    code = highlighting.highlighted(token.content, language.partition(" ")[0], left)
    env["coloured"] = env.get("coloured", 0.0) + time.thread_time() - began
    return f'<div class="code">{name}<pre><code>{code}</code></pre></div>\n'


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    address = str(tokens[place].attrGet("href") or "")
    is_its_text = tokens[place + 1].content == address and tokens[place + 2].type == "link_close"
    env["address"] = "" if is_its_text else _address(address, tokens[place].attrGet("title"))
    return '<span class="link">'


def _link_close(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return f"</span>{env['address']}"


def _image(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    token = tokens[place]
    alt = renderer.renderInlineAsText(token.children, options, env)
    address = _address(str(token.attrGet("src") or ""), token.attrGet("title"))
    return f'<span class="image">{escape(alt)}</span>{address}'


def _address(address: str, title: Any) -> str:
    whole = address if len(address) <= MAX_ADDRESS else address[:MAX_ADDRESS] + "…"
    told = f'{whole} "{title}"' if title else whole
    return f' <span class="address">({escape(told)})</span>'


def _build() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # What is not shown where it stands, or shown as it stands, would be hidden from the reader.
    parser.disable(["autolink", "reference"])
    formulas.formulas(parser)
    parser.core.ruler.push("fit_the_page", _fit_the_page)
    parser.add_render_rule("softbreak", _soft_break)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    return parser


_parser = _build()
