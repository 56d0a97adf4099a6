"""The loop: it reads rows and writes the next ones. It holds no state and may be stopped anywhere.

`tick` starts the rounds that are due and moves each open round on as far as it goes. A move is one
transaction under the lock of its round: two ticks at once make it once. A round that failed or was
stopped leaves the project to a lead: nothing starts by itself until a lead has started a round again.
"""

from __future__ import annotations

import datetime
import logging

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, Max, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import audit, policies, runs, steps
from labeling.actions.errors import ActionError, NotNow
from labeling.actions.rows import Selection, current_rankings
from labeling.actions.text import check_text
from labeling.models import (
    DatasetRow,
    LoopPolicy,
    Project,
    Round,
    RoundStep,
    Run,
    ScheduledRound,
    Split,
    StepName,
    Trigger,
    User,
)

log = logging.getLogger(__name__)

FIRST = (StepName.FREEZE, StepName.SFT, StepName.PROMOTE, StepName.GENERATE, StepName.RETIRE)
MAX_REASON_BYTES = 2000


# --- ticking ----------------------------------------------------------------------------------------


def tick() -> None:
    """Start what is due and move on what is open, project by project; one's trouble is not another's."""
    for project in Project.objects.select_related("loop_policy").filter(loop_policy__isnull=False):
        try:
            start_due(project)
            for round in Round.objects.filter(project=project, state=Round.State.RUNNING):
                while steps.move(round.pk):
                    pass
        except OperationalError as error:
            log.info("project %s: put off until the next tick: %s", project.slug, error)
        except Exception:
            log.exception("project %s: the loop cannot move", project.slug)


def start_due(project: Project) -> None:
    """Start a round if something that starts one by itself is there."""
    policy = project.loop_policy
    keep_schedule(project)
    trigger = due_trigger(project, policy)
    if trigger is not None:
        try:
            start_round(project, trigger)
        except ActionError as refusal:  # another tick was quicker, or the policy cannot be used
            log.warning("project %s: no round starts: %s", project.slug, refusal)


def due_trigger(project: Project, policy: LoopPolicy) -> Trigger | None:
    """What starts a round now, the schedule apart."""
    last = last_round(project)
    if (last is not None and last.state != Round.State.COMPLETED) or not has_demonstrations(project):
        return None
    if policy.bootstrap and project.policy_model_id is None and last is None:
        return Trigger.BOOTSTRAP
    wanted = policy.rankings_per_round
    if policy.enabled and wanted is not None and new_rankings(project) >= wanted:
        return Trigger.RANKINGS
    return None


@transaction.atomic
def keep_schedule(project: Project) -> None:
    """Keep one row for the next due time of the project's schedule, and start the round of a past one.

    The row is written ahead of its time: so a schedule that was just set starts nothing at once, and a
    time that passed while nothing ran is made good. Two beats meet in the row's lock.
    """
    policy = project.loop_policy
    pending = ScheduledRound.objects.filter(project=project, round=None, outcome="")
    if not policy.enabled or policy.daily_at is None:
        pending.delete()
        return
    with connection.cursor() as database:
        database.execute("SELECT clock_timestamp()")
        (now,) = database.fetchone()
    due = next_due(now, policy.daily_at)
    pending.filter(due_at__gt=now).exclude(due_at=due).delete()
    for row in pending.filter(due_at__lte=now).select_for_update(skip_locked=True):
        try:
            row.round = _start_scheduled(project)
            row.outcome = "started"
        except ActionError as refusal:
            row.outcome = f"{refusal.field} {refusal.message}".strip()[:200]
        row.save()
    ScheduledRound.objects.get_or_create(project=project, due_at=due)


def next_due(now: datetime.datetime, daily_at: datetime.time) -> datetime.datetime:
    """The first time after `now` at this time of day, UTC."""
    today = now.astimezone(datetime.UTC).date()
    due = datetime.datetime.combine(today, daily_at, tzinfo=datetime.UTC)
    return due if due > now else due + datetime.timedelta(days=1)


def _start_scheduled(project: Project) -> Round:
    last = last_round(project)
    if last is not None and last.state in (Round.State.FAILED, Round.State.STOPPED):
        raise NotNow(_("The last round did not end well, and no lead has started another."))
    if (last is None or last.state == Round.State.COMPLETED) and not new_rankings(project):
        raise NotNow(_("There are no new rankings."))
    return start_round(project, Trigger.SCHEDULE)


# --- what the loop looks at -------------------------------------------------------------------------


def last_round(project: Project) -> Round | None:
    return Round.objects.filter(project=project).order_by("-number").first()


