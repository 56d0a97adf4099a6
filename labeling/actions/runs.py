"""Runs: creating, claiming, watching over; what one has made is made known by publishing.py.

A worker holds a run by its *claim*: the attempt that its claim began. Every write names it and changes no
row once the run has another attempt, another owner or another state; such a worker is *fenced* and must
stop. A worker that cannot reach the database must stop by itself before its lease is over (launcher.py).
All times are the database's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from labeling.actions import announcements, audit
from labeling.actions.clock import Clock, from_now
from labeling.actions.errors import BadInput, NotNow
from labeling.models import (
    DatasetVersion,
    ModelKind,
    ModelVersion,
    Project,
    Round,
    Run,
    RunInput,
    RunMetric,
    User,
)
from training.contracts import STAGE_INPUTS, Settings

FIRST_BACK_OFF = 10
LONGEST_BACK_OFF = 600
"""Seconds until a failed run may be claimed again; doubled at each failure."""
PUT_OFF_SECONDS = 60
HINT_SECONDS = 30
"""A waiting run is announced to the workers once in so many seconds."""
MAX_LOG = 20_000
"""Characters of a run's log that are kept with it."""

Inputs = Mapping[str, DatasetVersion | ModelVersion]


class Fenced(Exception):
    """The claim is no longer good: the run has gone on without this worker, which must stop."""


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a run."""

    run: Run
    attempt: int
    owner: uuid.UUID


@dataclass(frozen=True)
class Orders:
    """What a heartbeat brings back."""

    stop: bool


# --- creating ---------------------------------------------------------------------------------------


@transaction.atomic
def create(
    project: Project,
    stage: str,
    *,
    settings: Settings,
    seed: int,
    inputs: Inputs,
    round: Round | None = None,
    actor: User | None = None,
    is_judge: bool = False,
    resources: str = "",
) -> Run:
    """Write a waiting run; the caller's door tells the workers after commit.

    `resources` names what it is trained with, which is no part of its recipe (actions/resources.py).
    Raises BadInput if an input is missing, unknown, unfinished or of another project.
    """
    _check_inputs(project, stage, inputs)
    run = Run.objects.create(
        project=project,
        round=round,
        stage=stage,
        is_judge=is_judge,
        settings=dataclasses.asdict(settings),
        seed=seed,
        resources=resources,
        recipe_digest=recipe_digest(stage, settings, seed, inputs),
        created_by=actor,
    )
    RunInput.objects.bulk_create(
        RunInput(run=run, name=name, **{_field(thing): thing}) for name, thing in sorted(inputs.items())
    )
    audit.record("run.created", project=project, actor=actor, subject=run.public_id, stage=stage)
    return run


def recipe_digest(stage: str, settings: Settings, seed: int, inputs: Inputs) -> str:
    """SHA-256 over all that a run's outcome follows from; inputs count by their content."""
    recipe = {
        "stage": stage,
        "settings": dataclasses.asdict(settings),
        "seed": seed,
        "inputs": _contents(inputs),
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def completed(
    project: Project, stage: str, settings: Settings, seed: int, inputs: Inputs, *, but: Collection[str] = ()
) -> Run | None:
    """The newest completed run of the project with this recipe; its inputs of the names `but` may differ."""
    alike = Run.objects.filter(
        project=project,
        stage=stage,
        settings=dataclasses.asdict(settings),
        seed=seed,
        state=Run.State.COMPLETED,
    ).prefetch_related("inputs__dataset", "inputs__model")
    wanted = _contents(inputs, but)
    for run in alike.order_by("-pk"):
        had: Inputs = {given.name: given.dataset or given.model for given in run.inputs.all()}  # type: ignore[misc]
        if _contents(had, but) == wanted:
            return run
    return None


def newest_reward(project: Project) -> ModelVersion | None:
    """The reward model that policies are trained against now; no judge is ever taken for it."""
    models = ModelVersion.objects.filter(project=project, kind=ModelKind.REWARD, run__is_judge=False)
    return models.order_by("-pk").first()


def _contents(inputs: Inputs, but: Collection[str] = ()) -> dict[str, str]:
    return {name: thing.artifact for name, thing in inputs.items() if name not in but}


def _check_inputs(project: Project, stage: str, inputs: Inputs) -> None:
    known = dict(STAGE_INPUTS[stage])  # type: ignore[index]
    for name, thing in inputs.items():
        if name not in known:
            raise BadInput(_("The stage has no such input."), field=f"inputs.{name}")
        if thing.project_id != project.pk or not thing.artifact:
            raise BadInput(_("This input cannot be used here."), field=f"inputs.{name}")
    for name, required in known.items():
        if required and name not in inputs:
            raise BadInput(_("This input is missing."), field=f"inputs.{name}")


def _field(thing: DatasetVersion | ModelVersion) -> str:
    return "dataset" if isinstance(thing, DatasetVersion) else "model"


# --- a worker's verbs -------------------------------------------------------------------------------


@transaction.atomic
def claim(run_id: int) -> Claim | None:
    """Begin the next attempt of a waiting run; None if it is not waiting (any more), or not yet due."""
    owner = uuid.uuid4()
    taken = Run.objects.filter(pk=run_id, state=Run.State.WAITING, not_before__lte=Clock()).update(
        state=Run.State.RUNNING,
        attempt=F("attempt") + 1,
        owner=owner,
        lease_until=from_now(seconds=settings.RUN_LEASE_SECONDS),
        started_at=Coalesce("started_at", Clock()),
        step=0,
        total_steps=0,
    )
    if not taken:
        return None
    RunMetric.objects.filter(run_id=run_id).delete()  # a new attempt tells its story from the start
    run = Run.objects.select_related("project", "round").get(pk=run_id)
    return Claim(run, run.attempt, owner)


def is_active(run: Run) -> bool:
    """Whether there is, or will be, an attempt at the run."""
    return Run.objects.filter(pk=run.pk, state__in=Run.ACTIVE).exists()


def put_off(run_id: int, reason: str) -> None:
    """A worker cannot begin this waiting run now, which is no failure: it waits a little, and says why."""
    Run.objects.filter(pk=run_id, state=Run.State.WAITING, not_before__lte=Clock()).update(
        error=reason, not_before=from_now(seconds=PUT_OFF_SECONDS)
    )


def heartbeat(claim: Claim, step: int, total: int) -> Orders:
    """Renew the lease and say how far the run is. Raises Fenced."""
    renewed = _held(claim).update(
        lease_until=from_now(seconds=settings.RUN_LEASE_SECONDS), step=step, total_steps=total
    )
    if not renewed:
        raise Fenced
    return Orders(stop=Run.objects.values_list("stop_requested", flat=True).get(pk=claim.run.pk))


@transaction.atomic
def record_metrics(claim: Claim, first: int, lines: Sequence[dict[str, Any]]) -> None:
    """Copy lines of metrics.jsonl; `first` is the number of the first of them, from 0. Raises Fenced."""
    lock(claim)
    RunMetric.objects.bulk_create(
        [
            RunMetric(run_id=claim.run.pk, line=number, values=values)
            for number, values in enumerate(lines, first)
        ],
        ignore_conflicts=True,  # the same lines again, after a commit whose answer was lost
    )


@transaction.atomic
def fail(claim: Claim, reason: str, *, retryable: bool, log_tail: str = "") -> None:
    """The attempt failed: the run waits for another after a pause, or has failed for good. Raises Fenced."""
    run = lock(claim)
    _after_failure(run, reason, retryable=retryable, log_tail=log_tail)


@transaction.atomic
def give_back(claim: Claim) -> None:
    """The worker is going away: the run waits for another at once, and that is no failure. Raises Fenced."""
    run = lock(claim)
    if run.stop_requested:
        _stop(run)
    else:
        Run.objects.filter(pk=run.pk).update(
            **released(Run.State.WAITING), not_before=Clock(), hinted_at=None
        )


@transaction.atomic
def stopped(claim: Claim, *, log_tail: str = "") -> None:
    """The worker has stopped the run as it was told. Raises Fenced."""
    _stop(lock(claim), log_tail)


def _held(claim: Claim) -> models.QuerySet[Run]:
    return Run.objects.filter(
        pk=claim.run.pk, attempt=claim.attempt, owner=claim.owner, state=Run.State.RUNNING
    )


def lock(claim: Claim) -> Run:
    """The run, locked and still held by this claim. Raises Fenced."""
    run = _held(claim).select_for_update(no_key=True, of=("self",)).select_related("project").first()
    if run is None:
        raise Fenced
    return run


def released(state: str) -> dict[str, Any]:
    return {"state": state, "owner": None, "lease_until": None}


def _after_failure(run: Run, reason: str, *, retryable: bool, log_tail: str) -> None:
    """Called with the run locked."""
    if run.stop_requested:
        _stop(run, log_tail)
        return
    failures = run.failures + 1
    kept = {"failures": failures, "error": _clean(reason), "log_tail": _clean(log_tail)[-MAX_LOG:]}
    if retryable and failures < run.max_attempts:
        pause = min(FIRST_BACK_OFF * 2 ** (failures - 1), LONGEST_BACK_OFF)
        Run.objects.filter(pk=run.pk).update(
            **released(Run.State.WAITING), **kept, not_before=from_now(seconds=pause), hinted_at=None
        )
        return
    Run.objects.filter(pk=run.pk).update(**released(Run.State.FAILED), **kept, finished_at=Clock())
    audit.record("run.failed", project=run.project, subject=run.public_id, failures=failures)
    announcements.run_failed(run, failures)


def _stop(run: Run, log_tail: str = "") -> None:
    """Called with the run locked."""
    Run.objects.filter(pk=run.pk).update(
        **released(Run.State.STOPPED), finished_at=Clock(), log_tail=_clean(log_tail)[-MAX_LOG:]
    )


def _clean(text: str) -> str:
    return text.replace("\x00", "�")


# --- a person's verb, and the sweeper's -------------------------------------------------------------


@transaction.atomic
def request_stop(run: Run, actor: User | None = None) -> None:
    """Stop a waiting run at once, a running one as soon as its worker hears of it. Raises NotNow."""
    locked = Run.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=run.pk)
    if locked.state == Run.State.WAITING:
        _stop(locked)
    elif locked.state == Run.State.RUNNING:
        Run.objects.filter(pk=run.pk).update(stop_requested=True)
    else:
        raise NotNow(_("The run is over."))
    audit.record("run.stop", project=locked.project, actor=actor, subject=locked.public_id)


@transaction.atomic
def sweep() -> int:
    """End the attempts whose lease is over: their worker died or was cut off. Returns how many."""
    lost = (
        Run.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
        .select_related("project")
        .filter(state=Run.State.RUNNING, lease_until__lt=Clock())
    )
    runs = list(lost)
    for run in runs:
        reason = _("The worker was lost: it died, or was cut off from the database.")
        _after_failure(run, reason, retryable=True, log_tail=run.log_tail)
    return len(runs)


def waiting_ids() -> list[int]:
    """Runs that are due and were not announced lately; they count as announced now."""
    due = Run.objects.filter(state=Run.State.WAITING, not_before__lte=Clock()).filter(
        Q(hinted_at=None) | Q(hinted_at__lt=from_now(seconds=-HINT_SECONDS))
    )
    ids = list(due.order_by("pk").values_list("pk", flat=True))
    Run.objects.filter(pk__in=ids).update(hinted_at=Clock())
    return ids
