"""The steps of a round: what each does, and when it is done.

A step is called again at every tick until it is done; it looks at the rows and makes the next change, all
inside the transaction of one move (`move`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import announcements, audit, datasets, gates, policies, resources, runs
from labeling.actions.errors import ActionError
from labeling.actions.items import NewItem, create_items, retire
from labeling.actions.rows import Selection
from labeling.models import (
    Completion,
    CompletionOrigin,
    DatasetKind,
    DatasetVersion,
    Item,
    Kind,
    ModelVersion,
    Origin,
    Project,
    Round,
    RoundStep,
    Run,
    RunStage,
    Split,
    StepName,
)

SEEDS_A_ROUND = 10
SAMPLE = "sample"
"""The prompts that a round generates completions for."""


def move(round_id: int) -> bool:
    """Make the next move of a running round; True if another may follow at once.

    A step that cannot go on fails its round, with the reason.
    """
    step = _current(round_id)
    # All versions of a round show one moment, so the freeze has a transaction of its own kind.
    freezing = step is not None and step.name == StepName.FREEZE
    try:
        with datasets.snapshot() if freezing else transaction.atomic():
            round = Round.objects.select_for_update(no_key=True, of=("self",)).get(pk=round_id)
            if round.state != Round.State.RUNNING:
                return False
            before, step = step, _current(round_id)
            if step != before:
                return True
            if step is None:
                _close(round, Round.State.COMPLETED)
                return False
            return STEPS[step.name](round, step)
    except ActionError as error:
        assert step is not None
        fail(step, f"{error.field}: {error.message}" if error.field else error.message)
        return False


@transaction.atomic
def fail(step: RoundStep, reason: str) -> None:
    """The step, and so its round, has failed."""
    round = Round.objects.select_for_update(no_key=True).get(pk=step.round_id)
    _end_step(step, RoundStep.State.FAILED)
    _close(round, Round.State.FAILED, reason)


def _current(round_id: int) -> RoundStep | None:
    steps = RoundStep.objects.filter(round_id=round_id).exclude(state=RoundStep.State.DONE)
    return steps.select_related("round__project__loop_policy", "run").order_by("ordinal").first()


def _end_step(step: RoundStep, state: str, **detail: Any) -> None:
    RoundStep.objects.filter(pk=step.pk).update(
        state=state, detail={**step.detail, **detail}, finished_at=Now()
    )


def _close(round: Round, state: str, reason: str = "") -> None:
    Round.objects.filter(pk=round.pk).update(state=state, reason=reason, finished_at=Now())
    audit.record(f"round.{state}", project=round.project, subject=round.public_id, number=round.number)


# --- freeze -----------------------------------------------------------------------------------------


def _freeze(round: Round, step: RoundStep) -> bool:
    project = round.project
    full = round.steps.filter(name=StepName.PPO).exists()
    taken = {DatasetKind.SFT.value: datasets.take(project, DatasetKind.SFT)}
    if full:
        seed = step.detail.get("permute_seed")
        taken["comparisons"] = datasets.take(project, DatasetKind.COMPARISONS, permute_seed=seed)
        taken["prompts"] = datasets.take(project, DatasetKind.PROMPTS, splits=(Split.TRAIN,))
    chances = _choose_prompts(project, random.Random(f"{project.public_id}:{round.number}"))
    taken[SAMPLE] = datasets.take(project, DatasetKind.PROMPTS, among=list(chances))
    round.steps.filter(name=StepName.GENERATE).update(
        detail={"chances": {str(prompt): chance for prompt, chance in chances.items()}}
    )
    figures = {name: version.counts["rows"] for name, version in taken.items()}
    names = {name: version.public_id for name, version in taken.items()}
    _end_step(step, RoundStep.State.DONE, datasets=names, rows=figures)
    return True


def _choose_prompts(project: Project, chance: random.Random) -> dict[int, float]:
    """The prompts of a round's items: each one's key, and with what probability it was chosen.

    A share comes from the validation split. Within a split those with fewest items come first, and among
    equals chance decides: so a prompt's probability is 1, or that of its group.
    """
    policy = project.loop_policy
    valid = round_half_up(policy.items_per_round * policy.valid_share)
    wanted = {Split.TRAIN: policy.items_per_round - valid, Split.VALID: valid}
    chosen: dict[int, float] = {}
    for split, count in wanted.items():
        prompts = Selection(project, policy.include_simulated, frozenset({split})).prompts()
        had = Count("items", filter=Q(items__kind=Kind.RANK))
        groups: dict[int, list[int]] = defaultdict(list)
        for prompt, items in prompts.annotate(had=had).order_by("pk").values_list("pk", "had"):
            groups[items].append(prompt)
        for _items, group in sorted(groups.items()):
            taken = min(count, len(group))
            count -= taken
            chosen |= dict.fromkeys(chance.sample(group, taken), taken / len(group))
    return chosen


def round_half_up(value: float) -> int:
    return int(value + 0.5)


# --- the steps that are runs ------------------------------------------------------------------------


def _sft(round: Round, step: RoundStep) -> bool:
    # The seed is the same in every round: with nothing new to learn, the model of an earlier one is taken.
    return _run(round, step, RunStage.SFT, {"dataset.jsonl": _dataset(round, "sft")}, seed=0)


def _reward(round: Round, step: RoundStep) -> bool:
    inputs = {
        "dataset.jsonl": _dataset(round, "comparisons"),
        "demonstrations.jsonl": _dataset(round, "sft"),
        "base": _model(round, StepName.SFT),
    }
    return _run(round, step, RunStage.REWARD, inputs)


def _ppo(round: Round, step: RoundStep) -> bool:
    inputs = {
        "prompts.jsonl": _dataset(round, "prompts"),
        "policy": _model(round, StepName.SFT),
        "reward": _model(round, StepName.REWARD),
    }
    return _run(round, step, RunStage.PPO, inputs)


def _generate(round: Round, step: RoundStep) -> bool:
    inputs = {"prompts.jsonl": _dataset(round, SAMPLE), "policy": _newest_policy(round)}
    return _run(round, step, RunStage.GENERATE, inputs)


def _run(
    round: Round, step: RoundStep, stage: str, inputs: dict[str, Any], *, seed: int | None = None
) -> bool:
    """Create the step's run, or take an earlier one of the same recipe; then wait for its end."""
    if step.run is None:
        settings = policies.stage_settings(round.project.loop_policy, stage)
        if seed is None:
            seed = round.number * SEEDS_A_ROUND + step.ordinal
        digest = runs.recipe_digest(stage, settings, seed, inputs)
        step.run = runs.completed(round.project, digest) if stage == RunStage.SFT else None
        step.reused = step.run is not None
        if step.run is None:
            step.run = runs.create(
                round.project,
                stage,
                settings=settings,
                seed=seed,
                inputs=inputs,
                round=round,
                resources=resources.chosen(round.project.loop_policy, stage),
            )
        RoundStep.objects.filter(pk=step.pk).update(
            state=RoundStep.State.RUNNING, run=step.run, reused=step.reused, started_at=Now()
        )
    run = step.run
    if run.state == Run.State.COMPLETED:
        figures = _queue_items(round, step, run) if stage == RunStage.GENERATE else {}
        _end_step(step, RoundStep.State.DONE, **figures)
        return True
    if run.state == Run.State.FAILED:
        fail(step, run.error)
    elif run.state == Run.State.STOPPED:
        fail(step, _("Its run was stopped."))
    return False


