"""report.json of a reward model: the README says what each key means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from training.data import Item
from training.reward_losses import log_odds, log_tie
from training.votes import Counting, Share, Vote, accuracy, agreement, votes_of

BINS = 10
LENGTH_BINS = 12

Scores = Sequence[Sequence[float]]
"""A model's score of each completion of each item."""


def reward_report(
    held_out: Sequence[Item],
    scores: Scores,
    everything: Sequence[Item],
    *,
    scale: float,
    eta: float,
    held_out_labelers: Sequence[str],
    unseen: Sequence[Item],
    unseen_scores: Scores,
    counting: Counting,
) -> dict[str, Any]:
    """JSON values. `held_out` are the items of held-out prompts, `unseen` those of the training prompts with
    the rankings of held-out labelers alone. Scores are in the published scale; θ = e^eta is not, so scores
    are brought back by `scale` where a probability is wanted. eta = 0 is a model that knows no ties.
    """
    votes = list(votes_of(held_out, _raw(scores, scale)))
    ordered = [vote for vote in votes if not vote.tied]
    by_labeler = defaultdict(list)
    for vote in ordered:
        by_labeler[vote.labeler in held_out_labelers].append(vote)
    all_votes = list(votes_of(everything, [[0.0] * len(item.responses) for item in everything]))
    return {
        **_named("accuracy", accuracy(ordered, counting), "pairs"),
        "held_out_items": len(held_out),
        **_named("agreement", agreement(everything, counting), "agreement_pairs"),
        "items": len(everything),
        "tied_pairs": sum(vote.tied for vote in all_votes),
        "labelers": {
            "held_out": list(held_out_labelers),
            "known": _slice(by_labeler[False], counting),
            "unknown": _slice(by_labeler[True], counting),
            "unknown_train_prompts": _slice(votes_of(unseen, _raw(unseen_scores, scale)), counting),
        },
        "by_use_case": _sliced(ordered, lambda vote: [vote.item.use_case], counting),
        "by_language": _sliced(ordered, lambda vote: [vote.item.language], counting),
        "by_flag": _sliced(ordered, lambda vote: vote.flags, counting),
        "calibration": calibration(ordered, eta),
        "ties": ties(votes, eta),
        "length": length(held_out, scores, ordered),
    }


def calibration(ordered: Sequence[Vote], eta: float) -> dict[str, Any]:
    """Whether the model is right as often as it says, given that a pair is ordered at all.

    What it says is σ(log odds), which is σ(difference of scores) where it knows no ties. Of each pair the
    side is taken that the model prefers, so the bins are over 0.5 to 1. The expected calibration error is the
    mean distance between what the model says and how often that is right, over bins, by their pairs.
    """
    if not ordered:
        return {"error": None, "bins": []}
    said = torch.sigmoid(log_odds(_differences(ordered).abs(), eta))
    right = torch.tensor([vote.agrees for vote in ordered], dtype=torch.float64)
    place = ((said - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    bins: list[dict[str, float | int]] = []
    for number in range(BINS):
        here = place == number
        if here.any():
            bins.append({
                "low": 0.5 + number / (2 * BINS),
                "high": 0.5 + (number + 1) / (2 * BINS),
                "said": float(said[here].mean()),
                "right": float(right[here].mean()),
                "pairs": int(here.sum()),
            })  # fmt: skip
    error = sum(entry["pairs"] * abs(entry["said"] - entry["right"]) for entry in bins) / len(ordered)
    return {"error": error, "bins": bins}


def ties(votes: Sequence[Vote], eta: float) -> dict[str, float | int | None]:
    """The share of pairs that labelers call equal, and the share that the model expects them to."""
    expected = None
    if votes and eta > 0:
        expected = float(log_tie(_differences(votes), torch.tensor(eta, dtype=torch.float64)).exp().mean())
    return {
        "observed": sum(vote.tied for vote in votes) / len(votes) if votes else None,
        "expected": expected,
        "theta": float(torch.tensor(eta).exp()) if eta > 0 else None,
    }


def length(items: Sequence[Item], scores: Scores, ordered: Sequence[Vote]) -> dict[str, Any]:
    """How the reward goes with the number of tokens of a response, among the responses to one prompt.

    Both are taken less their mean over the item, so that prompts that ask for long answers prove nothing.
    The bins are for a drawing; the last two figures compare the model with the labelers themselves.
    """
    lengths = [[float(len(response)) for response in item.responses] for item in items]
    tokens, rewards = _within(lengths), _within(scores)
    spread, gain = tokens.square().sum(), rewards.square().sum()
    together = (tokens * rewards).sum()
    uneven = [
        (vote.agrees, lengths_of[vote.first] > lengths_of[vote.second])
        for vote in ordered
        if (lengths_of := [len(response) for response in vote.item.responses])[vote.first]
        != lengths_of[vote.second]
    ]
    bins = []
    if spread > 0:
        order = tokens.argsort(stable=True)
        for part in order.tensor_split(min(LENGTH_BINS, len(order))):
            bins.append({
                "tokens": float(tokens[part].mean()), "reward": float(rewards[part].mean()),
                "completions": len(part),
            })  # fmt: skip
    return {
        "correlation": float(together / (spread * gain).sqrt()) if spread > 0 and gain > 0 else None,
        "reward_per_token": float(together / spread) if spread > 0 else None,
        "bins": bins,
        "labelers_prefer_longer": _mean([float(longer) for _, longer in uneven]),
        "model_prefers_longer": _mean([right if longer else 1 - right for right, longer in uneven]),
    }


def _raw(scores: Scores, scale: float) -> list[list[float]]:
    return [[score * scale for score in values] for values in scores]


def _differences(votes: Sequence[Vote]) -> Tensor:
    return torch.tensor([vote.difference for vote in votes], dtype=torch.float64)


def _within(values: Scores) -> Tensor:
    """[N] each value less the mean of its item."""
    parts = [torch.tensor(row, dtype=torch.float64) for row in values]
    return torch.cat([part - part.mean() for part in parts]) if parts else torch.zeros(0)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _sliced(
    votes: Sequence[Vote], names: Callable[[Vote], Iterable[str]], counting: Counting
) -> dict[str, dict[str, Any]]:
    """Accuracy by name; a vote may have several names, and one that is empty is left out."""
    by_name: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        for name in names(vote):
            if name:
                by_name[name].append(vote)
    return {name: _slice(by_name[name], counting) for name in sorted(by_name)}


def _slice(votes: Iterable[Vote], counting: Counting) -> dict[str, Any]:
    return _named("accuracy", accuracy(votes, counting), "pairs")


def _named(name: str, share: Share, count: str) -> dict[str, float | int | None]:
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high, count: share.votes}
