"""What `evaluate` reports of responses that have been drawn and scored: figures, slices, win rates.

A policy is optimised against one reward model, which then flatters it (Gao et al. 2023, arXiv 2210.10760). So
each figure is given by that model and by one that was trained on other labelers and prompts, and the gap
between the two beside them. The README says what each key means.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from training.contracts import TRAINED_ON, GeneratedRow, TrainedOn, from_dict, read_json
from training.data import Prompt
from training.votes import Counting, bootstrap_share

JUDGES = ("reward", "evaluation_reward")
"""Inputs of a run and fields of a row: what the policy was optimised against, and what it was not."""
SHOWN = 20
"""Prompts whose responses stand side by side in the report."""

Drawn = Mapping[str, Sequence[GeneratedRow]]
"""The responses of one model at one temperature, by prompt."""
Votes = list[tuple[str, float]]
"""(prompt, outcome of one comparison)."""


def by_prompt(rows: Sequence[GeneratedRow]) -> dict[str, list[GeneratedRow]]:
    found: dict[str, list[GeneratedRow]] = defaultdict(list)
    for row in rows:
        found[row.prompt].append(row)
    return dict(found)


def temperature_report(
    prompts: Sequence[Prompt],
    policy: Drawn,
    reference: Drawn | None,
    kls: Mapping[str, Sequence[float]] | None,
    judges: Sequence[str],
    counting: Counting,
) -> dict[str, Any]:
    """Figures of all prompts, and of each use case and language. `kls` are nats of the policy's responses."""

    def of(some: Sequence[Prompt]) -> dict[str, Any]:
        names = [prompt.public_id for prompt in some]
        figures: dict[str, Any] = {"prompts": len(names), **side(names, policy, judges)}
        if kls is not None:
            figures |= mean_with_error("kl", [kls[name] for name in names])
        if reference is not None:
            figures["reference"] = side(names, reference, judges)
            figures["win_rate"] = win_rates(names, policy, reference, judges, counting)
        return figures

    def sliced(name_of: Callable[[Prompt], str]) -> dict[str, Any]:
        slices = sorted({name_of(prompt) for prompt in prompts} - {""})
        return {name: of([prompt for prompt in prompts if name_of(prompt) == name]) for name in slices}

    return {
        **of(prompts),
        "by_use_case": sliced(lambda prompt: prompt.use_case),
        "by_language": sliced(lambda prompt: prompt.language),
    }


def side(prompts: Sequence[str], drawn: Drawn, judges: Sequence[str]) -> dict[str, float]:
    """One model's lengths and rewards."""
    rows = [row for prompt in prompts for row in drawn[prompt]]
    figures = {
        "mean_tokens": statistics.fmean(cast(int, row.tokens) for row in rows),
        "cut_off": statistics.fmean(row.finish == "length" for row in rows),
    }
    for judge in judges:
        figures |= mean_with_error(judge, [scores(drawn[prompt], judge) for prompt in prompts])
    return figures


def win_rates(
    prompts: Sequence[str], policy: Drawn, reference: Drawn, judges: Sequence[str], counting: Counting
) -> dict[str, Any]:
    """By each judge, and with two the gap: how much oftener the first lets the policy win than the second."""
    votes = {judge: comparisons(prompts, policy, reference, judge) for judge in judges}
    rates: dict[str, Any] = {judge: rate(votes[judge], counting) for judge in judges}
    if len(judges) == 2:
        one, other = (votes[judge] for judge in judges)
        apart = [(prompt, vote - against) for (prompt, vote), (_, against) in zip(one, other, strict=True)]
        rates["gap"] = interval(apart, counting)
    return rates


def comparisons(prompts: Sequence[str], policy: Drawn, reference: Drawn, judge: str) -> Votes:
    """Each response of the policy against each of the reference to that prompt: 1 a win, a half a tie."""
    return [
        (prompt, 0.5 if own == other else float(own > other))
        for prompt in prompts
        for own in scores(policy[prompt], judge)
        for other in scores(reference[prompt], judge)
    ]


def rate(votes: Votes, counting: Counting) -> dict[str, Any]:
    share = bootstrap_share(votes, *counting)
    return {
        "win_rate": share.value,
        "win_rate_low": share.low,
        "win_rate_high": share.high,
        "comparisons": share.votes,
        "ties": sum(vote == 0.5 for _, vote in votes),
    }


def interval(votes: Votes, counting: Counting) -> dict[str, float | None]:
    share = bootstrap_share(votes, *counting)
    return {"value": share.value, "low": share.low, "high": share.high}


def mean_with_error(name: str, values: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean over prompts of each one's mean, and its standard error."""
    means = [statistics.fmean(some) for some in values]
    error = statistics.stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    return {name: statistics.fmean(means), f"{name}_error": error}


def scores(rows: Sequence[GeneratedRow], judge: str) -> list[float]:
    return [getattr(row, judge) for row in rows]


def side_by_side(
    prompts: Sequence[Prompt], policy: Drawn, reference: Drawn, judges: Sequence[str]
) -> list[dict[str, Any]]:
    """The first responses of both to some prompts, evenly spaced among all: chosen by nobody's favour."""

    def shown(row: GeneratedRow) -> dict[str, Any]:
        return {"text": row.text, "tokens": row.tokens, **{judge: getattr(row, judge) for judge in judges}}

    count = min(SHOWN, len(prompts))
    chosen = [prompts[number * len(prompts) // count].public_id for number in range(count)]
    return [
        {
            "prompt": prompt,
            "temperature": policy[prompt][0].temperature,
            "policy": shown(policy[prompt][0]),
            "reference": shown(reference[prompt][0]),
        }
        for prompt in chosen
    ]


def overlap(reward: Path, evaluation_reward: Path, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """How far the two reward models have learned from the same people and prompts; None where one of the
    model folders does not say what it was trained on.
    """
    trained = {
        name: _trained_on(folder) for name, folder in zip(JUDGES, (reward, evaluation_reward), strict=True)
    }
    asked = {prompt.public_id for prompt in prompts}
    shared: dict[str, Any] = {"shared_prompts": None, "shared_labelers": None, "independent": None}
    one, other = trained.values()
    if one is not None and other is not None:
        in_both = set(one.prompts) & set(other.prompts), set(one.labelers) & set(other.labelers)
        shared = {
            "shared_prompts": len(in_both[0]),
            "shared_labelers": len(in_both[1]),
            "independent": not any(in_both),
        }
    known = {name: None if each is None else len(asked & set(each.prompts)) for name, each in trained.items()}
    return {**shared, "prompts_trained_on": known}


def _trained_on(folder: Path) -> TrainedOn | None:
    path = folder / TRAINED_ON
    return from_dict(TrainedOn, read_json(path), path.name) if path.is_file() else None
