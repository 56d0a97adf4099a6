"""Model folders: weights in safetensors with their configuration and tokenizer, nothing executable."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
)

from training.contracts import BaseModel, ContractError
from training.families import start_token
from training.tokens import check_tokenizer, tiny_tokenizer
from training.tuning import merge_adapters

TINY_POSITIONS = 2048

# What the dropout rate is called in the configurations of the model families.
DROPOUT_NAMES = (
    "attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "emb_pdrop", "hidden_dropout", "dropout",
    "dropout_rate", "activation_dropout", "embed_dropout", "resid_dropout",
)  # fmt: skip
# Whole layers left out at random: never wanted here.
LAYER_DROP_NAMES = ("layerdrop", "encoder_layerdrop", "decoder_layerdrop")


def tiny_model(base: BaseModel, tokenizer: PreTrainedTokenizerBase, dropout: float) -> PreTrainedModel:
    """A small model with random weights, of the family asked for. Raises ContractError if sizes misfit."""
    if base.hidden_size % (2 * base.heads):
        raise ContractError("settings.base.hidden_size: must be an even multiple of settings.base.heads")
    return (_tiny_t5 if base.family == "t5" else _tiny_llama)(base, tokenizer, dropout)


def _tiny_llama(base: BaseModel, tokenizer: PreTrainedTokenizerBase, dropout: float) -> PreTrainedModel:
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


def _tiny_t5(base: BaseModel, tokenizer: PreTrainedTokenizerBase, dropout: float) -> PreTrainedModel:
    """In T5's own initialisation, which scales with the sizes, but for the places of words."""
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=base.hidden_size,
        d_kv=base.hidden_size // base.heads,
        d_ff=base.hidden_size * 8 // 3,
        num_layers=base.layers,
        num_heads=base.heads,
        # A bucket a position up to 16 either way: T5's usual 32 blur the places of letters in a word.
        relative_attention_num_buckets=64,
        feed_forward_proj="gated-gelu",
        dropout_rate=dropout,
        decoder_start_token_id=tokenizer.pad_token_id,  # type: ignore[call-arg]  # kept, though undeclared
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    for name, module in model.named_modules():
        # T5 knows places by these numbers alone, and starts them near nothing. Large ones tell places apart
        # from the first step: 200 steps of string instructions end at 0.94 nats a token instead of 1.29.
        if name.endswith("relative_attention_bias"):
            nn.init.normal_(module.weight, std=5.0)
    return model


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
    """A language model that writes, in evaluation mode, and its tokenizer, from a folder or by hub name.

    Raises ContractError if there is none.
    """
    tokenizer = load_tokenizer(source)
    config = _load_config(source, dropout)
    writer = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return _load_weights(writer, source, config), tokenizer


def load_backbone(source: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A language model without its output layer, in evaluation mode, and its tokenizer.

    Raises ContractError.
    """
    tokenizer = load_tokenizer(source)
    return _load_weights(AutoModel, source, _load_config(source, dropout=0.0)), tokenizer


def _load_config(source: Path | str, dropout: float) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ContractError(f"{_name(source)}: no configuration can be loaded ({error})") from error
    rates = dict.fromkeys(DROPOUT_NAMES, dropout) | dict.fromkeys(LAYER_DROP_NAMES, 0.0)
    for name, rate in rates.items():
        if hasattr(config, name):
            setattr(config, name, rate)
    return config


def _load_weights(kind: Any, source: Path | str, config: PreTrainedConfig) -> PreTrainedModel:
    """Held in float32: a policy's small steps vanish in half precision."""
    try:
        model = kind.from_pretrained(source, config=config, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ContractError(f"{_name(source)}: no language model can be loaded ({error})") from error
    return cast(PreTrainedModel, model)


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
    """Write a model folder, an adapter merged into its weights.

    Of generation defaults only token ids are written: a base model's top-k or penalties would bend what was
    trained, since servers apply what they find, and transformers refuses to save some of them.
    """
    merge_adapters(model)
    if model.can_generate():
        start = start_token(model.config) if model.config.is_encoder_decoder else None
        model.generation_config = GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=start,
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _name(source: Path | str) -> str:
    """A folder by its name below inputs/: the full path says nothing to the reader of an error."""
    return f"inputs/{source.name}" if isinstance(source, Path) else source
