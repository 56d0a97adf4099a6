"""Fresh completions for the ranking queue: which prompts get some, and the items that they become."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping

from django.db.models import Count, Q

from labeling.actions.items import NewItem, create_items
from labeling.actions.rows import Selection
from labeling.models import (
    Completion,
    CompletionOrigin,
    Kind,
    LoopPolicy,
    ModelKind,
    ModelVersion,
    Origin,
    Project,
    Purpose,
    Run,
    Split,
)


def choose_prompts(project: Project, count: int, chance: random.Random) -> dict[int, float]:
    """The prompts of so many items: each one's key, and with what probability it was chosen.

    A share comes from the validation split. Within a split those with fewest items come first, and among
    equals chance decides: so a prompt's probability is 1, or that of its group.
    """
    policy = project.loop_policy
    valid = _round_half_up(count * policy.valid_share)
    wanted = {Split.TRAIN: count - valid, Split.VALID: valid}
    chosen: dict[int, float] = {}
    for split, left in wanted.items():
        prompts = Selection(project, policy.include_simulated, frozenset({split})).prompts()
        had = Count("items", filter=Q(items__kind=Kind.RANK, items__purpose=Purpose.WORK))
        groups: dict[int, list[int]] = defaultdict(list)
        for prompt, items in prompts.annotate(had=had).order_by("pk").values_list("pk", "had"):
            groups[items].append(prompt)
        for _items, group in sorted(groups.items()):
            taken = min(left, len(group))
            left -= taken
            chosen |= dict.fromkeys(chance.sample(group, taken), taken / len(group))
    return chosen


def queue_items(run: Run, model: ModelVersion, chances: Mapping[int, float]) -> int:
    """Items to rank of what a generate run wrote, one for each prompt with two or more distinct completions.

    `chances` says by prompt with what probability it was chosen (1 where somebody named it). What an outside
    model wrote does not go stale when a new policy is promoted. Returns how many items there are.
    """
    policy = LoopPolicy.objects.filter(project=run.project_id).first() or LoopPolicy(project=run.project)
    is_outside = model.kind == ModelKind.OUTSIDE
    texts: dict[int, list[Completion]] = defaultdict(list)
    origins = CompletionOrigin.objects.filter(run=run).select_related("completion__prompt")
    for origin in origins.order_by("pk"):
        texts[origin.completion.prompt_id].append(origin.completion)
    news = []
    for completions in texts.values():
        prompt = completions[0].prompt
        if len(completions) < 2:
            continue
        news.append(
            NewItem(
                prompt,
                Kind.RANK,
                completions[: policy.completions_per_item],
                overlap=policy.valid_overlap if prompt.split == Split.VALID else policy.overlap,
                origin=Origin.IMPORTED if is_outside else Origin.GENERATED,
                model=model,
                round=run.round,
                arm=prompt.split,
                probability=chances.get(prompt.pk, 1.0),
            )
        )
    return create_items(run.project, news)


def _round_half_up(value: float) -> int:
    return int(value + 0.5)
