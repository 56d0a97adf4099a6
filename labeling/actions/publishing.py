"""What a run has made becomes the platform's: a model version, or completions in the queue.

Exactly once, whatever workers go through: all of it is one transaction of a claim that still holds (runs.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.db.models import F

from labeling.actions import announcements, artifacts, audit, completions, fresh
from labeling.actions.clock import Clock
from labeling.actions.runs import Claim, lock, released
from labeling.models import ModelKind, ModelVersion, Project, Run, RunStage
from training.contracts import GeneratedRow, RunResult, read_rows

MODEL_OF: dict[str, str] = {
    RunStage.SFT: ModelKind.SFT,
    RunStage.REWARD: ModelKind.REWARD,
    RunStage.PPO: ModelKind.POLICY,
    RunStage.DPO: ModelKind.POLICY,
}
"""The stages whose output is a model."""


@transaction.atomic
def publish(claim: Claim, result: RunResult, artifact: str) -> None:
    """Complete the run with its outputs, all in one: the model version, or the completions it generated.

    `artifact` is in the store already. Raises Fenced; where the answer to an earlier COMMIT was lost, ask
    `is_published`. A stop that was requested meanwhile comes too late.
    """
    run = lock(claim)
    Run.objects.filter(pk=run.pk).update(
        **released(Run.State.COMPLETED),
        finished_at=Clock(),
        artifact=artifact,
        result=result.metrics,
        step=F("total_steps"),
        error="",
    )
    model = _create_model(run, result, artifact) if run.stage in MODEL_OF else None
    if run.stage == RunStage.GENERATE:
        writer = _writer(run)
        completions.store_generated(run, generated(artifact), writer)
        if run.round_id is None:  # in a round it is the loop that fills the queue
            fresh.queue_items(run, writer, {})
    audit.record("run.completed", project=run.project, subject=run.public_id, artifact=artifact)
    announcements.run_finished(run, model)


def _writer(run: Run) -> ModelVersion:
    """Whose texts a generate run brings: its policy's, or those of the model that a server runs."""
    if server := run.settings.get("server", {}).get("name"):
        return completions.outside_model(run.project, run.settings["server"]["model"] or server)
    policy = run.inputs.select_related("model").get(name="policy").model
    assert policy is not None
    return policy


def is_published(claim: Claim, artifact: str) -> bool:
    """Whether this very attempt has completed the run with this artifact."""
    return Run.objects.filter(
        pk=claim.run.pk, attempt=claim.attempt, state=Run.State.COMPLETED, artifact=artifact
    ).exists()


def generated(artifact: str) -> Iterator[GeneratedRow]:
    """The samples of a generate run, but those with a NUL, which PostgreSQL cannot hold."""
    rows = read_rows(artifacts.path(artifact) / "completions.jsonl", GeneratedRow)
    return (row for row in rows if "\x00" not in row.text)


def _create_model(run: Run, result: RunResult, artifact: str) -> ModelVersion:
    """Models are numbered by project and kind; the project's row makes two publishers take turns."""
    Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    kind = MODEL_OF[run.stage]
    name = "judge" if run.is_judge else kind
    alike = ModelVersion.objects.filter(project=run.project, kind=kind, run__is_judge=run.is_judge)
    number = alike.count() + 1
    while ModelVersion.objects.filter(project=run.project, name=f"{name}-{number}").exists():
        number += 1  # an outside model has taken the name
    return ModelVersion.objects.create(
        project=run.project,
        kind=kind,
        name=f"{name}-{number}",
        run=run,
        artifact=artifact,
        report=result.metrics,
    )
