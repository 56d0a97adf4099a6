"""A line of an import file: what is read from it, and what is refused by name."""

from __future__ import annotations

import io
import json

import pytest

from labeling.actions.errors import BadInput
from labeling.actions.import_rows import (
    MAX_LINE_BYTES,
    FieldMap,
    bounded_lines,
    messages_digest,
    parse,
    split_by_hash,
)


def line(**fields):
    return json.dumps({"prompt": "Why is the sky blue?", **fields}).encode()


def refused(raw, mapping=None):
    with pytest.raises(BadInput) as caught:
        parse(raw, mapping or FieldMap())
    return caught.value.field, caught.value.message


def test_a_text_is_a_conversation_of_one_turn():
    assert parse(line(), FieldMap()).messages == [{"role": "user", "content": "Why is the sky blue?"}]


def test_a_conversation_keeps_its_turns_and_its_system_message():
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Why?"},
    ]
    assert parse(line(prompt=turns), FieldMap()).messages == turns


def test_two_texts_are_joined_by_a_blank_line_and_an_empty_one_leaves_no_trace():
    mapping = FieldMap({"prompt": "instruction+input"})
    both = json.dumps({"instruction": "Translate", "input": "chat"}).encode()
    one = json.dumps({"instruction": "Translate", "input": ""}).encode()
    assert parse(both, mapping).messages[0]["content"] == "Translate\n\nchat"
    assert parse(one, mapping).messages[0]["content"] == "Translate"


def test_a_path_goes_into_objects():
    row = parse(line(meta={"author": {"name": "Ada"}}), FieldMap({"group": "meta.author.name"}))
    assert row.labels["group"] == "Ada"


def test_a_single_target_is_one_demonstration_and_a_number_may_be_an_id():
    row = parse(line(demonstrations="Because.", id=17), FieldMap())
    assert (row.demonstrations, row.labels["id"]) == (["Because."], "17")


def test_a_set_value_is_for_lines_that_leave_the_field_out():
    mapping = FieldMap(constants={"language": "en"})
    assert parse(line(), mapping).labels["language"] == "en"
    assert parse(line(language="zh"), mapping).labels["language"] == "zh"


def test_a_byte_order_mark_is_passed_over_at_the_very_beginning_only():
    assert parse(b"\xef\xbb\xbf" + line(), FieldMap(), first=True) is not None
    assert refused(b"\xef\xbb\xbf" + line())[0] == "line"


def test_a_blank_line_is_no_row():
    assert parse(b" \r\n", FieldMap()) is None


def test_white_space_at_the_ends_makes_no_other_prompt():
    one = messages_digest([{"role": "user", "content": "Why?"}])
    assert messages_digest([{"role": "user", "content": "\nWhy? "}]) == one
    assert messages_digest([{"role": "system", "content": "Why?"}]) != one


def test_groups_fall_80_10_10():
    splits = [split_by_hash(f"author {number}", b"") for number in range(5000)]
    shares = [splits.count(name) / 5000 for name in ("train", "valid", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        (b"{", "line", "not JSON"),
        (b"[1]", "line", "not an object"),
        (b'{"prompt": "caf\xe9"}', "line", "not UTF-8"),
        ('{"prompt": "x"}'.encode("utf-16"), "line", "not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "line", "nested too deeply"),
        (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line", "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "line", "too long"),
        (b"x" * (MAX_LINE_BYTES + 1), "line", "longer than"),
        (line(colour="blue"), "colour", "unknown field"),
        (json.dumps({"id": "a"}).encode(), "prompt", "missing"),
        (line(prompt="  "), "prompt", "empty"),
        (line(prompt=7), "prompt", "text or a list"),
        (line(prompt=[]), "prompt", "text or a list"),
        (line(prompt="a\x00b"), "prompt", "NUL"),
        (line(prompt="a\ud800b"), "prompt", "surrogate"),
        (line(prompt="x" * 10_000_000), "prompt", "10,000,000 bytes"),
        (line(prompt=[{"role": "robot", "content": "x"}]), "prompt[0].role", "robot"),
        (line(prompt=[{"role": ["user"], "content": "x"}]), "prompt[0].role", "a list"),
        (line(prompt=[{"role": "user"}]), "prompt[0].content", "text"),
        (line(prompt=[{"role": "user", "content": "x", "name": "y"}]), "prompt[0].name", "unknown"),
        (line(prompt=["x"]), "prompt[0]", "object"),
        (
            line(prompt=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]),
            "prompt",
            "end with the user",
        ),
        (
            line(prompt=[{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]),
            "prompt[1].role",
            "first",
        ),
        (
            line(prompt=[{"role": "user", "content": "x" * 200_000}] * 6),
            "prompt",
            "longer than 1,048,576 bytes",
        ),
        (line(completions="x"), "completions", "list"),
        (line(completions=["x"]), "completions[0]", "object"),
        (line(completions=[{"text": "x"}]), "completions[0].model", "text"),
        (line(completions=[{"model": "m", "text": None}]), "completions[0].text", "text"),
        (line(completions=[{"model": "m", "text": "a\x00"}]), "completions[0].text", "NUL"),
        (line(completions=[{"model": "m" * 101, "text": "a"}]), "completions[0].model", "100"),
        (line(completions=[{"model": "m", "text": "a", "score": 1}]), "completions[0].score", "unknown"),
        (line(demonstrations={"a": 1}), "demonstrations", "list"),
        (line(demonstrations=["a", 1]), "demonstrations[1]", "text"),
        (line(split="dev"), "split", "train, valid, test"),
        (line(use_case="poems"), "use_case", "open_qa"),
        (line(language="English language"), "language", "language tag"),
        (line(group="g" * 201), "group", "200"),
        (line(id=True), "id", "text"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_the_name_of_its_field(raw, field, words):
    assert refused(raw)[0] == field
    assert words in refused(raw)[1]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sources": {"promt": "x"}}, "map"),
        ({"sources": {"prompt": "a++b"}}, "map"),
        ({"constants": {"prompt": "x"}}, "set"),
        ({"constants": {"split": "dev"}}, "set"),
    ],
)
def test_a_mapping_that_cannot_be_used_names_its_option(options, field):
    with pytest.raises(BadInput) as caught:
        FieldMap(**options)
    assert caught.value.field == field


def test_unknown_fields_are_passed_over_on_request():
    row = parse(
        line(colour="blue", completions=[{"model": "m", "text": "a", "score": 1}]),
        FieldMap(ignore_unknown=True),
    )
    assert row.completions == [("m", "a")]


def test_an_endless_line_is_never_read_whole():
    stream = io.BytesIO(b"short\n" + b"x" * 1000 + b"\nlast")
    assert list(bounded_lines(stream, limit=10)) == [b"short\n", b"x" * 11, b"last"]
