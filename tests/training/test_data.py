"""Rows to examples, examples to batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.training import runs
from tests.training.models import plain_tokenizer
from training import data
from training.contracts import ContractError, Message, row_bytes
from training.data import Example, Prompt
from training.tokens import encode_prompt, tiny_tokenizer


def test_an_item_keeps_its_orders_and_counts_what_gave_none(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    path.write_bytes(b"".join(row_bytes(row) for row in runs.comparisons(8)))
    found = data.load_items(path, tiny_tokenizer(), 32, 8)
    assert len(found.items) == 8
    assert found.skipped_all_bad == 1
    assert found.items[0].orders == [(4, 3, 2, 1), (3, 3, 2, 1)]


def test_a_ranking_of_another_length_is_refused_by_name(tmp_path: Path) -> None:
    (row,) = runs.comparisons(1)
    path = tmp_path / "dataset.jsonl"
    path.write_bytes(row_bytes(row).replace(b"[4,3,2,1]", b"[2,1]"))
    with pytest.raises(ContractError, match="item i0: ranking r0ann: 2 ranks for 4 completions"):
        data.load_items(path, tiny_tokenizer(), 32, 8)


def test_an_empty_dataset_and_a_bad_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b"")
    with pytest.raises(ContractError, match=r"prompts\.jsonl: no rows"):
        data.load_prompts(path, tiny_tokenizer(), 32)
    path.write_bytes(row_bytes(runs.prompts(1)[0]) + b"{]\n")
    with pytest.raises(ContractError, match=r"prompts\.jsonl:2: not JSON"):
        data.load_prompts(path, tiny_tokenizer(), 32)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ContractError, match=r"prompts\.jsonl:1: not JSON"):
        data.load_prompts(path, tiny_tokenizer(), 32)


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    batches = list(data.training_batches([1] * 10, batch_size=4, steps=6, seed=3))
    first, second = batches[:3], batches[3:]
    assert Counter(index for batch in first for index in batch) == Counter(range(10))
    assert Counter(index for batch in second for index in batch) == Counter(range(10))
    assert first != second


def test_a_batch_has_like_lengths() -> None:
    lengths = [5, 50] * 8
    batches = data.training_batches(lengths, batch_size=4, steps=4, seed=0)
    assert all(len({lengths[index] for index in batch}) == 1 for batch in batches)


def test_steps_count_the_part_batches_of_an_epoch() -> None:
    assert data.total_steps(10, 4, epochs=2) == 6
    assert data.total_steps(10, 4, epochs=0.5) == 2


def test_responses_are_reread_whole_in_other_tokens_and_end_only_where_they_ended() -> None:
    writer, reader = tiny_tokenizer(), plain_tokenizer(eos_token="<end>")
    asked = Prompt("p", "train", (Message("user", "hi"),), [])
    text = writer.encode("好的")
    ended, cut = [*text, writer.eos_token_id], text
    read = data.reread([asked, asked, asked], [ended, cut, []], writer, reader, prompt_limit=99)
    prompt = encode_prompt(reader, asked.messages, 99)
    assert reader.decode(prompt) == "User: hi\n\nAssistant:\n"
    assert read == [
        Example(prompt, [*reader.encode("好的"), reader.eos_token_id]),
        Example(prompt, reader.encode("好的")),
        Example(prompt, []),
    ]
