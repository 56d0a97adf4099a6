"""Task files: what counts as right, and the figures of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import models
from training.contracts import ContractError, Message, TaskRow, row_bytes
from training.sampling import response_log_probs, sample
from training.tasks import Asking, answer, load_tasks, score, task_report
from training.tokens import collate, decode_response, encode_prompt, tiny_tokenizer
from training.votes import Counting


def task(metric: str, *references: str, name: str = "t", id: str = "1", text: str = "hi") -> TaskRow:
    return TaskRow(name, id, (Message("user", text),), metric, references)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "references", "text", "right"),
    [
        ("exact", ["4", "Four"], " four\n", 1),
        ("exact", ["4"], "It is 4", 0),
        ("contains", ["Paris"], "It is paris.", 1),
        ("contains", ["4"], "14", 0),
        ("contains", ["巴黎"], "首都是巴黎。", 1),
        ("avoids", ["art"], "a start", 1),
        ("avoids", ["start", "art"], "an ART", 0),
        ("avoids", ["坏"], "很坏的", 0),
        ("avoids", ["c++"], "c++ and c", 0),
    ],
)
def test_what_is_right(metric: str, references: list[str], text: str, right: float) -> None:
    assert score(task(metric, *references), text) == right


def test_a_model_writes_greedily_and_chooses_what_is_likelier_a_token() -> None:
    model, tokenizer = models.build("llama"), tiny_tokenizer()
    prompt = encode_prompt(tokenizer, (Message("user", "hi"),), 99)
    greedy = sample(model, [prompt], [0], end=1, pad=0, limit=4, seed=0, temperature=0.0).responses[0]
    said = decode_response(tokenizer, greedy)
    texts = ["a", "bb", "ccc", "dd d"]
    ids = [tokenizer.encode(text) for text in texts]
    nats = response_log_probs(model, collate([prompt] * 4, ids, 0)).sum(dim=1)
    by_token = nats / torch.tensor([1, 2, 3, 4])
    best = texts[int(by_token.argmax())]
    others = [text for text in texts if text != best]
    rows = [
        task("choice", best, *others),
        task("exact", said),
        task("choice", others[0], best),
        task("choice", best, best),
        task("exact", said + "x", text="something longer"),
    ]
    answers = answer(model, tokenizer, rows, Asking(99, 4, 2))
    assert [value for _, value in answers] == [1, 1, 0, 0, 0]
    assert [text for text, _ in answers][:4] == [None, said, None, None]


def test_figures_are_by_task_and_the_difference_is_paired() -> None:
    rows = [
        task("exact", "a", name="sums", id="1"),
        task("contains", "a", name="sums", id="2"),
        task("choice", "a", "b", name="truth", id="1"),
    ]
    report = task_report(rows, [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], Counting(200, 1))
    assert list(report) == ["sums", "truth"]
    assert report["sums"] == {
        "questions": 2,
        "metrics": ["contains", "exact"],
        "policy": {"score": 0.5, "score_low": 0.0, "score_high": 1.0},
        # Right in both questions, in whatever resample.
        "reference": {"score": 1.0, "score_low": 1.0, "score_high": 1.0},
        "difference": {"value": -0.5, "low": -1.0, "high": 0.0},
    }
    assert report["truth"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "reference" not in task_report(rows, [1.0, 0.0, 0.0], None, Counting(10, 1))["sums"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (task("exact"), "t 1: references"),
        (task("contains", "a", " "), "t 1: references"),
        (task("choice", "a"), "t 1: a choice"),
        (task("guess", "a"), "metric"),
    ],
)
def test_a_question_that_cannot_be_judged_is_named(row: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(row_bytes(task("exact", "a", id="0")) + row_bytes(row))
    with pytest.raises(ContractError, match=reason):
        load_tasks(path)


def test_a_question_has_one_id(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(row_bytes(task("exact", "a")) * 2)
    with pytest.raises(ContractError, match="t 1: is there twice"):
        load_tasks(path)
