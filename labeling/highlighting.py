"""Code in colours: Pygments finds what is what; a few classes of our own say it to the style sheet."""

from __future__ import annotations

import html
import time
from functools import cache
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, Generic, Keyword, Name, Number, Operator, String, Token

MAX_CHARACTERS = 10_000
"""Longer code is shown in one colour."""
LANGUAGES = frozenset(
    {
        "bash", "sh", "shell", "zsh", "powershell", "c", "cpp", "c++", "csharp", "cs", "css", "diff",
        "docker", "dockerfile", "go", "golang", "haskell", "html", "ini", "java", "javascript", "js", "json",
        "jsx", "julia", "kotlin", "latex", "tex", "lua", "make", "makefile", "matlab",
        "objective-c", "perl", "php", "python", "py", "python3", "r", "ruby", "rb", "rust", "rs", "scala",
        "scheme", "sql", "swift", "toml", "typescript", "ts", "xml", "yaml", "yml",
    }
)  # fmt: skip
"""By the names that people and models give them."""
MAX_SECONDS = 0.1
"""Of the processor, for the code of one text: some lexers can be made to take minutes."""
CLASSES: dict[Any, str] = {
    Comment: "code-comment",
    Keyword: "code-keyword",
    Operator.Word: "code-keyword",
    Name.Tag: "code-keyword",
    String: "code-string",
    Number: "code-number",
    Name.Function: "code-name",
    Name.Class: "code-name",
    Name.Decorator: "code-name",
    Name.Builtin: "code-name",
    Name.Attribute: "code-name",
    Generic.Deleted: "code-removed",
    Generic.Inserted: "code-added",
    Error: "",
}


def highlighted(code: str, language: str, seconds: float = MAX_SECONDS) -> str:
    """The code as safe HTML, in colours where its language is known, as far as one gets in that time."""
    lexer = _lexer(language.lower())
    if lexer is None or len(code) > MAX_CHARACTERS:
        return html.escape(code)
    end = time.thread_time() + seconds
    pieces: list[str] = []
    done = 0
    for kind, text in lexer.get_tokens(code):
        pieces.append(_piece(_class(kind), text))
        done += len(text)
        if time.thread_time() > end:
            return "".join(pieces) + html.escape(code[done:])
    return "".join(pieces)


def _piece(name: str, text: str) -> str:
    return f'<span class="{name}">{html.escape(text)}</span>' if name else html.escape(text)


@cache
def _class(kind: Any) -> str:
    while kind is not Token and kind not in CLASSES:
        kind = kind.parent
    return CLASSES.get(kind, "")


@cache
def _lexer(language: str) -> Lexer | None:
    # Only known names: what is asked for is kept.
    return get_lexer_by_name(language, stripnl=False, ensurenl=False) if language in LANGUAGES else None
