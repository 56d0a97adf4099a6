"""Text to tokens and back: the tiny tokenizer, the chat format, truncation, padding and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training.contracts import ContractError, Message

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

# One token a role and one at the end of an answer: on a short task anything longer would be most of the work.
TINY_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% if message.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """The project's own tokenizer: a token a UTF-8 byte, so nothing is unknown, and five special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = (PAD, END, *ROLES)
    vocabulary = {text: number for number, text in enumerate((*special, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(ROLES),
        chat_template=TINY_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The conversation up to where the answer begins.

    In the tokenizer's own chat template where it has one. Where it has none, the plain format:

        System: Be brief.

        User: Why is the sky blue?

        Assistant:
        (the answer, then the end-of-sequence token)

    A tokenizer whose vocabulary has no line breaks (T5's) reads them as spaces.
    """
    if tokenizer.chat_template:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    plain = "".join(f"{message.role.capitalize()}: {message.content}\n\n" for message in messages)
    return plain + "Assistant:\n"


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], limit: int) -> list[int]:
    """At most `limit` tokens, cut from the left: the end of a conversation says what is asked."""
    # A chat template writes its own first token; the plain format leaves it to the tokenizer.
    own_start = not tokenizer.chat_template
    ids = tokenizer.encode(prompt_text(tokenizer, messages), add_special_tokens=own_start)
    return list(ids)[-limit:]


def encode_response(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> list[int]:
    """The answer and its end token, at most `limit` tokens, cut from the right.

    A cut answer has no end token: the model must not learn to stop there. Text that looks like a special
    token stays text; an end token that is spelled out is dropped where it is a piece like any other (T5).
    """
    end = tokenizer.eos_token_id
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return [*(token for token in ids if token != end), end][:limit]


def decode_response(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def reads_alike(first: PreTrainedTokenizerBase, second: PreTrainedTokenizerBase) -> bool:
    """Whether both turn a conversation and its answer into the same tokens."""
    return (
        first.get_vocab() == second.get_vocab()
        and first.chat_template == second.chat_template
        and first.eos_token_id == second.eos_token_id
    )


def check_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises ContractError without an end token; a missing pad token becomes the end token.

    Masks come from lengths and never from comparing with the pad token, so sharing is harmless.
    """
    if tokenizer.eos_token_id is None:
        raise ContractError("base: its tokenizer has no end-of-sequence token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token


@dataclass(frozen=True)
class Batch:
    """Prompts padded on the left and responses on the right: the answers start at one column.

    ids           [B, P + R]
    mask          [B, P + R]  1 where a real token is
    positions     [B, P + R]  counted from each row's first real token
    response_mask [B, R]
    """

    ids: Tensor
    mask: Tensor
    positions: Tensor
    response_mask: Tensor

    @property
    def width(self) -> int:
        """R, the columns of the responses."""
        return self.response_mask.shape[1]

    @property
    def prompts(self) -> Tensor:
        """[B, P] tokens of the prompts."""
        return self.ids[:, : self.ids.shape[1] - self.width]

    @property
    def prompt_mask(self) -> Tensor:
        """[B, P]"""
        return self.mask[:, : self.ids.shape[1] - self.width]

    @property
    def responses(self) -> Tensor:
        """[B, R] tokens of the responses."""
        return self.ids[:, self.ids.shape[1] - self.width :]

    @property
    def targets(self) -> Tensor:
        """[N] the response tokens, end to end."""
        return self.responses[self.response_mask.bool()]

    def laid_out(self, values: Tensor) -> Tensor:
        """[B, R] from a value for each response token [N], 0 at padding."""
        return values.new_zeros(self.response_mask.shape).masked_scatter(self.response_mask.bool(), values)

    @property
    def lengths(self) -> Tensor:
        """[B] tokens of each response."""
        return self.response_mask.sum(dim=1).long()

    def rows(self, index: Tensor) -> Batch:
        """The batch of these rows, with columns that are padding in all of them cut off."""
        ids, mask, positions = self.ids[index], self.mask[index], self.positions[index]
        response_mask = self.response_mask[index]
        width = int(response_mask.sum(dim=1).max())
        used = slice(int(mask.argmax(dim=1).min()), self.prompts.shape[1] + width)
        return Batch(ids[:, used], mask[:, used], positions[:, used], response_mask[:, :width])


def collate(
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    pad: int,
    device: torch.device | str = "cpu",
) -> Batch:
    """One row for each prompt and its response (which may be empty)."""
    left = max(map(len, prompts))
    right = max(map(len, responses), default=0)
    ids = torch.full((len(prompts), left + right), pad)
    mask = torch.zeros_like(ids)
    response_mask = torch.zeros((len(prompts), right))
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        start, end = left - len(prompt), left + len(response)
        ids[row, start:end] = torch.tensor([*prompt, *response])
        mask[row, start:end] = 1
        response_mask[row, : len(response)] = 1
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return Batch(ids.to(device), mask.to(device), positions.to(device), response_mask.to(device))
