"""The pure logic of reading, imported into a blank page: differences, unseen characters, layouts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.test_differences import EXAMPLES

ALPHABETS = [
    ["the ", "cat ", "sat", " ", "\n\n", "on ", "a", ".", "mat"],
    list("床前明月光疑是地上霜，。\n"),
    ["ab", "\u202e", "😀", "\ud83d", "é", "e\u0301", "\u200b", "\t", "مرحبا "],
]


@pytest.fixture
def logic(live_server: Any, page: Any) -> Any:
    page.goto(f"{live_server.url}/sign-in/")

    def evaluate(script: str, given: Any = None) -> Any:
        return page.evaluate(
            f"""async (given) => {{
                const [d, u, l] = await Promise.all(
                    ["diff", "unseen", "layout"].map((name) => import(`/static/js/${{name}}.js`)));
                return {script};
            }}""",
            given,
        )

    return evaluate


def pairs() -> list[list[str]]:
    """Texts and what somebody made of them: words taken out, put in, exchanged."""
    draw = random.Random(7)
    made = [["", ""], ["", "a b"], ["same\n", "same\n"], [" ", ""]]
    for alphabet in ALPHABETS:
        for _ in range(60):
            one = draw.choices(alphabet, k=draw.randrange(25))
            other = [draw.choice(alphabet) if draw.random() < 0.2 else word for word in one]
            start = draw.randrange(len(other) + 1)
            other[start : start + draw.randrange(4)] = draw.choices(alphabet, k=draw.randrange(4))
            made.append(["".join(one), "".join(other)])
    return made


def test_the_parts_of_a_comparison_are_both_texts_and_what_is_the_same_is_the_same(logic):
    # As code units: a lone surrogate must come back as it was.
    units = "(text) => Array.from({length: text.length}, (_, at) => text.charCodeAt(at))"
    found = logic(
        f"""given.map(([one, other]) => {{
            const units = {units};
            const bare = (text) => text.replace(/\\s+/g, "");
            const parts = d.compare(one, other);
            const whole = (key) => parts.map((part) => part[key]).join("");
            return [
                whole("before") === one, whole("after") === other,
                parts.every(({{ same, before, after }}) => !same || bare(before) === bare(after)),
                one !== other || parts.every((part) => part.same),
                parts.every((part, at) => at === 0 || part.same !== parts[at - 1].same),
                units(whole("after")).join() === units(other).join(),
            ];
        }})""",
        pairs(),
    )
    assert [given for given, held in zip(pairs(), found, strict=True) if not all(held)] == []


def test_a_comparison_marks_what_the_server_marks(logic):
    found = logic("given.map(([before, after]) => d.compare(before, after))", EXAMPLES)
    for (_before, _after, expected), parts in zip(EXAMPLES, found, strict=True):
        assert "".join(marked(**part) for part in parts) == expected


def marked(same: bool, before: str, after: str) -> str:
    if same:
        return after
    return f"-[{before}]" * bool(before) + f"+[{after}]" * bool(after)


def test_a_word_that_is_the_same_by_chance_between_two_changes_is_none_to_read_round(logic):
    (part,) = logic('d.compare("unmistakably, wonderfully", "extraordinarily, beautifully")')
    assert part["same"] is False


def test_no_shorter_way_from_one_text_to_the_other_exists(logic):
    """Against the table of longest common subsequences, word by word."""
    draw = random.Random(3)
    texts = [
        ["".join(draw.choices(["x ", "y ", "z "], k=draw.randrange(12))) for _ in "ab"] for _ in range(60)
    ]
    found = logic(
        """given.map(([one, other]) => {
            const parts = d.compare(one, other);
            return parts.filter((part) => !part.same)
                .reduce((sum, part) => sum + d.words(part.before).length + d.words(part.after).length, 0);
        })""",
        texts,
    )
    for (one, other), changes in zip(texts, found, strict=True):
        a, b = one.split(), other.split()
        rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for x in range(len(a)):
            for y in range(len(b)):
                rows[x + 1][y + 1] = rows[x][y] + 1 if a[x] == b[y] else max(rows[x][y + 1], rows[x + 1][y])
        shortest = len(a) + len(b) - 2 * rows[-1][-1]
        # What is the same by chance between two longer changes is counted with them.
        assert shortest <= changes <= shortest + 4


def test_texts_that_differ_too_much_are_not_compared(logic):
    assert logic('d.compare("a ".repeat(30_000), "a")') is None
    different = 'd.compare("{} ".repeat(6_000), "{} ".repeat(6_000))'
    assert logic(different.replace("{}", "x", 1).replace("{}", "y", 1)) is None
    assert len(logic('d.compare("x ".repeat(20_000), "x ".repeat(20_000) + "y")')) == 2


def test_what_is_unseen_has_a_name_and_the_rest_is_untouched(logic):
    assert logic("u.pieces(given)", "a\u200bb\u202ec\u00a0d\n\te\u3000f") == [
        {"text": "a"}, {"name": "ZWSP", "code": "U+200B"}, {"text": "b"}, {"name": "RLO", "code": "U+202E"},
        {"text": "c"}, {"name": "NBSP", "code": "U+00A0"}, {"text": "d\n\te\u3000f"},
    ]  # fmt: skip
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "Hi")
    assert [piece["name"] for piece in logic("u.pieces(given)", hidden)] == ["TAG H", "TAG i"]
    assert logic("u.pieces(given)", "") == [{"text": ""}]
    plain = "Plain text, 中文，مرحبا with\ttabs\nand  spaces. 😀"
    assert logic("u.pieces(given)", plain) == [{"text": plain}]


def test_only_what_nobody_would_expect_is_counted(logic):
    assert logic("u.count(given)", "👨\u200d👩\u200d👧 ❤\ufe0f 10\u00a0km\r\n") == 0
    assert logic("u.count(given)", "a\u200bb \u202ec\u2066 d\u00ade\ufeff") == 5


def test_two_side_by_side_are_neighbours_or_the_pinned_one_and_the_chosen_one(logic):
    def shown(letters: str, **more: Any) -> Any:
        given = {"layout": "two_up", "letters": list(letters), "pinned": None, "beside": None, **more}
        return "".join(logic("l.onScreen(given)", given))

    assert [shown("ABCDE", selected=letter) for letter in "ABCDE"] == ["AB", "AB", "CD", "CD", "DE"]
    assert [shown("ABCD", selected=letter, pinned="C") for letter in "ABCD"] == ["CA", "CB", "CA", "CD"]
    assert shown("ABCD", selected="C", pinned="C", beside="D") == "CD"
    assert shown("AB", selected="B") == "AB"
    assert shown("ABCD", selected="B", layout="carousel", pinned="A") == "B"
    assert shown("ABCD", selected="B", layout="columns", pinned="C") == "CABD"