def new_rankings(project: Project) -> int:
    """Rankings, as they now stand, that the last round with comparisons did not have.

    A version that a lead froze by hand does not count: nothing was trained on it.
    """
    current = current_rankings(Selection(project, project.loop_policy.include_simulated))
    freeze = RoundStep.objects.filter(
        round__project=project, name=StepName.FREEZE, detail__datasets__has_key="comparisons"
    ).order_by("-round__number")
    latest = freeze.first()
    if latest is None:
        return current.count()
    taken = DatasetRow.objects.filter(
        version__public_id=latest.detail["datasets"]["comparisons"], ranking=OuterRef("pk")
    )
    return current.filter(~Exists(taken)).count()


def has_demonstrations(project: Project) -> bool:
    chosen = Selection(project, project.loop_policy.include_simulated, frozenset({Split.TRAIN}))
    return chosen.demonstrations().exists()


def has_rankings(project: Project) -> bool:
    chosen = Selection(project, project.loop_policy.include_simulated, frozenset({Split.TRAIN}))
    return chosen.rankings().filter(revisions__ranks__isnull=False).exists()


# --- a lead's verbs ---------------------------------------------------------------------------------


@transaction.atomic
def start_round(
    project: Project, trigger: str, actor: User | None = None, *, permute_seed: int | None = None
) -> Round:
    """Open a round: the whole walk where there are rankings, else a first one that trains SFT alone (FIRST).

    `permute_seed` makes it a control (datasets.take). Raises NotNow if a round is open or there are no
    demonstrations, BadInput if the policy's settings cannot be used.
    """
    locked = Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)
    policies.check(locked.loop_policy)
    last = last_round(locked)
    if last is not None and last.state in Round.OPEN:
        raise NotNow(_("Round %(number)d is not over yet.") % {"number": last.number})
    if not has_demonstrations(locked):
        raise NotNow(_("There are no demonstrations to train on yet."))
    number = (Round.objects.filter(project=locked).aggregate(latest=Max("number"))["latest"] or 0) + 1
    round = Round.objects.create(project=locked, number=number, trigger=trigger, started_by=actor)
    whole = trigger != Trigger.BOOTSTRAP and has_rankings(locked)
    control = {} if permute_seed is None else {"permute_seed": permute_seed}
    RoundStep.objects.bulk_create(
        RoundStep(round=round, ordinal=ordinal, name=name, detail=control if name == StepName.FREEZE else {})
        for ordinal, name in enumerate(whole_walk(locked.loop_policy) if whole else FIRST)
    )
    audit.record(
        "round.started", project=locked, actor=actor, subject=round.public_id, number=number, trigger=trigger
    )
    return round


def whole_walk(policy: LoopPolicy) -> list[StepName]:
    """The steps of a round with rankings. Evaluation comes last: nobody's fresh items wait for it."""
    evaluation = [StepName.JUDGE, StepName.EVALUATE] if policy.evaluation_reward else [StepName.EVALUATE]
    return [
        StepName.FREEZE,
        StepName.SFT,
        StepName.REWARD,
        StepName.GATE,
        StepName(policy.trainer),
        StepName.PROMOTE,
        StepName.GENERATE,
        StepName.RETIRE,
        *(evaluation if policy.evaluate else []),
    ]


@transaction.atomic
def stop_round(round: Round, actor: User | None = None) -> None:
    """Stop a round and what it runs. Raises NotNow if it is over."""
    locked = _lock(round)
    if locked.state not in (*Round.OPEN, Round.State.FAILED):
        raise NotNow(_("The round is over."))
    for run in Run.objects.filter(round=locked, state__in=Run.ACTIVE).order_by("pk"):
        runs.request_stop(run, actor)
    locked.steps.filter(state__in=[RoundStep.State.RUNNING, RoundStep.State.HELD]).update(
        state=RoundStep.State.FAILED, finished_at=Now()
    )
    Round.objects.filter(pk=locked.pk).update(state=Round.State.STOPPED, finished_at=Now())
    audit.record("round.stopped", project=locked.project, actor=actor, subject=locked.public_id)


@transaction.atomic
def override_gate(round: Round, actor: User, reason: str) -> None:
    """Let a held round go on, on record. Raises NotNow if it is not held, BadInput without a reason."""
    check_text(reason, "reason", max_bytes=MAX_REASON_BYTES)
    locked = _lock(round)
    if locked.state != Round.State.HELD:
        raise NotNow(_("The round is not held by a gate."))
    locked.steps.filter(state=RoundStep.State.HELD).update(state=RoundStep.State.DONE, finished_at=Now())
    Round.objects.filter(pk=locked.pk).update(
        state=Round.State.RUNNING, overridden_by=actor, override_reason=reason
    )
    audit.record("round.overridden", project=locked.project, actor=actor, subject=locked.public_id)


def _lock(round: Round) -> Round:
    rounds = Round.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    return rounds.get(pk=round.pk)
