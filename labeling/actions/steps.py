"""The steps of a round: what each does, and when it is done.

A step is called again at every tick until it is done; it looks at the rows and makes the next change, all
inside the transaction of one move (`move`).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import (
    announcements,
    audit,
    corpora,
    datasets,
    fresh,
    gates,
    policies,
    resources,
    runs,
)
from labeling.actions.errors import ActionError
from labeling.actions.items import retire
from labeling.actions.rows import Selection
from labeling.models import (
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
from training.contracts import GenerateSettings, RewardSettings, Settings, SftSettings

SEEDS_A_ROUND = 10
SAMPLE, HELD_OUT = "sample", "held_out"
"""The prompts that a round generates completions for, and those that it measures its policy on."""


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
    walked = set(round.steps.values_list("name", flat=True))
    taken = {DatasetKind.SFT.value: datasets.take(project, DatasetKind.SFT)}
    if StepName.REWARD in walked:
        seed = step.detail.get("permute_seed")
        taken["comparisons"] = datasets.take(project, DatasetKind.COMPARISONS, permute_seed=seed)
    if StepName.PPO in walked:
        taken["prompts"] = datasets.take(project, DatasetKind.PROMPTS, splits=(Split.TRAIN,))
    if StepName.EVALUATE in walked and (split := _held_out_split(project)):
        taken[HELD_OUT] = datasets.take(project, DatasetKind.PROMPTS, splits=(split,))
    imported = {kind: corpora.newest(project, kind) for kind in corpora.ROWS}
    taken |= {kind: version for kind, version in imported.items() if version is not None}
    chances = fresh.choose_prompts(
        project, project.loop_policy.items_per_round, random.Random(f"{project.public_id}:{round.number}")
    )
    taken[SAMPLE] = datasets.take(project, DatasetKind.PROMPTS, among=list(chances))
    round.steps.filter(name=StepName.GENERATE).update(
        detail={"chances": {str(prompt): chance for prompt, chance in chances.items()}}
    )
    figures = {name: version.counts["rows"] for name, version in taken.items()}
    names = {name: version.public_id for name, version in taken.items()}
    _end_step(step, RoundStep.State.DONE, datasets=names, rows=figures)
    return True


def _held_out_split(project: Project) -> str | None:
    """Whose prompts a policy is measured on: an evaluation reward model has learned the validation split."""
    splits = (Split.TEST, Split.VALID) if project.loop_policy.evaluation_reward else (Split.VALID, Split.TEST)
    simulated = project.loop_policy.include_simulated
    held_out = (
        split for split in splits if Selection(project, simulated, frozenset({split})).prompts().exists()
    )
    return next(held_out, None)


# --- the steps that are runs ------------------------------------------------------------------------


def _sft(round: Round, step: RoundStep) -> bool:
    settings = policies.stage_settings(round.project.loop_policy, RunStage.SFT)
    assert isinstance(settings, SftSettings)
    inputs: dict[str, Any] = {"dataset.jsonl": _dataset(round, "sft"), **_pretraining(round, settings)}
    if settings.checkpoint == "best" and (judge := runs.newest_reward(round.project)):
        inputs["reward"] = judge
    # The seed is the same in every round: with nothing new to learn, the model of an earlier one is taken.
    return _run(round, step, settings, inputs, seed=0)


def _reward(round: Round, step: RoundStep) -> bool:
    settings = policies.stage_settings(round.project.loop_policy, RunStage.REWARD)
    return _run(round, step, settings, _reward_inputs(round))


def _judge(round: Round, step: RoundStep) -> bool:
    """A reward model that shares neither prompts nor held-out labelers with the one that was trained against.

    The seed is that one's, for the seed settles who is held out.
    """
    settings = policies.stage_settings(round.project.loop_policy, RunStage.REWARD)
    assert isinstance(settings, RewardSettings)
    judging = dataclasses.replace(settings, learns_from="valid")
    seed = round.runs.get(stage=RunStage.REWARD, is_judge=False).seed
    return _run(round, step, judging, _reward_inputs(round), seed=seed)


def _reward_inputs(round: Round) -> dict[str, Any]:
    return {
        "dataset.jsonl": _dataset(round, "comparisons"),
        "demonstrations.jsonl": _dataset(round, "sft"),
        "base": _model(round, StepName.SFT),
    }


def _ppo(round: Round, step: RoundStep) -> bool:
    settings = policies.stage_settings(round.project.loop_policy, RunStage.PPO)
    inputs = {
        "prompts.jsonl": _dataset(round, "prompts"),
        "policy": _model(round, StepName.SFT),
        "reward": _model(round, StepName.REWARD),
        **_pretraining(round, settings),
    }
    return _run(round, step, settings, inputs)


def _dpo(round: Round, step: RoundStep) -> bool:
    settings = policies.stage_settings(round.project.loop_policy, RunStage.DPO)
    inputs = {"dataset.jsonl": _dataset(round, "comparisons"), "policy": _model(round, StepName.SFT)}
    return _run(round, step, settings, inputs)


def _generate(round: Round, step: RoundStep) -> bool:
    settings = policies.stage_settings(round.project.loop_policy, RunStage.GENERATE)
    assert isinstance(settings, GenerateSettings)
    inputs: dict[str, Any] = {"prompts.jsonl": _dataset(round, SAMPLE), "policy": _newest_policy(round)}
    if settings.best_of > 1:
        if judge := runs.newest_reward(round.project):
            inputs["reward"] = judge
        else:  # a first round has none yet
            settings = dataclasses.replace(settings, best_of=1)
    return _run(round, step, settings, inputs)


def _evaluate(round: Round, step: RoundStep) -> bool:
    """The policy against the SFT model that it started as."""
    if HELD_OUT not in _frozen(round):
        _end_step(step, RoundStep.State.DONE, off=True)
        return True
    inputs: dict[str, Any] = {
        "prompts.jsonl": _dataset(round, HELD_OUT),
        "policy": _newest_policy(round),
        "reference": _model(round, StepName.SFT),
        "reward": _model(round, StepName.REWARD),
    }
    if round.steps.filter(name=StepName.JUDGE).exists():
        inputs["evaluation_reward"] = _model(round, StepName.JUDGE)
    if DatasetKind.TASKS in _frozen(round):
        inputs["tasks.jsonl"] = _dataset(round, DatasetKind.TASKS)
    settings = policies.stage_settings(round.project.loop_policy, RunStage.EVALUATE)
    return _run(round, step, settings, inputs)


def _pretraining(round: Round, settings: Settings) -> dict[str, Any]:
    """The corpus, for a stage that mixes it in. Raises ActionError if there is none."""
    if not policies.mixes_pretraining_in(settings):
        return {}
    if DatasetKind.PRETRAINING not in _frozen(round):
        raise ActionError(_("The project has no pretraining corpus."))
    return {"pretraining.jsonl": _dataset(round, DatasetKind.PRETRAINING)}


def _run(
    round: Round, step: RoundStep, settings: Settings, inputs: dict[str, Any], *, seed: int | None = None
) -> bool:
    """Create the step's run, or take an earlier one that learned the same; then wait for its end."""
    is_judge = step.name == StepName.JUDGE
    stage = RunStage.REWARD if is_judge else RunStage(step.name)
    if step.run is None:
        if seed is None:
            seed = round.number * SEEDS_A_ROUND + step.ordinal
        if stage == RunStage.SFT:
            # By which reward model its checkpoint was chosen is no reason to train again.
            step.run = runs.completed(round.project, stage, settings, seed, inputs, but={"reward"})
        step.reused = step.run is not None
        if step.run is None:
            step.run = runs.create(
                round.project,
                stage,
                settings=settings,
                seed=seed,
                inputs=inputs,
                round=round,
                is_judge=is_judge,
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


def _frozen(round: Round) -> dict[str, str]:
    """The versions that the round's freeze took, or found: their public ids by name."""
    found: dict[str, str] = round.steps.get(name=StepName.FREEZE).detail["datasets"]
    return found


def _dataset(round: Round, name: str) -> DatasetVersion:
    return DatasetVersion.objects.get(public_id=_frozen(round)[name])


def _model(round: Round, name: str) -> ModelVersion:
    return ModelVersion.objects.get(run__round_steps__round=round, run__round_steps__name=name)


def _newest_policy(round: Round) -> ModelVersion:
    """What the round has trained: PPO's or DPO's policy, or in a first round the SFT model."""
    trained = round.steps.filter(name__in=(StepName.PPO, StepName.DPO)).first()
    return _model(round, trained.name if trained else StepName.SFT)


def _queue_items(round: Round, step: RoundStep, run: Run) -> dict[str, Any]:
    chances = {int(prompt): chance for prompt, chance in step.detail.pop("chances").items()}
    items = fresh.queue_items(run, _newest_policy(round), chances)
    return {"items": items, "too_alike": len(chances) - items}


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
    StepName.DPO: _dpo,
    StepName.PROMOTE: _promote,
    StepName.GENERATE: _generate,
    StepName.RETIRE: _retire,
    StepName.JUDGE: _judge,
    StepName.EVALUATE: _evaluate,
}
