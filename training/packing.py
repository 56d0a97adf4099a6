"""Several examples in one row of a decoder-only model, each read as if it were alone.

Positions restart at each example, and a block mask keeps it from seeing the others. A batch stays the
examples that it is: only their layout in rows changes, never the loss. The logits of prompts, which nobody
asks for, are not computed.

On CUDA FlexAttention skips what a block mask hides, and rows are filled to the limit. On a CPU, attention
computes also what a mask hides, so there it is given the lengths instead: a batch is one row without padding,
and examples of equal length attend together, no query to a key of another example. A model that attends in a
way of its own gets a dense mask, and rows no wider than the batch's longest example. Their padding stands on
the right, where a causal model does not look, so a batch whose rows hold an example each needs no mask.

What a block mask is silently wrong for (prefix.py lists it) is read unpacked: each run compares both forms on
its own examples first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from training.apart import APART
from training.data import Example
from training.families import response_logits, states
from training.prefix import Sharing, block_mask, exactly, probed
from training.sampling import log_probs_of
from training.tokens import collate

PROBED = 4
"""Examples in the row that a run tries first."""


@dataclass(frozen=True)
class Rows:
    """Examples laid out in rows.

    ids, positions, segments [B, T]; a segment is k in the row's k-th example, from 1, and -1 in padding
    before  [N, 2]  row and column of the token before each response token, examples end to end
    targets [N]     the response tokens
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    before: Tensor
    targets: Tensor

    @property
    def shared(self) -> bool:
        """Whether any row holds more than one example."""
        return bool((self.segments > 1).any())


class Packing:
    """How the examples of a run are read: packed where that is allowed and scores alike.

    `capacity` is the length of a row, 0 for that of the batch's longest example; `sharing` is what the probe
    found.
    """

    def __init__(self, model: PreTrainedModel, examples: Sequence[Example], pad: int, limit: int) -> None:
        """Probe `model` with some of the examples. A limit of 0 turns packing off."""
        self.pad, self.capacity = pad, 0
        if not limit:
            self.sharing = Sharing(False, None, "turned off")
        elif model.config.is_encoder_decoder:
            self.sharing = Sharing(False, None, "an encoder-decoder reads each example alone")
        else:
            some = _probed_first(examples)
            form = "several examples in one row"
            self.sharing = probed(model, lambda: probe(model, some, pad), form, otherwise=[APART])
            if not self.sharing.used:
                print(f"Packing is off: {self.sharing.why}", file=sys.stderr)
            elif model.config._attn_implementation == "flex_attention":
                self.capacity = limit

    def log_probs(self, model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
        """[N] nats of every response token of the examples, end to end."""
        if not self.sharing.used or model.config._attn_implementation == APART:
            return unpacked_log_probs(model, examples, self.pad)
        lengths = [len(example.prompt) + len(example.response) for example in examples]
        layout = first_fit_decreasing(lengths, self.capacity or max(lengths))
        return packed_log_probs(model, lay_out(examples, layout, self.pad, model.device))


def unpacked_log_probs(model: PreTrainedModel, examples: Sequence[Example], pad: int) -> Tensor:
    """[N] as of `Packing.log_probs`, as a batch: a row each, or end to end by a model that attends apart."""
    prompts = [example.prompt for example in examples]
    batch = collate(prompts, [example.response for example in examples], pad, model.device)
    return log_probs_of(response_logits(model, batch), batch.targets)


def packed_log_probs(model: PreTrainedModel, rows: Rows) -> Tensor:
    """[N] as of `Packing.log_probs`."""
    logits = model.get_output_embeddings()(states_before(model, rows))
    return log_probs_of(logits.float(), rows.targets)


def states_before(model: PreTrainedModel, rows: Rows) -> Tensor:
    """[N, H] the states that predict the response tokens, examples end to end."""
    layout: dict[str, Any] = {}
    if rows.shared:
        layout = {"attention_mask": block_mask(model, rows.segments), "position_ids": rows.positions}
    hidden = model.base_model(input_ids=rows.ids, use_cache=False, **layout).last_hidden_state
    found: Tensor = hidden[rows.before[:, 0], rows.before[:, 1]]
    return found


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Indices in rows of at most `capacity` tokens, the longest first; what is longer has a row of its own.

    First fit decreasing needs at most 11/9 of the fewest rows possible, and one (Johnson 1973).
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        row = next((row for row, left in enumerate(room) if lengths[index] <= left), None)
        if row is None:
            row = len(rows)
            rows.append([])
            room.append(capacity)
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows


def lay_out(
    examples: Sequence[Example], layout: Sequence[Sequence[int]], pad: int, device: torch.device | str = "cpu"
) -> Rows:
    """Rows of the examples by index."""
    texts = [example.prompt + example.response for example in examples]
    width = max(sum(len(texts[index]) for index in row) for row in layout)
    ids = torch.full((len(layout), width), pad)
    positions, segments = torch.zeros_like(ids), torch.full_like(ids, -1)
    before: list[Tensor] = [torch.empty(0)] * len(examples)
    for number, row in enumerate(layout):
        start = 0
        for segment, index in enumerate(row, 1):
            text, length = texts[index], len(examples[index].prompt)
            end = start + len(text)
            ids[number, start:end] = torch.tensor(text)
            positions[number, start:end] = torch.arange(len(text))
            segments[number, start:end] = segment
            columns = torch.arange(start + length - 1, end - 1)
            before[index] = torch.stack([torch.full_like(columns, number), columns], dim=1)
            start = end
    targets = torch.tensor([token for example in examples for token in example.response])
    return Rows(
        ids.to(device),
        positions.to(device),
        segments.to(device),
        torch.cat(before).to(device),
        targets.to(device),
    )


def probe(model: PreTrainedModel, examples: Sequence[Example], pad: int) -> float:
    """The largest difference between a token's log-probabilities in both forms, in float32."""
    with exactly(model) as whole:
        if whole.config._attn_implementation == APART:
            together = unpacked_log_probs(whole, examples, pad)
        else:
            one_row = lay_out(examples, [range(len(examples))], pad, model.device)
            together = packed_log_probs(whole, one_row)
        apart = torch.cat([unpacked_log_probs(whole, [one], pad) for one in examples])
    return float((together - apart).abs().max())


def read_unpadded(model: PreTrainedModel, longest: Sequence[int], pad: int) -> None:
    """Let a decoder-only model on a CPU read the rows of a batch without padding, if that changes no state.

    `longest` is a row as long as any that it will read. Elsewhere attention skips nothing for it.
    """
    if model.config.is_encoder_decoder or model.device.type != "cpu":
        return
    rows = [list(longest[:length]) for length in (1 + len(longest) // 2, 2, len(longest))]
    batch = collate([row[:1] for row in rows], [row[1:] for row in rows], pad)

    def difference() -> float:
        with exactly(model) as whole:
            backbone = cast(PreTrainedModel, whole.base_model)
            together = states(backbone, batch)
            found = []
            for row in range(len(rows)):
                (alone,) = states(backbone, batch.rows(torch.tensor([row])))
                found.append(float((alone - together[row, : len(alone)]).abs().max()))
        return max(found)

    probed(model, difference, "rows without padding", otherwise=[APART])


def _probed_first(examples: Sequence[Example]) -> list[Example]:
    """The longest, in which a window would show soonest, behind others, which must not move it."""
    ordered = sorted(examples, key=lambda example: len(example.prompt) + len(example.response))
    chosen = [*ordered[: PROBED - 1], ordered[-1]]
    return chosen if len(examples) > 1 else chosen[:1] * 2
