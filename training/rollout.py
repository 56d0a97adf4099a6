"""What PPO learns from: sampled episodes, what they are of, and how a batch of them is read in parts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data import Prompt, batches_by_length
from training.devices import Group
from training.noise import name_key
from training.tokens import Batch, collate


@dataclass(frozen=True)
class Rollout:
    """Sampled responses with all that learning from them needs; [N, R] but for `scores` and `cut_off` [N].

    The responses to one prompt stand together. Without a value model `values` are 0.
    """

    batch: Batch
    log_probs: Tensor
    reference: Tensor
    values: Tensor
    scores: Tensor
    cut_off: Tensor

    @property
    def mask(self) -> Tensor:
        return self.batch.response_mask

    @property
    def kl(self) -> Tensor:
        """[N] log pi(y|x) - log pi_reference(y|x) of each response, nats: its mean estimates the KL."""
        return ((self.log_probs - self.reference) * self.mask).sum(dim=1)


def endless(prompts: Sequence[Prompt], shuffle: random.Random) -> Iterator[Prompt]:
    """Every prompt once in a random order, then again in another, for ever."""
    while True:
        yield from shuffle.sample(prompts, len(prompts))


def episode_keys(prompts: Sequence[Prompt]) -> list[int]:
    """What names each prompt's place among all noise: its id and how often it came before in this list."""
    seen: Counter[str] = Counter()
    keys = []
    for prompt in prompts:
        keys.append(name_key(f"{prompt.public_id} {seen[prompt.public_id]}"))
        seen[prompt.public_id] += 1
    return keys


def by_length(batch: Batch, size: int) -> Iterator[Tensor]:
    """Yield the rows of the batch, at most `size` at a time, those of like length together."""
    lengths = batch.mask.sum(dim=1).tolist()
    for rows in batches_by_length(lengths, size):
        yield torch.tensor(rows, device=batch.ids.device)


def in_parts(batch: Batch, size: int, read: Callable[[Batch], Tensor]) -> Tensor:
    """[N] or [N, R]: what `read` makes of each row, `size` of them at a time, like lengths together."""
    found: Tensor | None = None
    for rows in by_length(batch, size):
        some = read(batch.rows(rows))
        if found is None:
            found = some.new_zeros((len(batch.ids), batch.width)[: some.ndim])
        # Beyond the longest of these rows stays 0.
        found[(rows, slice(some.shape[1])) if some.ndim > 1 else rows] = some
    assert found is not None
    return found


def gathered(
    own: Rollout, responses: list[list[int]], asked: Sequence[list[int]], copies: int, pad: int, group: Group
) -> Rollout:
    """All processes' episodes in the order of `asked`, where every group.size-th prompt is one process's."""
    device = own.scores.device
    places = torch.arange(len(asked)).view(-1, copies)
    rows = [places[rank :: group.size].flatten() for rank in range(group.size)]
    written: list[list[int]] = [[]] * len(asked)
    for of_rank, part in zip(rows, group.gather(responses), strict=True):
        for place, response in zip(of_rank.tolist(), part, strict=True):
            written[place] = response

    def together(tensor: Tensor) -> Tensor:
        parts = group.gather(tensor.cpu())
        found = tensor.new_zeros((len(asked), *max(part.shape[1:] for part in parts)))
        for of_rank, part in zip(rows, parts, strict=True):
            index = of_rank.to(device)
            found[(index, slice(part.shape[1])) if part.ndim > 1 else index] = part.to(device)
        return found

    return Rollout(
        batch=collate(asked, written, pad, device),
        log_probs=together(own.log_probs),
        reference=together(own.reference),
        values=together(own.values),
        scores=together(own.scores),
        cut_off=together(own.cut_off),
    )
