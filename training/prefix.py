"""Scoring the K completions of an item with its prompt read once.

Decoder-only: one row `[prompt | r1 | … | rK]`. Each response's positions go on from the prompt's end, and it
sees the prompt and itself, so its states are those of a row of its own. Encoder-decoder: the encoder reads
the prompt once, the decoder each response.

A 4-D mask and restarting positions are silently wrong for some architectures: sliding windows vanish
behind a mask that is taken as it is, ALiBi counts columns and not positions, recurrent state leaks from one
response into the next. So every run compares both forms on one of its items before it trusts the shared one.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from training.data import Item
from training.reward_model import Ensemble, RewardModel, Scorer
from training.tokens import collate

TOLERANCE = 1e-4
"""Of a score in float32; scores of a fresh head vary by about 1. A wrong mask is off by far more."""

Network = TypeVar("Network", bound=nn.Module)
MaskFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Rows:
    """Items laid out a row each, padded on the right.

    ids, positions, segments [B, T]; a segment is 0 in the prompt, k in response k, -1 in padding
    last                     [N, 2]  row and column of each completion's last token, items end to end
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    last: Tensor


@dataclass(frozen=True)
class Sharing:
    """Whether a run shares prefixes. `difference` is what the probe found, None where it did not look."""

    used: bool
    difference: float | None
    why: str = ""


def score_items(model: Scorer, items: Sequence[Item], pad: int, max_row_tokens: int = 0) -> Tensor:
    """[N] the score of every completion, items end to end.

    The prompt is read once for the items that it pays for and whose row has at most `max_row_tokens`
    (0: for none).
    """
    if isinstance(model, Ensemble):
        return model.combine(
            torch.stack([score_items(member, items, pad, max_row_tokens) for member in model.alone])
        )
    parts = [torch.empty(0)] * len(items)
    for together in (True, False):
        chosen = [n for n, item in enumerate(items) if pays(model.backbone, item, max_row_tokens) == together]
        if not chosen:
            continue
        some = [items[n] for n in chosen]
        if together:
            scores = model.score(shared_states(model.backbone, some, pad))
        else:
            scores = model(collate(*flatten(some), pad, model.device))
        for n, part in zip(chosen, scores.split([len(item.responses) for item in some]), strict=True):
            parts[n] = part
    return torch.cat(parts)


def flatten(items: Sequence[Item]) -> tuple[list[list[int]], list[list[int]]]:
    """The prompts and responses of the items' completions, laid end to end."""
    prompts = [item.prompt for item in items for _ in item.responses]
    return prompts, [response for item in items for response in item.responses]


def row_tokens(item: Item) -> int:
    return len(item.prompt) + sum(map(len, item.responses))


def pays(backbone: PreTrainedModel, item: Item, max_row_tokens: int) -> bool:
    """Whether an item is read in the shared form: within the limit, and less work than apart.

    A long row saves prompt tokens and costs attention between responses that see nothing of each other. In
    multiplications by layer, up to a common factor of 4 H: a token costs 6 H (24 H² in a block of the usual
    shape), a pair of tokens in attention 1.
    """
    if backbone.config.is_encoder_decoder:
        return max_row_tokens > 0
    row = row_tokens(item)
    alone = [len(item.prompt) + len(response) for response in item.responses]
    token = 6 * backbone.config.hidden_size
    return row <= max_row_tokens and row * (token + row) < sum(length * (token + length) for length in alone)


def shared_states(backbone: PreTrainedModel, items: Sequence[Item], pad: int) -> Tensor:
    """[N, H] the state at each completion's last token, items end to end."""
    if backbone.config.is_encoder_decoder:
        return _decoded(backbone, items, pad)
    rows = lay_out(items, pad, backbone.device)
    states = backbone(
        input_ids=rows.ids,
        attention_mask=block_mask(backbone, rows.segments),
        position_ids=rows.positions,
        use_cache=False,
    ).last_hidden_state
    found: Tensor = states[rows.last[:, 0], rows.last[:, 1]]
    return found


def lay_out(items: Sequence[Item], pad: int, device: torch.device | str = "cpu") -> Rows:
    width = max(map(row_tokens, items))
    ids = torch.full((len(items), width), pad)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, -1)
    last = []
    for row, item in enumerate(items):
        start = 0
        for segment, part in enumerate([item.prompt, *item.responses]):
            end = start + len(part)
            before = len(item.prompt) if segment else 0
            ids[row, start:end] = torch.tensor(part)
            positions[row, start:end] = torch.arange(before, before + len(part))
            segments[row, start:end] = segment
            if segment:
                last.append((row, end - 1))
            start = end
    return Rows(ids.to(device), positions.to(device), segments.to(device), torch.tensor(last, device=device))


