"""Rows of unlike length read without padding: an attention that is given their lengths instead of a mask.

On a CPU attention computes also what a mask hides. So rows are laid end to end, positions restarting, and
those of equal length attend together, no query to a key of another. What this is silently wrong for
(prefix.py lists it) is turned away by the probes in packing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

APART = "apart"
"""`attend_apart` among transformers' implementations of attention."""


def attend_apart(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    lengths: Sequence[int] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of the texts of the only row, whose lengths are given.

    query, key, value [1, heads, T, size] to [1, T, heads, size]. Without lengths it is torch's as usual.
    """
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    parts, start = [], 0
    for length, group in groupby(lengths):
        count = sum(1 for _ in group)
        end = start + count * length
        some, seen, known = (
            states[0, :, start:end].unflatten(1, (count, length)).transpose(0, 1)
            for states in (query, key, value)
        )
        read, _ = sdpa_attention_forward(module, some, seen, known, None, **options)
        parts.append(read.reshape(1, count * length, *read.shape[2:]))
        start = end
    return torch.cat(parts, dim=1), None


AttentionInterface.register(APART, attend_apart)
AttentionMaskInterface.register(APART, sdpa_mask)


def end_to_end(ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> dict[str, Any]:
    """What a model that attends apart reads: texts of these lengths, ids and positions [T]."""
    # A mask of this shape is taken as it is: none is made, and none is looked at.
    nothing = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    return {
        "input_ids": ids.unsqueeze(0),
        "attention_mask": nothing,
        "position_ids": positions.unsqueeze(0),
        "lengths": list(lengths),
    }
