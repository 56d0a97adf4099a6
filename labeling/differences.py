"""What one version of a text changed against the one before: line by line, and word by word within a line.

What a word is, here and in frontend/static/js/diff.js: letters, digits and marks, with an apostrophe between
them; of scripts that are written without spaces each character, and so each sign. White space counts where a
reader sees it: a line break is a word, and so are the blanks that a line begins with. Other blanks belong to
the word before them and make it no other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Literal

Kind = Literal["same", "added", "removed", "changed", "gap"]

CONTEXT = 2
"""Unchanged lines that are shown around a change."""
MOST_WORDS = 2_000
"""Of a line: a longer one is taken out and put in whole, since comparing takes the square of its length."""
ALIKE = 0.4
"""Two lines that share less than this are two lines, not one that was changed."""
ALONE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    r"\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
)


@cache
def _word() -> re.Pattern[str]:
    """Made when a history is first looked at: a process that shows none need not go through all signs."""
    signs = map(chr, (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)))
    marks = "".join(sign for sign in signs if unicodedata.category(sign)[0] == "M")
    letter = rf"(?:(?![{ALONE}])[\w{marks}])"
    return re.compile(rf"\n|(?:{letter}+(?:['’]{letter}+)*|\S[{marks}]*)[^\S\n]*|[^\S\n]+")


@dataclass(frozen=True)
class Piece:
    """A part of a line: in both versions, in the new one only, or in the old one only."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Line:
    """One line; a `gap` stands for `skipped` lines that are the same."""

    kind: Kind
    pieces: tuple[Piece, ...] = ()
    skipped: int = 0


def lines(old: str, new: str) -> list[Line]:
    """The new text with what was taken out and put in; long unchanged passages are gaps. Empty if alike."""
    before, after = old.splitlines(), new.splitlines()
    was, now = ([_keys(_word().findall(line)) for line in text] for text in (before, after))
    if was == now:
        return []
    found: list[Line] = []
    steps = SequenceMatcher(None, was, now).get_opcodes()
    for number, (step, a, b, c, d) in enumerate(steps):
        if step == "equal":
            found += _context(after[c:d], is_first=number == 0, is_last=number == len(steps) - 1)
        else:
            found += _replaced(before[a:b], after[c:d])
    return found


def words(old: str, new: str) -> list[Piece]:
    """One passage with the words that were taken out and put in."""
    a, b = _word().findall(old), _word().findall(new)
    if max(len(a), len(b)) > MOST_WORDS:
        return [piece for piece in (Piece("removed", old), Piece("added", new)) if piece.text]
    return list(_pieces(a, b, SequenceMatcher(None, _keys(a), _keys(b))))


def _keys(words: Sequence[str]) -> tuple[str, ...]:
    """What words are compared by: themselves, without the blanks after them."""
    return tuple(word.rstrip() or word for word in words)


def _context(same: Sequence[str], *, is_first: bool, is_last: bool) -> list[Line]:
    head = [] if is_first else same[:CONTEXT]
    rest = same[len(head) :]
    tail = [] if is_last else rest[max(0, len(rest) - CONTEXT) :]
    hidden = len(rest) - len(tail)
    shown = [*(_line("same", text) for text in head)]
    if hidden == 1:  # a gap would take as much room as the line
        shown.append(_line("same", rest[0]))
    elif hidden:
        shown.append(Line("gap", skipped=hidden))
    return [*shown, *(_line("same", text) for text in tail)]


def _replaced(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """Lines in place of others: by pairs where these are alike, else those taken out, then those put in."""
    pairs = [words(old, new) for old, new in zip(before, after, strict=False)]
    if all(_share(pieces) >= ALIKE for pieces in pairs):
        yield from (Line("changed", tuple(pieces)) for pieces in pairs)
        before, after = before[len(pairs) :], after[len(pairs) :]
    yield from (_line("removed", text) for text in before)
    yield from (_line("added", text) for text in after)


def _line(kind: Kind, text: str) -> Line:
    return Line(kind, (Piece(kind, text),))


def _pieces(a: list[str], b: list[str], matcher: SequenceMatcher[str]) -> Iterator[Piece]:
    for step, start, end, from_, to in matcher.get_opcodes():
        if step == "equal":
            yield Piece("same", "".join(b[from_:to]))
            continue
        if end > start:
            yield Piece("removed", "".join(a[start:end]))
        if to > from_:
            yield Piece("added", "".join(b[from_:to]))


def _share(pieces: list[Piece]) -> float:
    whole = sum(len(piece.text) for piece in pieces)
    return sum(len(piece.text) for piece in pieces if piece.kind == "same") / whole if whole else 1.0
