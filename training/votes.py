"""Pairs of completions as votes: what a labeler said of two, beside what a model or another labeler says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import torch

from training.data import Item
from training.reward_losses import ordered_pairs, tied_pairs


@dataclass(frozen=True)
class Vote:
    """A labeler put `first` above `second`, or called them equal where `tied`.

    `difference` is the model's score of the first less that of the second, before bias and scale.
    """

    item: Item
    labeler: str
    first: int
    second: int
    tied: bool
    difference: float
    flags: frozenset[str]
    """What the labeler flagged in either of the two."""

    @property
    def agrees(self) -> float:
        """1 if the model puts the first above the second; equal scores are a coin toss."""
        return 0.5 if self.difference == 0 else float(self.difference > 0)


class Share(NamedTuple):
    """A share with its 95 % bounds; all None where there is nothing to count."""

    value: float | None
    low: float | None
    high: float | None
    votes: int


class Counting(NamedTuple):
    """How intervals are made: so many resamples, drawn from this seed."""

    resamples: int
    seed: int


def votes_of(items: Sequence[Item], scores: Sequence[Sequence[float]]) -> Iterator[Vote]:
    """Every pair of every ranking; `scores` are the model's for each item's completions, not scaled."""
    for item, values in zip(items, scores, strict=True):
        for ranking in item.rankings:
            if ranking.ranks is None:
                continue
            for tied, pairs in ((False, ordered_pairs(ranking.ranks)), (True, tied_pairs(ranking.ranks))):
                for first, second in pairs:
                    flags = frozenset((*ranking.flags[first], *ranking.flags[second]))
                    difference = values[first] - values[second]
                    yield Vote(item, ranking.labeler, first, second, tied, difference, flags)


def accuracy(votes: Iterable[Vote], counting: Counting) -> Share:
    """The share of ordered pairs that the model orders as the labeler did."""
    return bootstrap_share(((vote.item.prompt_id, vote.agrees) for vote in votes if not vote.tied), *counting)


def agreement(items: Iterable[Item], counting: Counting) -> Share:
    """The share of pairs that two labelers of one item both order and order alike."""
    return bootstrap_share((vote for item in items for vote in _labeler_votes(item)), *counting)


def bootstrap_share(votes: Iterable[tuple[str, float]], resamples: int, seed: int) -> Share:
    """The mean of (prompt, vote) with a percentile interval, resampling prompts with replacement.

    Pairs of one prompt rise and fall together, so prompts and not pairs are drawn.
    """
    agreed: dict[str, float] = defaultdict(float)
    counted: Counter[str] = Counter()
    for prompt, vote in votes:
        agreed[prompt] += vote
        counted[prompt] += 1
    if not counted:
        return Share(None, None, None, 0)
    sums = torch.tensor([agreed[prompt] for prompt in counted], dtype=torch.float64)
    sizes = torch.tensor(list(counted.values()), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    shares = torch.empty(resamples, dtype=torch.float64)
    for number in range(resamples):
        drawn = torch.randint(len(sizes), (len(sizes),), generator=generator)
        shares[number] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = shares.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Share(float(sums.sum() / sizes.sum()), low, high, int(sizes.sum()))


def _labeler_votes(item: Item) -> Iterator[tuple[str, float]]:
    """For each two labelers of an item and each pair both order: 1 if they order it alike."""
    for first, second in combinations(item.rankings, 2):
        if first.labeler == second.labeler or first.ranks is None or second.ranks is None:
            continue
        other = set(ordered_pairs(second.ranks))
        for winner, loser in ordered_pairs(first.ranks):
            if (winner, loser) in other:
                yield item.prompt_id, 1.0
            elif (loser, winner) in other:
                yield item.prompt_id, 0.0