def _dataset(round: Round, name: str) -> DatasetVersion:
    freeze = round.steps.get(name=StepName.FREEZE)
    return DatasetVersion.objects.get(public_id=freeze.detail["datasets"][name])


def _model(round: Round, name: str) -> ModelVersion:
    return ModelVersion.objects.get(run__round_steps__round=round, run__round_steps__name=name)


def _newest_policy(round: Round) -> ModelVersion:
    """What the round has trained: PPO's policy, or in a first round the SFT model."""
    full = round.steps.filter(name=StepName.PPO).exists()
    return _model(round, StepName.PPO if full else StepName.SFT)


def _queue_items(round: Round, step: RoundStep, run: Run) -> dict[str, Any]:
    """Fresh items to rank: one for each prompt with two or more distinct completions."""
    policy, model = round.project.loop_policy, _newest_policy(round)
    chances = step.detail.pop("chances")
    origins = CompletionOrigin.objects.filter(run=run).select_related("completion__prompt")
    texts: dict[int, list[Completion]] = defaultdict(list)
    for origin in origins.order_by("pk"):
        texts[origin.completion.prompt_id].append(origin.completion)
    news = []
    for completions in texts.values():
        prompt = completions[0].prompt
        if len(completions) < 2:
            continue
        held_out = prompt.split == Split.VALID
        news.append(
            NewItem(
                prompt,
                Kind.RANK,
                completions[: policy.completions_per_item],
                overlap=policy.valid_overlap if held_out else policy.overlap,
                origin=Origin.GENERATED,
                model=model,
                round=round,
                arm=prompt.split,
                probability=chances[str(prompt.pk)],
            )
        )
    create_items(round.project, news)
    return {"items": len(news), "too_alike": len(chances) - len(news)}


# --- gate, promotion, retiring ----------------------------------------------------------------------


def _gate(round: Round, step: RoundStep) -> bool:
    policy = round.project.loop_policy
    if not policy.reward_gate:
        _end_step(step, RoundStep.State.DONE, off=True)
        return True
    verdict = gates.judge_reward(_model(round, StepName.REWARD).report, policy)
    if verdict.passed:
        _end_step(step, RoundStep.State.DONE, **verdict.figures)
        return True
    _end_step(step, RoundStep.State.HELD, why=verdict.why, **verdict.figures)
    reason = gates.sentence(verdict.why, verdict.figures)
    Round.objects.filter(pk=round.pk).update(state=Round.State.HELD, reason=reason)
    audit.record("round.held", project=round.project, subject=round.public_id, why=verdict.why)
    announcements.gate_stopped(round, step.name, verdict.why, reason, verdict.figures)
    return False


def _promote(round: Round, step: RoundStep) -> bool:
    model = _newest_policy(round)
    Project.objects.filter(pk=round.project_id).update(policy_model=model)
    ModelVersion.objects.filter(pk=model.pk, promoted_at=None).update(promoted_at=Now())
    audit.record("model.promoted", project=round.project, subject=model.public_id, round=round.number)
    _end_step(step, RoundStep.State.DONE, model=model.public_id, name=model.name)
    return True


def _retire(round: Round, step: RoundStep) -> bool:
    """Open items of older policies go; imported, gold and comparison items never go stale."""
    stale = Item.objects.filter(
        project=round.project, kind=Kind.RANK, origin=Origin.GENERATED, state=Item.State.OPEN
    ).exclude(model=_newest_policy(round))
    _end_step(step, RoundStep.State.DONE, items=retire(stale, project=round.project))
    return True


STEPS: dict[str, Callable[[Round, RoundStep], bool]] = {
    StepName.FREEZE: _freeze,
    StepName.SFT: _sft,
    StepName.REWARD: _reward,
    StepName.GATE: _gate,
    StepName.PPO: _ppo,
    StepName.PROMOTE: _promote,
    StepName.GENERATE: _generate,
    StepName.RETIRE: _retire,
}
