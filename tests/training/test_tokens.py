"""The tokenizer, the chat format, truncation and masks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.training.models import plain_tokenizer, t5_tokenizer
from training import tokens
from training.contracts import ContractError, Message

CHAT = [Message("system", "s"), Message("user", "hi")]


@pytest.fixture
def tiny(tmp_path: Path) -> PreTrainedTokenizerBase:
    """The tiny tokenizer as it is read back from a model folder."""
    tokens.tiny_tokenizer().save_pretrained(tmp_path)
    return AutoTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "你好，世界", "🎉👩‍👩‍👧 café", " two  spaces \n\t", "\x00", "<|end|> is text <|user|>"]
)
def test_every_text_comes_back_as_it_was(tiny: PreTrainedTokenizerBase, text: str) -> None:
    ids = tokens.encode_response(tiny, text, limit=1000)
    assert len(ids) == len(text.encode()) + 1
    assert tokens.decode_response(tiny, ids) == text


def test_a_prompt_costs_one_token_a_byte_and_two_for_its_roles(tiny: PreTrainedTokenizerBase) -> None:
    assert tokens.prompt_text(tiny, CHAT) == "<|system|>s<|user|>hi<|assistant|>"
    assert len(tokens.encode_prompt(tiny, [Message("user", "sort: cab")], 99)) == 9 + 2


def test_earlier_answers_of_a_conversation_end_with_the_end_token(tiny: PreTrainedTokenizerBase) -> None:
    chat = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    assert tokens.prompt_text(tiny, chat) == "<|user|>a<|assistant|>b<|end|><|user|>c<|assistant|>"


def test_prompts_are_cut_from_the_left_and_responses_from_the_right(tiny: PreTrainedTokenizerBase) -> None:
    whole = tokens.encode_prompt(tiny, CHAT, limit=99)
    assert tokens.encode_prompt(tiny, CHAT, limit=3) == whole[-3:]
    assert tokens.decode_response(tiny, tokens.encode_response(tiny, "abc", limit=2)) == "ab"


def test_only_a_whole_response_ends_with_the_end_token(tiny: PreTrainedTokenizerBase) -> None:
    assert tokens.encode_response(tiny, "abc", limit=4)[-1] == tiny.eos_token_id
    assert tiny.eos_token_id not in tokens.encode_response(tiny, "abc", limit=3)


def test_a_tokenizer_without_a_template_gets_the_plain_format() -> None:
    tokenizer = plain_tokenizer(eos_token="<end>")
    assert tokens.prompt_text(tokenizer, CHAT) == "System: s\n\nUser: hi\n\nAssistant:\n"


def test_a_t5_reads_the_plain_format_and_ends_prompts_and_answers_once() -> None:
    tokenizer = t5_tokenizer("UserAssistant:你好再见，。！您")
    chat = [Message("user", "你好"), Message("assistant", "您好！"), Message("user", "再见")]
    prompt = tokens.encode_prompt(tokenizer, chat, limit=99)
    assert tokenizer.decode(prompt) == "User: 你好 Assistant: 您好！ User: 再见 Assistant:</s>"
    # A prompt that is cut keeps its end.
    assert tokens.encode_prompt(tokenizer, chat, limit=3) == prompt[-3:]
    answer = tokens.encode_response(tokenizer, "再见，您。</s>", limit=99)
    assert answer.count(tokenizer.eos_token_id) == 1
    assert answer[-1] == tokenizer.eos_token_id
    assert tokens.decode_response(tokenizer, answer) == "再见，您。"


def test_a_conversation_of_several_turns_in_chinese_reads_the_same_in_bytes(
    tiny: PreTrainedTokenizerBase,
) -> None:
    chat = [Message("user", "你好"), Message("assistant", "您好！"), Message("user", "再见 👋")]
    prompt = tokens.encode_prompt(tiny, chat, limit=999)
    assert tiny.decode(prompt) == "<|user|>你好<|assistant|>您好！<|end|><|user|>再见 👋<|assistant|>"
    plain = plain_tokenizer(eos_token="<end>", pad_token="<pad>")
    text = plain.decode(tokens.encode_prompt(plain, chat, limit=999))
    assert text == "User: 你好\n\nAssistant: 您好！\n\nUser: 再见 👋\n\nAssistant:\n"
    for tokenizer in (tiny, plain):
        answer = tokens.encode_response(tokenizer, "一路平安，再会。", limit=999)
        assert tokens.decode_response(tokenizer, answer) == "一路平安，再会。"


def test_tokenizers_read_alike_only_with_one_vocabulary_template_and_end(
    tiny: PreTrainedTokenizerBase,
) -> None:
    assert tokens.reads_alike(tiny, tokens.tiny_tokenizer())
    assert not tokens.reads_alike(tiny, plain_tokenizer(eos_token="<end>"))
    untold = tokens.tiny_tokenizer()
    untold.chat_template = None
    assert not tokens.reads_alike(tiny, untold)


def test_a_missing_pad_token_becomes_the_end_token_and_a_missing_end_token_is_refused() -> None:
    tokenizer = plain_tokenizer(eos_token="<end>")
    tokens.check_tokenizer(tokenizer)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    with pytest.raises(ContractError, match="end-of-sequence"):
        tokens.check_tokenizer(plain_tokenizer())


def test_prompts_are_padded_left_and_responses_right() -> None:
    batch = tokens.collate([[5, 6, 7], [8]], [[9], [10, 11]], pad=0)
    assert batch.ids.tolist() == [[5, 6, 7, 9, 0], [0, 0, 8, 10, 11]]
    assert batch.mask.tolist() == [[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 3], [0, 0, 0, 1, 2]]
    assert batch.response_mask.tolist() == [[1, 0], [1, 1]]
    assert batch.responses.tolist() == [[9, 0], [10, 11]]
    assert batch.prompts.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert batch.prompt_mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert (batch.width, batch.lengths.tolist()) == (2, [1, 2])


def test_a_token_equal_to_padding_still_counts() -> None:
    batch = tokens.collate([[0, 5]], [[0]], pad=0)
    assert batch.mask.tolist() == [[1, 1, 1]]
    assert batch.lengths.tolist() == [1]


def test_a_part_of_a_batch_drops_the_columns_it_does_not_use() -> None:
    batch = tokens.collate([[5, 6, 7], [8], [4]], [[9], [10], [1, 2, 3]], pad=0)
    part = batch.rows(torch.tensor([1]))
    assert part.ids.tolist() == [[8, 10]]
    assert part.positions.tolist() == [[0, 1]]
    assert part.response_mask.tolist() == [[1]]
