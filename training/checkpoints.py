"""Model folders: weights in safetensors with their configuration and tokenizer, nothing executable."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.contracts import BaseModel, ContractError
from training.tokens import check_tokenizer, tiny_tokenizer

TINY_POSITIONS = 2048

# What the dropout rate is called in the configurations of the model families.
DROPOUT_NAMES = (
    "attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "hidden_dropout", "dropout",
    "dropout_rate",
)  # fmt: skip


def tiny_model(base: BaseModel, tokenizer: PreTrainedTokenizerBase, dropout: float) -> PreTrainedModel:
    """A small Llama-like model with random weights. Raises ContractError if the sizes do not fit."""
    if base.hidden_size % (2 * base.heads):
        raise ContractError("settings.base.hidden_size: must be an even multiple of settings.base.heads")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=base.hidden_size,
        intermediate_size=base.hidden_size * 8 // 3,
        num_hidden_layers=base.layers,
        num_attention_heads=base.heads,
        num_key_value_heads=base.heads,
        max_position_embeddings=TINY_POSITIONS,
        tie_word_embeddings=True,
        attention_dropout=dropout,
        # Signals of size 1 from the start: with the usual 0.02 a model this small takes several times as many
        # steps before it attends to anything.
        initializer_range=base.hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def load_base(
    base: BaseModel, folder: Path, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model that fine-tuning starts from; `folder` is used by kind "folder" alone."""
    if base.kind == "tiny":
        tokenizer = tiny_tokenizer()
        return tiny_model(base, tokenizer, dropout), tokenizer
    if base.kind == "hub" and not base.name:
        raise ContractError('settings.base.name: wanted for kind "hub"')
    return load_policy(folder if base.kind == "folder" else base.name, dropout)


def load_policy(source: Path | str, dropout: float = 0.0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model in evaluation mode and its tokenizer, from a folder or by hub name.

    Weights are held in float32: a policy's small steps vanish in half precision.
    """
    tokenizer = load_tokenizer(source)
    try:
        config = AutoConfig.from_pretrained(source)
        for name in DROPOUT_NAMES:
            if hasattr(config, name):
                setattr(config, name, dropout)
        model = AutoModelForCausalLM.from_pretrained(
            source, config=config, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise ContractError(f"{_name(source)}: no causal language model can be loaded ({error})") from error
    return model, tokenizer


def load_tokenizer(source: Path | str) -> PreTrainedTokenizerBase:
    """Raises ContractError."""
    if isinstance(source, Path) and not source.is_dir():
        raise ContractError(f"{_name(source)}: missing")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ContractError(f"{_name(source)}: no tokenizer can be loaded ({error})") from error
    check_tokenizer(tokenizer)
    return tokenizer


def place(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    # transformers hides the type of its own `to`.
    return cast(PreTrainedModel, cast(nn.Module, model).to(device))


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _name(source: Path | str) -> str:
    """A folder by its name below inputs/: the full path says nothing to the reader of an error."""
    return f"inputs/{source.name}" if isinstance(source, Path) else source
