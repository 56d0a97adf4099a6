"""Task files: questions with yardsticks of their own, and what a model scores on them.

A line of inputs/tasks.jsonl is a contracts.TaskRow:

    {"task": "arithmetic", "id": "a1", "metric": "exact", "references": ["4", "four"],
     "messages": [{"role": "user", "content": "2 + 2 = ?"}]}

Asked before and after PPO they show what it cost elsewhere: the alignment tax (InstructGPT, 4.2). "choice"
suits sets like TruthfulQA, the true answer being the first reference; "avoids" suits prompts that invite
toxic words.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.contracts import ContractError, TaskRow
from training.data import Prompt, batches_by_length, load_rows
from training.sampling import response_log_probs, sample_all
from training.tokens import collate, decode_response, encode_prompt, encode_response
from training.votes import Counting, bootstrap_share


@dataclass(frozen=True)
class Answered:
    """A line of outputs/answers.jsonl: a question, and what came of it with either model."""

    task: str
    id: str
    policy: str | None
    """Its response; None of a choice."""
    policy_score: float
    reference: str | None = None
    reference_score: float | None = None


@dataclass(frozen=True)
class Asking:
    """How tasks are answered: lengths in tokens, sequences at once."""

    max_prompt_tokens: int
    max_response_tokens: int
    batch_size: int


def load_tasks(path: Path) -> list[TaskRow]:
    """Raises ContractError naming the question that cannot be judged."""
    rows = load_rows(path, TaskRow)
    seen = set()
    for row in rows:
        where = f"{path.name}: {row.task} {row.id}"
        if (row.task, row.id) in seen:
            raise ContractError(f"{where}: is there twice")
        seen.add((row.task, row.id))
        if not all(map(_plain, row.references)) or not row.references:
            raise ContractError(f"{where}: references must be given, and none may be empty")
        if row.metric == "choice" and len(row.references) < 2:
            raise ContractError(f"{where}: a choice is between at least two references")
    return rows


def answer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TaskRow], asking: Asking
) -> list[tuple[str | None, float]]:
    """A model's response to each question, None to a choice, and its score, 0 or 1."""
    answers: list[tuple[str | None, float]] = [(None, 0.0)] * len(rows)
    written = [index for index, row in enumerate(rows) if row.metric != "choice"]
    for index, text in zip(
        written, _write(model, tokenizer, [rows[i] for i in written], asking), strict=True
    ):
        answers[index] = text, score(rows[index], text)
    chosen = [index for index, row in enumerate(rows) if row.metric == "choice"]
    likely = _likelihoods(model, tokenizer, [rows[i] for i in chosen], asking)
    for index, per_token in zip(chosen, likely, strict=True):
        answers[index] = None, float(per_token[0] > max(per_token[1:]))
    return answers


def score(row: TaskRow, text: str) -> float:
    """1 if a response is what its question's metric asks for, else 0."""
    said = _plain(text)
    if row.metric == "exact":
        return float(said in map(_plain, row.references))
    contained = any(_contains(said, _plain(reference)) for reference in row.references)
    return float(contained == (row.metric == "contains"))


def task_report(
    rows: Sequence[TaskRow], policy: Sequence[float], reference: Sequence[float] | None, counting: Counting
) -> dict[str, Any]:
    """Figures of each task, with intervals by bootstrap over its questions; the difference is paired."""
    places = defaultdict(list)
    for index, row in enumerate(rows):
        places[row.task].append(index)
    report: dict[str, Any] = {}
    for task, indices in sorted(places.items()):

        def votes(values: Sequence[float], of: Sequence[int] = indices) -> list[tuple[str, float]]:
            return [(rows[index].id, values[index]) for index in of]

        report[task] = {
            "questions": len(indices),
            "metrics": sorted({rows[index].metric for index in indices}),
            "policy": _interval("score", votes(policy), counting),
        }
        if reference is not None:
            apart = [own - other for own, other in zip(policy, reference, strict=True)]
            difference = bootstrap_share(votes(apart), *counting)
            report[task]["reference"] = _interval("score", votes(reference), counting)
            report[task]["difference"] = {
                "value": difference.value, "low": difference.low, "high": difference.high,
            }  # fmt: skip
    return report


def _interval(name: str, votes: list[tuple[str, float]], counting: Counting) -> dict[str, float | None]:
    share = bootstrap_share(votes, *counting)
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}


def _write(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TaskRow], asking: Asking
) -> list[str]:
    """Greedy responses."""
    prompts = [
        Prompt(row.id, "test", row.messages, encode_prompt(tokenizer, row.messages, asking.max_prompt_tokens))
        for row in rows
    ]
    texts = [""] * len(rows)
    drawn = sample_all(
        model,
        tokenizer,
        prompts,
        limit=asking.max_response_tokens,
        batch_size=asking.batch_size,
        seed=0,
        temperature=0.0,
    )
    for indices, samples in drawn:
        for index, response in zip(indices, samples.responses, strict=True):
            texts[index] = decode_response(tokenizer, response)
    return texts


def _likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TaskRow], asking: Asking
) -> list[list[float]]:
    """Of each question's references: nats a token, of the text's own tokens and no end token."""
    prompts, texts = [], []
    for row in rows:
        prompt = encode_prompt(tokenizer, row.messages, asking.max_prompt_tokens)
        for reference in row.references:
            prompts.append(prompt)
            texts.append(encode_response(tokenizer, reference, sys.maxsize)[:-1])
    likely = [0.0] * len(texts)
    lengths = [len(prompt) + len(text) for prompt, text in zip(prompts, texts, strict=True)]
    for indices in batches_by_length(lengths, asking.batch_size):
        batch = collate(
            [prompts[i] for i in indices], [texts[i] for i in indices], tokenizer.pad_token_id, model.device
        )
        sums = response_log_probs(model, batch).sum(dim=1).tolist()
        for index, nats in zip(indices, sums, strict=True):
            likely[index] = nats / max(1, len(texts[index]))
    remaining = iter(likely)
    return [[next(remaining) for _ in row.references] for row in rows]


def _plain(text: str) -> str:
    return text.casefold().strip()


def _contains(text: str, wanted: str) -> bool:
    """Whether it stands there, as words where its ends are letters or digits of a script that has spaces."""
    before = r"(?<![a-z0-9])" if re.match(r"[a-z0-9]", wanted) else ""
    after = r"(?![a-z0-9])" if re.search(r"[a-z0-9]$", wanted) else ""
    return re.search(before + re.escape(wanted) + after, text) is not None