def visible(segments: Tensor) -> MaskFunction:
    """Whether a query may see a key, by index tensors that broadcast; FlexAttention takes it as it is.

    Nothing later, and of what is earlier the prompt and one's own segment. Padding comes last, so no token
    sees it; it sees the prompt, so no softmax is empty.
    """

    def see(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        seen = segments[batch, key]
        return (key <= query) & ((seen == 0) | (seen == segments[batch, query]))

    return see


def dense_mask(segments: Tensor) -> Tensor:
    """[B, 1, T, T], true where a query sees a key."""
    batch, width = segments.shape
    column = torch.arange(width, device=segments.device)
    row = torch.arange(batch, device=segments.device).view(-1, 1, 1, 1)
    return visible(segments)(row, torch.zeros_like(row), column.view(-1, 1), column)


@contextmanager
def exactly(model: Network) -> Iterator[Network]:
    """The model, or where it is none a copy, in float32, without dropout, gradients or autocast."""
    weight = next(model.parameters())
    whole = model if weight.dtype == torch.float32 else copy.deepcopy(model).float()
    was_training, precision = whole.training, torch.get_float32_matmul_precision()
    whole.eval()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            yield whole
    finally:
        whole.train(was_training)
        torch.set_float32_matmul_precision(precision)


def probe(model: RewardModel, item: Item, pad: int) -> float:
    """The largest difference between the scores of both forms, in float32 and without dropout."""
    with exactly(model) as whole:
        together = whole.score(shared_states(whole.backbone, [item], pad))
        apart = whole(collate(*flatten([item]), pad, whole.device))
    return float((together - apart).abs().max())


def try_sharing(model: RewardModel, items: Sequence[Item], pad: int, max_row_tokens: int) -> Sharing:
    """Probe the item in which a window or a count of positions would show soonest; say so if it fails."""
    candidates = [item for item in items if pays(model.backbone, item, max_row_tokens)]
    if not candidates:
        return Sharing(False, None, "no item is less work in one row")
    longest = max(candidates, key=lambda item: len(item.prompt) + max(map(len, item.responses)))
    sharing = probed(model.backbone, lambda: probe(model, longest, pad), "one row for all completions")
    if not sharing.used:
        print(f"Shared prefix is off: {sharing.why}", file=sys.stderr)
    return sharing


def probed(
    backbone: PreTrainedModel, difference_of: Callable[[], float], form: str, otherwise: Sequence[str] = ()
) -> Sharing:
    """Whether a form with a block mask scores as if apart, by an attention that then stays in place.

    `otherwise` are attentions to try first where there is no FlexAttention.
    """
    own = backbone.config._attn_implementation
    # FlexAttention skips what a block mask hides; where it cannot be had, a dense mask does the same.
    faster = ["flex_attention"] if backbone.device.type == "cuda" else otherwise
    difference, why = None, ""
    for implementation in [*faster, own]:
        try:
            backbone.set_attn_implementation(implementation)
            difference = difference_of()
        except (AttributeError, ImportError, IndexError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            why = f"the model does not take {form} ({type(error).__name__}: {error})"
            continue
        if difference <= TOLERANCE:
            return Sharing(True, difference)
        why = f"{form} scores {difference:.2g} differently"
    return Sharing(False, difference, why)


def block_mask(backbone: PreTrainedModel, segments: Tensor) -> Tensor | BlockMask:
    """What the model's attention takes as the mask of segments [B, T]."""
    batch, width = segments.shape
    implementation = backbone.config._attn_implementation
    if implementation == "flex_attention":
        return create_block_mask(visible(segments), batch, None, width, width, device=segments.device)
    mask = dense_mask(segments)
    if implementation == "sdpa":
        return mask
    # Eager attention adds its mask to the logits.
    return torch.zeros_like(mask, dtype=backbone.dtype).masked_fill(~mask, torch.finfo(backbone.dtype).min)


def _decoded(backbone: PreTrainedModel, items: Sequence[Item], pad: int) -> Tensor:
    """Encoder-decoder: state t of the decoder has read `[start] + response[:t]`."""
    device, config = backbone.device, backbone.config
    # T5 starts its decoder with the pad token, and a configuration made by hand may not say so.
    start = getattr(config, "decoder_start_token_id", None)
    start = pad if start is None else start
    responses = [[start, *response] for item in items for response in item.responses]
    prompts, mask = _right_padded([item.prompt for item in items], pad, device)
    written, _ = _right_padded(responses, pad, device)
    read = backbone.get_encoder()(input_ids=prompts, attention_mask=mask).last_hidden_state
    item_of = [number for number, item in enumerate(items) for _ in item.responses]
    # No mask on the decoder's padding: it comes last, and a decoder sees nothing later.
    states = backbone(
        encoder_outputs=BaseModelOutput(last_hidden_state=read[item_of]),
        attention_mask=mask[item_of],
        decoder_input_ids=written,
        use_cache=False,
    ).last_hidden_state
    last = [len(response) - 1 for response in responses]
    found: Tensor = states[range(len(last)), last]
    return found


def _right_padded(texts: Sequence[list[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [B, width]."""
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[pad] * (width - len(text))] for text in texts], device=device)
    lengths = torch.tensor([len(text) for text in texts], device=device)
    return ids, (torch.arange(width, device=device) < lengths.unsqueeze(1)).long()
