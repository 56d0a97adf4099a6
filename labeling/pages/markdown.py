"""The little Markdown that guidelines are written in, as safe HTML.

Headings, paragraphs, lists, tables, **bold**, *italic* and `code`. Everything is escaped
first, so that HTML in a text shows as text. Links and images are left as they are typed: nothing is
fetched from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

HEADING = re.compile(r"(#{1,4})\s+(.*)")
ENTRY = re.compile(r"(?:[-*]|(\d{1,3})[.)])\s+(.*)")
RULE = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
# A line break between two Chinese characters is no space.
CHINESE_BREAK = re.compile("(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])")
INLINE = [
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(\S(?:.*?\S)?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*(\S(?:[^*]*?\S)?)\*(?![\w*])"), r"<em>\1</em>"),
]


def markdown(text: str) -> SafeString:
    """Headings start at h2: the page has its own h1."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    return mark_safe("\n".join(html for block in blocks for html in _block(block.split("\n"))))  # noqa: S308


def _block(lines: list[str]) -> Iterator[str]:
    """One block; a heading or a list may follow a line of text without an empty line between."""
    if len(lines) > 2 and "|" in lines[0] and RULE.fullmatch(lines[1].strip()):
        yield _table(lines)
        return
    rest: list[str] = []
    for place, line in enumerate(lines):
        heading = HEADING.fullmatch(line.strip())
        if heading or ENTRY.fullmatch(line.strip()):
            yield from _paragraph(rest)
            if heading:
                level = min(len(heading[1]) + 1, 4)
                yield f"<h{level}>{_inline(heading[2])}</h{level}>"
                yield from _block(lines[place + 1 :])
            else:
                yield from _list(lines[place:])
            return
        rest.append(line)
    yield from _paragraph(rest)


def _paragraph(lines: list[str]) -> Iterator[str]:
    if text := "\n".join(lines).strip():
        yield f"<p>{_inline(text)}</p>"


def _list(lines: list[str]) -> Iterator[str]:
    entries: list[str] = []
    first = ENTRY.fullmatch(lines[0].strip())
    for line in lines:
        entry = ENTRY.fullmatch(line.strip())
        if entry:
            entries.append(entry[2])
        else:
            entries[-1] += "\n" + line.strip()
    tag = "ol" if first and first[1] else "ul"
    yield f"<{tag}>" + "".join(f"<li>{_inline(entry)}</li>" for entry in entries) + f"</{tag}>"


def _table(lines: list[str]) -> str:
    head, *rows = ([_inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:])
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    table = f'<table class="table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="table-scroll">{table}</div>'


def _inline(text: str) -> str:
    html = CHINESE_BREAK.sub("", str(escape(text)))
    for pattern, replacement in INLINE:
        html = pattern.sub(replacement, html)
    return html
