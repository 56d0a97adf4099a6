"""Which imported prompts are queued, and with which of their answers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import comb

from django.db.models import Exists, OuterRef

from labeling.actions.items import NewItem, create_items
from labeling.models import (
    Completion,
    CompletionOrigin,
    Demonstration,
    Item,
    Kind,
    LoopPolicy,
    ModelKind,
    Origin,
    Project,
    Prompt,
    Purpose,
    Split,
)


@dataclass
class Queued:
    rank_items: Counter[int] = field(default_factory=Counter)
    """By K."""
    too_few_to_rank: int = 0
    demonstrate_items: int = 0


def queue_imported(
    project: Project,
    prompts: Mapping[int, Prompt],
    answered: set[int],
    *,
    k: int,
    seed: int,
    demonstrate: bool,
) -> Queued:
    """Make the items that these prompts (by key) do not have yet, in the caller's transaction.

    To rank: for each of `answered` with at least two distinct answers of outside models, up to `k` of them,
    drawn uniformly by `seed` and the prompt, whatever else is imported; the item records the draw's
    probability, 1 in C(n, K). To demonstrate, if asked for: for each prompt without a demonstration. The
    loop policy says how many people answer an item, more for the validation split.
    """
    policy = LoopPolicy.objects.filter(project=project).first() or LoopPolicy(project=project)
    done = set(
        Item.objects.filter(prompt__in=prompts, origin=Origin.IMPORTED, purpose=Purpose.WORK).values_list(
            "prompt_id", "kind"
        )
    )
    queued = Queued()
    items = []
    for key, answers in _distinct_answers({key for key in answered if (key, Kind.RANK) not in done}).items():
        if len(answers) < 2:
            queued.too_few_to_rank += 1
            continue
        prompt = prompts[key]
        drawn = min(k, len(answers))
        queued.rank_items[drawn] += 1
        items.append(
            NewItem(
                prompt,
                Kind.RANK,
                random.Random(f"{seed} {bytes(prompt.digest).hex()}").sample(answers, drawn),
                overlap=_overlap(policy, prompt),
                probability=1 / comb(len(answers), drawn),
            )
        )
    if demonstrate:
        has_one = set(
            Demonstration.objects.filter(prompt__in=prompts)
            .exclude(item__purpose=Purpose.TEST)
            .values_list("prompt_id", flat=True)
        )
        wanted = [
            prompt
            for key, prompt in prompts.items()
            if key not in has_one and (key, Kind.DEMONSTRATE) not in done
        ]
        queued.demonstrate_items = len(wanted)
        items += [NewItem(prompt, Kind.DEMONSTRATE, overlap=_overlap(policy, prompt)) for prompt in wanted]
    create_items(project, items)
    return queued


def _distinct_answers(prompts: set[int]) -> dict[int, list[Completion]]:
    """The completions by outside models of each prompt, in an order that does not depend on the import."""
    outside = CompletionOrigin.objects.filter(completion=OuterRef("pk"), model__kind=ModelKind.OUTSIDE)
    found: dict[int, list[Completion]] = {}
    for completion in (
        Completion.objects.filter(Exists(outside), prompt__in=prompts)
        .defer("text")
        .order_by("prompt", "digest")
    ):
        found.setdefault(completion.prompt_id, []).append(completion)
    return found


def _overlap(policy: LoopPolicy, prompt: Prompt) -> int:
    return policy.valid_overlap if prompt.split == Split.VALID else policy.overlap
