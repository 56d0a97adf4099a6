"""Several examples in one row without padding, each read as if it were alone: for decoder-only models.

Positions restart with each example, and everything but attention takes tokens one by one, so only attention
must know where an example ends. It is given the row's lengths and attends within each example, examples of
equal length at once: no query meets a key of another example, not even to be masked, so a long row costs no
more attention than its examples do.

What a model does beyond that may not survive it: a sliding window is not applied, ALiBi counts columns,
recurrent state leaks from one example into the next. So every run reads two examples in both forms before it
trusts the packed one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from training.data import Example
from training.prefix import Sharing
from training.sampling import log_probs_of, response_log_probs
from training.tokens import collate
from training.tuning import exactly

APART = "apart"
"""The name of `attend_apart` among transformers' implementations of attention."""
TOLERANCE = 1e-3
"""Nats of a token's log-probability in float32. Rounding is some 1e-6 to 1e-4; a wrong mask is off by far
more."""


@dataclass(frozen=True)
class Row:
    """Examples end to end, the longest first.

    ids, positions [1, T]
    before         [N]  the column that predicts each response token
    targets        [N]  the response tokens
    lengths             of the examples
    """

    ids: Tensor
    positions: Tensor
    before: Tensor
    targets: Tensor
    lengths: list[int]


def pack(examples: Iterable[Example], limit: int) -> list[list[Example]]:
    """Rows of at most `limit` tokens, by first fit decreasing (at most 11/9 of the fewest, and 2/3 of a row:
    Dósa 2007); an example that is longer has a row of its own."""
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in sorted(examples, key=_length, reverse=True):
        length = _length(example)
        place = next((row for row, left in enumerate(room) if length <= left), None)
        if place is None:
            rows.append([example])
            room.append(limit - length)
        else:
            rows[place].append(example)
            room[place] -= length
    return rows


def lay_out(examples: Sequence[Example], device: torch.device | str = "cpu") -> Row:
    ordered = sorted(examples, key=_length, reverse=True)
    ids, positions, before, targets = list[int](), list[int](), list[int](), list[int]()
    for example in ordered:
        first = len(ids) + len(example.prompt)
        before += range(first - 1, first - 1 + len(example.response))
        targets += example.response
        ids += example.prompt + example.response
        positions += range(_length(example))
    one, two, three, four = (
        torch.tensor(numbers, device=device) for numbers in (ids, positions, before, targets)
    )
    return Row(one.unsqueeze(0), two.unsqueeze(0), three, four, [_length(example) for example in ordered])


def packed_log_probs(model: PreTrainedModel, row: Row) -> Tensor:
    """[N] log-probability of each response token, nats; the model must attend apart."""
    logits = model(
        input_ids=row.ids,
        position_ids=row.positions,
        # Of this shape a mask is taken as it is: none is made from the positions.
        attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=row.ids.device),
        logits_to_keep=row.before,
        use_cache=False,
        lengths=row.lengths,
    ).logits[0]
    return log_probs_of(logits.float(), row.targets)


def attend_apart(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    lengths: Sequence[int] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of the examples that stand end to end in the only row.

    query, key, value [1, heads, T, size] to [1, T, heads, size]. Without lengths, torch's attention as usual.
    """
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    parts, start = [], 0
    for length, group in groupby(lengths):
        count = sum(1 for _ in group)
        end = start + count * length
        alone, seen, known = (
            states[0, :, start:end].unflatten(1, (count, length)).transpose(0, 1)
            for states in (query, key, value)
        )
        read, _ = sdpa_attention_forward(module, alone, seen, known, None, **options)
        parts.append(read.reshape(1, count * length, *read.shape[2:]))
        start = end
    return torch.cat(parts, dim=1), None


AttentionInterface.register(APART, attend_apart)
AttentionMaskInterface.register(APART, sdpa_mask)


def try_packing(model: PreTrainedModel, examples: Sequence[Example], pad: int) -> Sharing:
    """Make the model attend apart if that changes nothing but the time; say so if it does."""
    if model.config.is_encoder_decoder:
        return Sharing(False, None, "an encoder-decoder reads examples of like length together")
    own = model.config._attn_implementation
    # The longest shows a window or a limit of positions; whichever comes last would hear the others.
    some = [max(examples, key=_length), min(examples, key=_length)]
    difference = None
    try:
        if own != "sdpa":
            raise ValueError(f"its attention is {own!r}")
        model.set_attn_implementation(APART)
        difference = probe(model, some, pad)
        why = f"packed, a token's log-probability is {difference:.2g} off"
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        why = f"the model does not take examples end to end ({type(error).__name__}: {error})"
    if difference is not None and difference <= TOLERANCE:
        return Sharing(True, difference)
    model.set_attn_implementation(own)
    print(f"Packing is off: {why}", file=sys.stderr)
    return Sharing(False, difference, why)


def probe(model: PreTrainedModel, examples: Sequence[Example], pad: int) -> float:
    """The largest difference that packing makes to a response token's log-probability, in float32."""
    ordered = sorted(examples, key=_length, reverse=True)
    with exactly(model) as whole:
        packed = packed_log_probs(whole, lay_out(ordered, whole.device))
        apart = torch.cat(
            [
                response_log_probs(whole, collate([one.prompt], [one.response], pad, whole.device))[0]
                for one in ordered
            ]
        )
    return float((packed - apart).abs().max())


def _length(example: Example) -> int:
    return len(example.prompt) + len(example.response)
