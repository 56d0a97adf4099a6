"""What a reward model learns from: the pairs of a ranking, K-wise, with ties, as pure functions of tensors.

Sources: Ouyang et al. 2022 (InstructGPT, arXiv 2203.02155, section 3.5) for the loss and its weights; Rao
and Kupper 1967 for ties, in the form of arXiv 2410.05328; Touvron et al. 2023 (Llama 2, arXiv 2307.09288,
equation 2) for the margin. d is the difference of two scores, and η = log θ ≥ 0 how far two completions must
differ before the better one wins half the time:

    P(first wins) = σ(d - η)    P(second wins) = σ(-d - η)    P(tie) = (e^{2η} - 1) σ(d - η) σ(-d - η)

At η = 0 there are no ties, and this is InstructGPT's σ(d).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

TIE_RATES = (0.001, 0.9)
"""What θ is first set from is held within these: at 0 or 1 it would start where nothing moves it."""


class Pairs(NamedTuple):
    """The pairs of a batch, as indices into its completions laid end to end.

    `first` won over `second`, or the two were called equal where `tied`. Each list has an entry a pair.
    """

    first: list[int]
    second: list[int]
    tied: list[bool]
    weights: list[float]
    margins: list[float]
    """By how much the winner's score must lead before the pair counts as learned."""
    items: int


def ordered_pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """The (winner, loser) positions of one ranking, 1 is best; ties give no pair."""
    return [
        (first, second) if ranks[first] < ranks[second] else (second, first)
        for first, second in combinations(range(len(ranks)), 2)
        if ranks[first] != ranks[second]
    ]


def tied_pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """The positions of one ranking that were called equal."""
    return [
        (first, second)
        for first, second in combinations(range(len(ranks)), 2)
        if ranks[first] == ranks[second]
    ]


def kwise_pairs(
    batch: Sequence[Sequence[Sequence[int]]],
    scores: Sequence[Sequence[Sequence[int]]] | None = None,
    margin: float = 0.0,
) -> Pairs:
    """The pairs of a batch of items, each a list of its rankings' ranks.

    A pair weighs 1 / C(K, 2), also where ties are dropped: a ranking full of ties then says less. The
    rankings of one item share the weight of one item. With `margin`, `scores` holds what each labeler scored
    the completions: a winner must lead by `margin` for each point that it was scored higher. Scores that
    contradict the order ask for no lead.
    """
    pairs = Pairs([], [], [], [], [], len(batch))
    start = 0
    for item, rankings in enumerate(batch):
        completions = len(rankings[0])
        weight = 1 / (comb(completions, 2) * len(rankings))
        for number, ranks in enumerate(rankings):
            points = scores[item][number] if scores is not None and margin else [0] * completions
            for tied, found in ((False, ordered_pairs(ranks)), (True, tied_pairs(ranks))):
                for first, second in found:
                    lead = 0 if tied else max(0, points[first] - points[second])
                    pairs.first.append(start + first)
                    pairs.second.append(start + second)
                    pairs.tied.append(tied)
                    pairs.weights.append(weight)
                    pairs.margins.append(margin * lead)
        start += completions
    return pairs


def kwise_loss(scores: Tensor, pairs: Pairs, eta: Tensor | None = None) -> Tensor:
    """The mean over items of -1/C(K,2) sum log P(what the labeler said); without `eta` ties are dropped.

    `scores` [N]: one for each completion of the batch, so each is computed once however many pairs it is in.
    """
    tied = torch.tensor(pairs.tied, dtype=torch.bool, device=scores.device)
    weights = scores.new_tensor(pairs.weights)
    differences = scores[pairs.first] - scores[pairs.second] - scores.new_tensor(pairs.margins)
    if eta is None:
        log_likelihood = logsigmoid(differences) * ~tied
    else:
        log_likelihood = torch.where(tied, log_tie(differences, eta), logsigmoid(differences - eta))
    return -(weights * log_likelihood).sum() / pairs.items


def agreeing(scores: Tensor, pairs: Pairs) -> tuple[float, int]:
    """How many of the pairs in which somebody won the scores order alike, and how many there are."""
    told = ~torch.tensor(pairs.tied, dtype=torch.bool, device=scores.device)
    return float(((scores[pairs.first] > scores[pairs.second]) & told).sum()), int(told.sum())


def log_tie(differences: Tensor, eta: Tensor) -> Tensor:
    """log P(tie), the shape of `differences`.

    log(e^{2η} - 1) is written 2η + log(1 - e^{-2η}), which overflows at no η.
    """
    surplus = 2 * eta + torch.log(-torch.expm1(-2 * eta))
    return surplus + logsigmoid(differences - eta) + logsigmoid(-differences - eta)


def log_odds(differences: Tensor, eta: float) -> Tensor:
    """log P(first wins) / P(second wins), the shape of `differences`: d itself where η = 0."""
    return logsigmoid(differences - eta) - logsigmoid(-differences - eta)


def eta_of(rho: Tensor) -> Tensor:
    """η = log θ from the number that is learned: softplus keeps θ ≥ 1 whatever a step does to ρ."""
    return softplus(rho)


def tie_rate(batch: Sequence[Sequence[Sequence[int]]]) -> float:
    """The share of a dataset's pairs that were called equal; each item's rankings' ranks."""
    tied = total = 0
    for rankings in batch:
        for ranks in rankings:
            tied += len(tied_pairs(ranks))
            total += comb(len(ranks), 2)
    return tied / total if total else 0.0


def rho_from_tie_rate(rate: float) -> float:
    """The ρ whose θ explains a share `rate` of ties between completions of equal score.

    At d = 0, P(tie) = (θ - 1) / (θ + 1), so θ = (1 + rate) / (1 - rate).
    """
    low, high = TIE_RATES
    held = min(max(rate, low), high)
    return math.log(math.expm1(math.log((1 + held) / (1 - held))))
