"""What changed between two texts, as one reads it."""

from __future__ import annotations

import pytest

from labeling.differences import Line, Piece, lines, words

# A text, another, and how the one is shown as the other; the browser's diff.js gives the same of them.
EXAMPLES = [
    ("It is small.", "It is tiny.", "It is -[small]+[tiny]."),
    ("The cat sat down.", "The dog sat down.", "The -[cat ]+[dog ]sat down."),
    ("I don't know", "I do know", "I -[don't ]+[do ]know"),
    ("请先阅读全文。", "请先通读全文。", "请先-[阅]+[通]读全文。"),
    ("यह हिन्दी है", "यह हिन्दू है", "यह -[हिन्दी ]+[हिन्दू ]है"),
    ("few  blanks \nmatter", "few blanks\nmatter ", "few blanks\nmatter "),
    ("A line. Another", "A line.\n\nAnother", "A line.+[\n\n]Another"),
    ("if so:\n  return", "if so:\n    return", "if so:\n-[  ]+[    ]return"),
    ("", "new", "+[new]"),
    ("old", "", "-[old]"),
    ("as it was", "as it was", "as it was"),
    ("", "", ""),
]


def shown(found: list[Line]) -> list[str]:
    marks = {"added": "+{}", "removed": "-{}", "same": "{}"}
    return [
        f"({line.skipped})"
        if line.kind == "gap"
        else "".join(marks[piece.kind].format(piece.text) for piece in line.pieces)
        for line in found
    ]


def test_equal_texts_have_no_differences():
    assert lines("a\nb", "a\nb") == []
    assert lines("", "") == []


def test_a_changed_word_is_shown_within_its_line_and_far_lines_are_a_gap():
    old = "\n".join(["one", "two", "three", "four", "the short answer wins", "six"])
    new = old.replace("short", "honest")
    assert shown(lines(old, new)) == ["(2)", "three", "four", "the -short +honest answer wins", "six"]


def test_lines_that_have_nothing_in_common_are_taken_out_and_put_in():
    assert shown(lines("apples", "something else")) == ["-apples", "+something else"]
    assert shown(lines("", "new\nlines")) == ["+new", "+lines"]


@pytest.mark.parametrize(("old", "new", "expected"), EXAMPLES)
def test_words_that_differ_are_marked_and_white_space_only_where_one_sees_it(old, new, expected):
    marks = {"added": "+[{}]", "removed": "-[{}]", "same": "{}"}
    assert "".join(marks[piece.kind].format(piece.text) for piece in words(old, new)) == expected


def test_lines_that_differ_in_blanks_alone_are_the_same():
    assert lines("one  two\nthree ", "one two\nthree") == []
    assert shown(lines("- one\n- two", "- one\n  - two")) == ["- one", "+  - two"]


def test_a_line_too_long_to_compare_is_replaced_whole():
    assert words("a " * 3000, "b " * 3000) == [Piece("removed", "a " * 3000), Piece("added", "b " * 3000)]


def test_a_changed_line_is_shown_as_such_beside_one_that_is_new():
    old, new = "be kind to whoever asked", "be honest to whoever asked\nand brief"
    assert shown(lines(old, new)) == ["be -kind +honest to whoever asked", "+and brief"]
    assert shown(lines("same\na b c", "same\na b d")) == ["same", "a b -c+d"]
