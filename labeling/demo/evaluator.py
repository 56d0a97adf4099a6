"""The evaluator of the string-instruction task: with the simulated labelers, the only caller of `gold`.

It reads the completions that an evaluate run sampled on held-out prompts and knows no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from labeling.demo import figures
from labeling.demo import string_instructions as task
from training.contracts import GeneratedRow, read_rows


@dataclass(frozen=True)
class Sampled:
    """Gold and exactness at one temperature, by prompt id (the mean over a prompt's samples)."""

    gold: dict[str, float]
    exact: dict[str, float]

    def mean_gold(self) -> figures.Mean:
        return figures.mean(self.gold[prompt] for prompt in sorted(self.gold))

    def mean_exact(self) -> figures.Mean:
        return figures.mean(self.exact[prompt] for prompt in sorted(self.exact))


def by_temperature(completions: Path, prompts: Mapping[str, str]) -> dict[float, Sampled]:
    """What a policy is worth at each temperature. `prompts` gives the text of each prompt id."""
    golds: dict[float, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    exacts: dict[float, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in read_rows(completions, GeneratedRow):
        prompt = prompts[row.prompt]
        golds[row.temperature][row.prompt].append(task.gold(prompt, row.text))
        exacts[row.temperature][row.prompt].append(float(task.is_exact(prompt, row.text)))
    return {
        temperature: Sampled(
            gold={prompt: sum(values) / len(values) for prompt, values in golds[temperature].items()},
            exact={prompt: sum(values) / len(values) for prompt, values in exacts[temperature].items()},
        )
        for temperature in golds
    }


def reward_accuracy(completions: Path, prompts: Mapping[str, str], temperature: float = 1.0) -> figures.Mean:
    """How often the reward model orders two samples of a prompt as gold does, mean over prompts.

    Pairs that gold holds equal are left out, and prompts without another pair.
    """
    scored: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in read_rows(completions, GeneratedRow):
        if row.temperature == temperature and row.reward is not None:
            scored[row.prompt][row.text] = (task.gold(prompts[row.prompt], row.text), row.reward)
    shares = []
    for texts in scored.values():
        pairs = [
            (one[0] - other[0]) * (one[1] - other[1]) > 0
            for one, other in combinations(texts.values(), 2)
            if abs(one[0] - other[0]) > task.TIE_WITHIN
        ]
        if pairs:
            shares.append(sum(pairs) / len(pairs))
    return figures.mean(shares)
