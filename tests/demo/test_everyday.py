import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "labeling" / "demo"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (DEMO / "everyday.jsonl").read_text(encoding="utf-8").splitlines()
]
USE_CASES = {
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extract",
}

FIELDS = {"id", "prompt", "completions", "use_case", "language", "group", "licence", "source", "split"}


def texts(row: dict[str, Any]) -> list[str]:
    return [completion["text"] for completion in row["completions"]]


def test_forty_prompts_in_two_languages_across_all_use_cases() -> None:
    assert Counter(row["language"] for row in ROWS) == {"en": 24, "zh": 16}
    for language in ("en", "zh"):
        assert {row["use_case"] for row in ROWS if row["language"] == language} == USE_CASES


def test_ids_and_prompts_are_distinct() -> None:
    assert [row["id"] for row in ROWS] == [f"everyday-{number:03d}" for number in range(1, 41)]
    assert len({json.dumps(row["prompt"]) for row in ROWS}) == 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_is_whole(row: dict[str, Any]) -> None:
    assert set(row) - {"demonstrations"} == FIELDS
    assert (row["source"], row["licence"]) == ("sample", "CC0-1.0")
    assert row["split"] in {"train", "valid"}
    assert all(set(completion) == {"model", "text"} for completion in row["completions"])
    assert 4 <= len(texts(row)) <= 6
    names = [completion["model"] for completion in row["completions"]]
    assert len(set(names)) == len(names)
    assert set(names) <= {f"sample-{number}" for number in range(1, 7)}
    prompt = row["prompt"] if isinstance(row["prompt"], str) else row["prompt"][-1]["content"]
    for text in [prompt, *texts(row), *row.get("demonstrations", [])]:
        assert text
        assert text == text.strip()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_no_answer_is_given_twice_or_repeats_a_demonstration(row: dict[str, Any]) -> None:
    given = [" ".join(text.split()) for text in [*texts(row), *row.get("demonstrations", [])]]
    assert len(set(given)) == len(given)


def test_conversations_take_turns_and_end_with_the_user() -> None:
    conversations = [row["prompt"] for row in ROWS if isinstance(row["prompt"], list)]
    assert len(conversations) >= 6
    for turns in conversations:
        roles = [turn["role"] for turn in turns]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert len(roles) >= 3


def test_a_few_demonstrations_come_along() -> None:
    assert 2 <= sum(len(row.get("demonstrations", [])) for row in ROWS) <= 4


def test_no_group_is_divided_between_splits() -> None:
    splits: dict[str, set[str]] = {}
    for row in ROWS:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "valid"}


def test_chinese_rows_are_chinese_and_english_rows_are_not() -> None:
    for row in ROWS:
        whole = json.dumps(row["prompt"], ensure_ascii=False) + "".join(texts(row))
        han = sum("\u4e00" <= sign <= "\u9fff" for sign in whole)
        assert (han > 100) if row["language"] == "zh" else (han == 0), row["id"]


def test_no_name_of_a_model_gives_the_good_answers_away_by_always_being_there() -> None:
    counts = Counter(completion["model"] for row in ROWS for completion in row["completions"])
    assert len(counts) == 6
    assert max(counts.values()) < 40


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("guidelines_everyday.md", "how to rank", "怎么排序"),
        ("guidelines_strings.md", "how to rank", "怎么排序"),
        ("guidelines_writing.md", "how to write", "怎么写"),
    ],
)
def test_guidelines_are_short_and_in_both_languages(name: str, english: str, chinese: str) -> None:
    guidelines = (DEMO / name).read_text(encoding="utf-8")
    assert len(guidelines.splitlines()) <= 60
    assert english in guidelines
    assert chinese in guidelines


def test_checks_have_one_best_answer_and_a_tutorial_says_why_in_both_languages() -> None:
    lines = (DEMO / "everyday_checks.jsonl").read_text(encoding="utf-8").splitlines()
    checks: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert {(check["purpose"], check["language"]) for check in checks} == {
        (purpose, language) for purpose in ("tutorial", "test", "gold") for language in ("en", "zh")
    }
    for check in checks:
        if "answers" in check:
            assert sorted(answer["rank"] for answer in check["answers"]) == [1, 2, 3], check["id"]
        assert ("explanation" in check) == (check["purpose"] == "tutorial"), check["id"]
        assert set(check.get("explanation", {"en": "", "zh-hans": ""})) == {"en", "zh-hans"}, check["id"]
    assert not {json.dumps(check["prompt"]) for check in checks} & {json.dumps(row["prompt"]) for row in ROWS}


def test_chinese_texts_use_chinese_punctuation() -> None:
    for row in ROWS:
        whole = json.dumps([row["prompt"], texts(row)], ensure_ascii=False)
        assert not re.findall(r"[\u4e00-\u9fff][,;!?()]", whole), row["id"]
