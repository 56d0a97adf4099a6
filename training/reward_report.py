"""How far a reward model, and labelers among themselves, agree with labelers' rankings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import torch

from training.data import Item
from training.reward_losses import ordered_pairs


class Share(NamedTuple):
    """A share with its 95 % bounds; all None where there is nothing to count."""

    value: float | None
    low: float | None
    high: float | None
    votes: int


def accuracy_report(
    held_out: Sequence[Item],
    scores: Sequence[Sequence[float]],
    everything: Sequence[Item],
    resamples: int,
    seed: int,
) -> dict[str, float | int | str | None]:
    """The figures of report.json; see the README for each key.

    `scores` are the model's for the completions of each held-out item. Accuracy is over the pairs that a
    held-out ranking orders, agreement over pairs that two labelers of one item both order.
    """
    accuracy = bootstrap_share(
        (
            (item.prompt_id, _agrees(values[winner] - values[loser]))
            for item, values in zip(held_out, scores, strict=True)
            for ranks in item.orders
            for winner, loser in ordered_pairs(ranks)
        ),
        resamples,
        seed,
    )
    agreement = bootstrap_share(
        (vote for item in everything for vote in _labeler_votes(item)), resamples, seed
    )
    tied = sum(
        len(ranks) * (len(ranks) - 1) // 2 - len(ordered_pairs(ranks))
        for item in everything
        for ranks in item.orders
    )
    return {
        "accuracy": accuracy.value,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "pairs": accuracy.votes,
        "held_out_items": len(held_out),
        "agreement": agreement.value,
        "agreement_low": agreement.low,
        "agreement_high": agreement.high,
        "agreement_pairs": agreement.votes,
        "items": len(everything),
        "tied_pairs": tied,
    }


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


def _labeler_votes(item: Item) -> Iterable[tuple[str, float]]:
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


def _agrees(margin: float) -> float:
    """Equal scores are a coin toss."""
    return 0.5 if margin == 0 else float(margin > 0)
