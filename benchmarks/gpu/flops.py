"""How much arithmetic a job needs, whatever it does: what MFU is measured in.

One multiplication and addition is 2 FLOPs; a backward pass costs twice its forward (Kaplan et al. 2020,
arXiv 2001.08361, section 2.1; Chowdhery et al. 2022, arXiv 2204.02311, appendix B, for MFU). Counted are the
matrix products of weights (6 N a token of training) and of attention (12 L d a pair of tokens that see each
other, of which causality leaves about half); real tokens alone, no padding, and nothing that is computed a
second time to save memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Shape:
    """What of a decoder-only model the arithmetic depends on."""

    weights: int
    """In matrix products with every token: of linear layers, but the output's."""
    head: int
    """In the product that gives logits."""
    layers: int
    width: int
    """Heads times the size of one: of a query."""


def shape_of(model: nn.Module) -> Shape:
    """Of a causal language model or its backbone."""
    config: Any = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    linear = {
        name: layer.weight.numel() for name, layer in model.named_modules() if isinstance(layer, nn.Linear)
    }
    head = linear.pop("lm_head", 0)
    width = config.num_attention_heads * size
    return Shape(sum(linear.values()), head, config.num_hidden_layers, width)


def causal_pairs(length: int) -> int:
    """Pairs (query, key) of a text of its own: each token sees itself and what is before it."""
    return length * (length + 1) // 2


def shared_pairs(prompt: int, responses: Sequence[int]) -> int:
    """Pairs of a row `[prompt | r1 | … | rK]`, where a response sees the prompt and itself."""
    return causal_pairs(prompt) + sum(prompt * length + causal_pairs(length) for length in responses)


def training_flops(shape: Shape, tokens: int, pairs: int, predicted: int = 0) -> float:
    """Forward and backward; `predicted` are the tokens that logits are wanted for."""
    products = shape.weights * tokens + shape.head * predicted
    return 6.0 * products + 12.0 * shape.layers * shape.width * pairs
