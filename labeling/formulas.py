r"""LaTeX in Markdown, as MathML: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` standing free.

latex2mathml reads a formula; what it makes is written out here, tag by tag and letter by letter, because it
escapes nothing itself. A formula that it cannot read, or that would cost too much, stays as it was typed.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree.ElementTree import Element

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_CHARACTERS = 2_000
"""Of one formula; a longer one is no formula."""
MAX_FORMULAS = 200
"""Of one text: half a millisecond each."""
CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
STANDING_FREE = ("$$", "\\[")
# A formula that defines what it then repeats can grow without end.
DEFINES = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|def|gdef|edef|let|DeclareMathOperator)(?![a-zA-Z])"
)

TAGS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup",
    "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "menclose",
}  # fmt: skip
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "separator", "largeop", "movablelimits"},
    "mspace": {"width"},
    "mfrac": {"linethickness"},
    "mtable": {"displaystyle"},
    "mtd": {"columnalign"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "menclose": {"notation"},
}
# A word, or a length that pushes nothing off the page.
VALUE = re.compile(r"[a-z-]{1,40}|\d{0,2}(?:\.\d{1,4})?(?:em|ex|mu|pt|px)?")


def mathml(latex: str, *, free: bool) -> str | None:
    """A formula as MathML, or None where it cannot be read."""
    if not latex.strip() or len(latex) > MAX_CHARACTERS or DEFINES.search(latex):
        return None
    from latex2mathml.converter import convert_to_element  # its table of signs takes a while to read

    try:
        tree = convert_to_element(_in_its_words(latex), display="block" if free else "inline")
        return _written(tree)
    except Exception:
        # A broken formula makes it raise what it happens to meet, from an IndexError to a RecursionError.
        return None


def _in_its_words(latex: str) -> str:
    """Without the environments that latex2mathml knows under another name only."""
    return re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", latex)


def _written(element: Element) -> str:
    inner = html.escape(html.unescape(element.text or "")) + "".join(_written(child) for child in element)
    if element.tag not in TAGS:
        return inner
    allowed = ATTRIBUTES.get(element.tag, set())
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in allowed and VALUE.fullmatch(value)
    )
    return f"<{element.tag}{attributes}>{inner}</{element.tag}>"


def formulas(parser: MarkdownIt) -> None:
    """The rules by which a parser finds formulas, and how they are set."""
    parser.inline.ruler.before("escape", "formula", _in_line)
    parser.block.ruler.before(
        "fence", "formula", _free, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.add_render_rule("formula", _set)


def _set(renderer: RendererHTML, tokens: Any, place: int, options: Any, env: Any) -> str:
    token = tokens[place]
    free = token.markup in STANDING_FREE
    env["formulas"] = env.get("formulas", 0) + 1
    made = mathml(token.content, free=free) if env["formulas"] <= MAX_FORMULAS else None
    if made is None:
        source = f"{token.markup}{token.content}{CLOSERS[token.markup]}"
        made = f"<code>{html.escape(source)}</code>"
    if token.block:
        return f'<div class="formula">{made}</div>\n'
    return f'<span class="formula">{made}</span>' if free else made


def _in_line(state: StateInline, silent: bool) -> bool:
    source, start = state.src, state.pos
    opener = next((mark for mark in CLOSERS if source.startswith(mark, start)), None)
    if opener is None:
        return False
    begin = start + len(opener)
    limit = min(state.posMax, begin + MAX_CHARACTERS)
    end = _closing(source, opener, begin, limit)
    if end is None:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content, token.markup = source[begin:end], opener
    state.pos = end + len(CLOSERS[opener])
    return True


def _closing(source: str, opener: str, begin: int, limit: int) -> int | None:
    """Where a formula ends. A dollar closes one only beside a character, and before no digit: $5 is money."""
    closer = CLOSERS[opener]
    if opener == "$" and (begin >= limit or source[begin].isspace()):
        return None
    end = source.find(closer, begin, limit)
    while end >= 0:
        is_escaped = closer[0] == "$" and source[end - 1] == "\\"
        is_money = opener == "$" and (source[end - 1].isspace() or source[end + 1 : end + 2].isdigit())
        if end > begin and not is_escaped and not is_money:
            return end
        end = source.find(closer, end + 1, limit)
    return None


def _free(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula over whole lines, in which no line is a list or a heading."""
    if state.is_code_block(start):
        return False
    first = state.bMarks[start] + state.tShift[start]
    opener = state.src[first : first + 2]
    if opener not in STANDING_FREE or state.src.find(CLOSERS[opener], first + 2, first + MAX_CHARACTERS) < 0:
        return False
    lines: list[str] = []
    for line in range(start, end):
        if line > start and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
        begin = first + 2 if line == start else state.bMarks[line] + state.tShift[line]
        lines.append(state.src[begin : state.eMarks[line]].rstrip())
        if begin - first > MAX_CHARACTERS:
            return False
        head, closes, rest = lines[-1].partition(CLOSERS[opener])
        if not closes:
            continue
        if rest:
            return False  # there is more on its line: a part of a paragraph
        if not silent:
            token = state.push("formula", "math", 0)
            token.block, token.markup = True, opener
            token.content = "\n".join([*lines[:-1], head])
            token.map = [start, line + 1]
        state.line = line + 1
        return True
    return False
