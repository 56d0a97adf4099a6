"""Runs: the truth about training. A Celery message is only a hint that a run may be waiting."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id


class RunStage(models.TextChoices):
    SFT = "sft", _("SFT")
    REWARD = "reward", _("reward model")
    PPO = "ppo", _("PPO")
    DPO = "dpo", _("DPO")
    GENERATE = "generate", _("generate")
    EVALUATE = "evaluate", _("evaluate")


class Run(models.Model):
    """One stage of training on frozen inputs.

    waiting ──claim (attempt + 1)──► running ──publish──► completed
       ▲                                │ ├─stop────────► stopped
       ├──────── SIGTERM: given back ───┤ └─error, last attempt or not retryable──► failed
       └── error or lease over, back-off┘
    waiting ──stop──► stopped

    The claim raises `attempt`, which is the fencing token: every later write of a worker names its
    attempt, and a write with an older one changes no row (actions/runs.py). Time is the database's.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        STOPPED = "stopped", _("stopped")

    ACTIVE = (State.WAITING, State.RUNNING)

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="runs")
    round = models.ForeignKey("Round", on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    stage = models.CharField(max_length=8, choices=RunStage)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    settings: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    seed = models.PositiveIntegerField(default=0)
    is_judge = models.BooleanField(
        default=False, help_text="A reward model that evaluates alone: no policy is trained against it."
    )
    resources = models.CharField(
        max_length=30, blank=True, default="", help_text="A name from RANKLOOP_RESOURCES; empty: any worker."
    )
    recipe_digest = models.CharField(
        max_length=64, help_text="SHA-256 of stage, settings, seed and inputs: equal recipes need one run."
    )
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(
        default=0, help_text="Attempts that failed or lost their lease; being given back is no failure."
    )
    max_attempts = models.PositiveIntegerField(default=5, help_text="So many failures end the run.")
    owner = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(db_default=Now())
    hinted_at = models.DateTimeField(
        null=True, blank=True, help_text="When a worker was last told that this run waits."
    )
    stop_requested = models.BooleanField(default=False)
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    result: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    artifact = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="")
    log_tail = models.TextField(blank=True, default="")
    created_by = models.ForeignKey("User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["round", "stage", "is_judge"],
                condition=models.Q(round__isnull=False) & ~models.Q(stage="evaluate"),
                name="run_round_stage_once",
            ),
            models.CheckConstraint(condition=models.Q(stage__in=RunStage.values), name="run_stage"),
            models.CheckConstraint(
                condition=models.Q(is_judge=False) | models.Q(stage="reward"), name="run_judge_is_reward"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running", owner__isnull=False, lease_until__isnull=False)
                | (~models.Q(state="running") & models.Q(owner__isnull=True, lease_until__isnull=True)),
                name="run_lease",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="completed") | ~models.Q(artifact=""),
                name="run_completed_has_artifact",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "not_before"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="run_active",
            ),
            models.Index(fields=["project", "recipe_digest"], name="run_recipe"),
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.public_id}"


class RunInput(models.Model):
    """A dataset version or model version that a run reads, under its name below `inputs/`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inputs", db_index=False)
    name = models.CharField(max_length=32)
    dataset = models.ForeignKey(
        "DatasetVersion", on_delete=models.PROTECT, null=True, related_name="run_inputs"
    )
    model = models.ForeignKey("ModelVersion", on_delete=models.PROTECT, null=True, related_name="run_inputs")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="run_input_once"),
            models.CheckConstraint(
                condition=models.Q(dataset__isnull=False, model__isnull=True)
                | models.Q(dataset__isnull=True, model__isnull=False),
                name="run_input_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.name}"


class RunMetric(models.Model):
    """One line of a run's metrics.jsonl, copied in fenced batches."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics", db_index=False)
    line = models.PositiveIntegerField()
    values: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "line"], name="metric_line_once")]

    def __str__(self) -> str:
        return f"{self.run_id}:{self.line}"
