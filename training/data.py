"""Rows of the run folder's datasets to examples of token ids, and examples to batches."""

from __future__ import annotations

import hashlib
import math
import random
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from training.contracts import (
    ComparisonRow,
    ContractError,
    DemonstrationRow,
    Message,
    PromptRow,
    RankingRow,
    Split,
    read_rows,
)
from training.tokens import decode_response, encode_prompt, encode_response

Row = TypeVar("Row")

# Batches are cut from a window sorted by length: near-equal lengths waste little padding, and a window
# this short keeps the order near random.
WINDOW_BATCHES = 32
# Lengths this near count as one: finer sorting would fill a batch with one kind of prompt.
LENGTH_STEP = 16


@dataclass(frozen=True)
class Example:
    """A prompt and one response to it, as token ids."""

    prompt: list[int]
    response: list[int]


@dataclass(frozen=True)
class Prompt:
    public_id: str
    split: Split
    messages: tuple[Message, ...]
    ids: list[int]
    use_case: str = ""
    language: str = ""


@dataclass(frozen=True)
class Item:
    """A prompt with its K completions and the rankings that give an order."""

    prompt_id: str
    split: Split
    prompt: list[int]
    responses: list[list[int]]
    rankings: list[RankingRow]
    use_case: str = ""
    language: str = ""

    @property
    def orders(self) -> list[tuple[int, ...]]:
        """Each ranking's ranks, 1 is best."""
        return [ranking.ranks for ranking in self.rankings if ranking.ranks is not None]


@dataclass(frozen=True)
class Items:
    items: list[Item]
    skipped_all_bad: int
    """Rankings without an order: all completions were called bad."""


def load_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Raises ContractError if there is none, or naming the line that is wrong."""
    rows = list(read_rows(path, row_type))
    if not rows:
        raise ContractError(f"{path.name}: no rows")
    return rows


def load_demonstrations(
    path: Path, tokenizer: PreTrainedTokenizerBase, prompt_limit: int, response_limit: int
) -> dict[Split, list[Example]]:
    """The examples of an sft dataset by split. Raises ContractError."""
    splits: dict[Split, list[Example]] = {"train": [], "valid": [], "test": []}
    for row in load_rows(path, DemonstrationRow):
        prompt = encode_prompt(tokenizer, row.messages, prompt_limit)
        splits[row.split].append(Example(prompt, encode_response(tokenizer, row.response, response_limit)))
    return splits


def load_prompts(path: Path, tokenizer: PreTrainedTokenizerBase, limit: int) -> list[Prompt]:
    """Raises ContractError."""
    return encode_prompts(load_rows(path, PromptRow), tokenizer, limit)


def encode_prompts(rows: Sequence[PromptRow], tokenizer: PreTrainedTokenizerBase, limit: int) -> list[Prompt]:
    return [
        Prompt(row.prompt, row.split, row.messages, ids, row.use_case, row.language)
        for row in rows
        for ids in [encode_prompt(tokenizer, row.messages, limit)]
    ]


def reread(
    prompts: Sequence[Prompt],
    responses: Sequence[list[int]],
    writer: PreTrainedTokenizerBase,
    reader: PreTrainedTokenizerBase,
    prompt_limit: int,
) -> list[Example]:
    """Each prompt and what the writer answered it, as text in the reader's tokens.

    A response has an end only if the writer ended it.
    """
    return [
        read_text(
            reader,
            prompt.messages,
            decode_response(writer, response),
            ended=writer.eos_token_id in response[-1:],
            prompt_limit=prompt_limit,
        )
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def read_text(
    reader: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    text: str,
    *,
    ended: bool,
    prompt_limit: int,
) -> Example:
    """A text in the reader's tokens: whole, since another tokenizer may want more tokens for it."""
    response = encode_response(reader, text, sys.maxsize)
    return Example(encode_prompt(reader, messages, prompt_limit), response if ended else response[:-1])


def load_items(
    path: Path, tokenizer: PreTrainedTokenizerBase, prompt_limit: int, response_limit: int
) -> Items:
    """The items of a comparisons dataset that have at least one order. Raises ContractError."""
    items, skipped = [], 0
    for row in load_rows(path, ComparisonRow):
        ordered = []
        for ranking in row.rankings:
            if ranking.ranks is None:
                skipped += 1
            elif len(ranking.ranks) != len(row.completions):
                raise ContractError(
                    f"{path.name}: item {row.item}: ranking {ranking.ranking}: "
                    f"{len(ranking.ranks)} ranks for {len(row.completions)} completions"
                )
            elif len(ranking.scores) != len(row.completions) or len(ranking.flags) != len(row.completions):
                raise ContractError(
                    f"{path.name}: item {row.item}: ranking {ranking.ranking}: {len(ranking.scores)} scores "
                    f"and {len(ranking.flags)} lists of flags for {len(row.completions)} completions"
                )
            else:
                ordered.append(ranking)
        if not ordered:
            continue
        prompt = encode_prompt(tokenizer, row.messages, prompt_limit)
        responses = [encode_response(tokenizer, entry.text, response_limit) for entry in row.completions]
        items.append(Item(row.prompt, row.split, prompt, responses, ordered, row.use_case, row.language))
    return Items(items, skipped)


def shuffled_labelers(items: Sequence[Item], seed: int) -> list[str]:
    """The pseudonyms of all who ranked, in an order settled by the seed; one who joins moves nobody else."""
    names = {ranking.labeler for item in items for ranking in item.rankings}
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def held_out_labelers(items: Sequence[Item], share: float, seed: int) -> list[str]:
    """A share of the labelers, at least one and never all of them; none at a share of 0."""
    names = shuffled_labelers(items, seed)
    wanted = max(1, round(share * len(names))) if share else 0
    return names[: min(wanted, len(names) - 1)]


def ranked_by(items: Sequence[Item], labelers: Collection[str]) -> list[Item]:
    """The items with the rankings of these labelers alone, without those that they did not rank."""
    kept = [
        replace(item, rankings=[ranking for ranking in item.rankings if ranking.labeler in labelers])
        for item in items
    ]
    return [item for item in kept if item.rankings]


def total_steps(examples: int, batch_size: int, epochs: float) -> int:
    return max(1, math.ceil(epochs * math.ceil(examples / batch_size)))


def training_batches(lengths: Sequence[int], batch_size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Yield `steps` batches of indices: every epoch in a new random order, grouped by like length."""
    order = list(range(len(lengths)))
    shuffle = random.Random(seed)
    done = 0
    while True:
        shuffle.shuffle(order)
        window = batch_size * WINDOW_BATCHES
        batches: list[list[int]] = []
        for start in range(0, len(order), window):
            part = sorted(order[start : start + window], key=lambda index: lengths[index] // LENGTH_STEP)
            batches += [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
        shuffle.shuffle(batches)
        for batch in batches:
            if done == steps:
                return
            yield batch
            done += 1


def batches_by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Yield every index once, like lengths together, longest first so that memory fails early if at all."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
