"""Tiny models of every family with random weights, and tokenizers beside the project's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Tokenizer,
)

from training.checkpoints import save_model, tiny_model
from training.contracts import TRAINED_ON, BaseModel, TrainedOn, write_json
from training.reward_model import new_reward_model
from training.tokens import tiny_tokenizer

FAMILIES = ("llama", "gpt2", "qwen2", "t5", "bart")
WORDS = 261
"""The tiny tokenizer's vocabulary."""


def build(family: str, seed: int = 0) -> PreTrainedModel:
    """GPT-2 has learned absolute positions and dropout, Qwen2 shares keys among heads; the encoder of T5 has
    relative and that of BART learned positions."""
    torch.manual_seed(seed)
    if family == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
        return GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, eos_token_id=1, **sizes)).eval()
    if family == "qwen2":
        heads = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
        return Qwen2ForCausalLM(
            Qwen2Config(vocab_size=WORDS, hidden_size=32, intermediate_size=64, eos_token_id=1, **heads)
        ).eval()
    if family == "bart":
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        sizes = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
        config = BartConfig(vocab_size=WORDS, d_model=32, max_position_embeddings=128, **heads, **sizes)
        return BartForConditionalGeneration(config).eval()
    base = BaseModel(family=family, hidden_size=32, layers=2, heads=2)  # type: ignore[arg-type]
    return tiny_model(base, tiny_tokenizer(), dropout=0.0).eval()


def folder(family: str, at: Path) -> Path:
    """A model folder that a run may start from."""
    save_model(build(family), tiny_tokenizer(), at)
    return at


def judge(family: str, at: Path, trained_on: TrainedOn | None = None, seed: int = 0) -> Path:
    """A reward model folder, its opinions random."""
    tokenizer = tiny_tokenizer()
    save_model(build(family, seed), tokenizer, at / "base")
    model, _ = new_reward_model(at / "base")
    model.save(tokenizer, at / "reward")
    if trained_on is not None:
        write_json(at / "reward" / TRAINED_ON, dataclasses.asdict(trained_on))
    return at / "reward"


def plain_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """Bytes, without a chat template."""
    vocabulary = {
        text: number
        for number, text in enumerate(["<pad>", "<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def t5_tokenizer(letters: str) -> PreTrainedTokenizerBase:
    """T5's own kind of tokenizer, which ends every text that it encodes, with these letters as its pieces."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *sorted(set(letters))]
    return T5Tokenizer(vocab=[(piece, -2.0 * (n > 2)) for n, piece in enumerate(pieces)], extra_ids=0)
