"""Markdown from people and models, as safe HTML.

CommonMark with tables. HTML in a text shows as text, links and images stay as they were typed: nothing that
somebody wrote can fetch, run or lead anywhere. What markdown-it makes of a text passes through nh3's list of
allowed tags besides, so that a mistake in one of the two is no hole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MAX_CHARACTERS = 20_000
"""A longer text is shown as it was typed: to set it would take longer than a reader should wait."""
TAGS = {
    "p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em",
    "strong", "div", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"ol": {"start"}, "th": {"scope"}}
CLASSES = {"div": {"table-scroll"}, "table": {"table"}}
# A line break between two Chinese characters is no space.
CHINESE = re.compile("[\u3000-\u9fff\uff00-\uffef]")


def markdown(text: str) -> SafeString:
    """Headings start at h2: the page has its own h1."""
    html = _plain(text) if len(text) > MAX_CHARACTERS else _parser.render(text)
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
    around = [tokens[beside].content for beside in (place - 1, place + 1) if 0 <= beside < len(tokens)]
    if len(around) == 2 and CHINESE.fullmatch(around[0][-1:]) and CHINESE.fullmatch(around[1][:1]):
        return ""
    return "\n"


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return '<div class="table-scroll">' + renderer.renderToken(tokens, place, options, env)


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return renderer.renderToken(tokens, place, options, env) + "</div>"


def _build() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.disable(["link", "image", "autolink", "reference"])
    parser.core.ruler.push("fit_the_page", _fit_the_page)
    parser.add_render_rule("softbreak", _soft_break)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    return parser


_parser = _build()
