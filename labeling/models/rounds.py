"""Rounds of the loop, their steps, and the schedule."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id


class Trigger(models.TextChoices):
    BOOTSTRAP = "bootstrap", _("first model")
    RANKINGS = "rankings", _("enough new rankings")
    SCHEDULE = "schedule", _("schedule")
    MANUAL = "manual", _("started by a lead")


class StepName(models.TextChoices):
    """All steps that a round may have, in their order; which it has is settled when it starts (loop.py)."""

    FREEZE = "freeze", _("freeze")
    SFT = "sft", _("SFT")
    REWARD = "reward", _("reward model")
    GATE = "gate", _("reward gate")
    PPO = "ppo", _("PPO")
    DPO = "dpo", _("DPO")
    PROMOTE = "promote", _("promotion")
    GENERATE = "generate", _("generate")
    RETIRE = "retire", _("retire")
    JUDGE = "judge", _("evaluation reward model")
    EVALUATE = "evaluate", _("evaluate")


class Round(models.Model):
    """One walk from frozen answers to fresh completions. At most one is open in a project.

    running ──► completed     all steps are done
       ├──────► held          a gate failed: `reason` says why ──override──► running
       ├──────► failed        a run of it is dead
       └──────► stopped       by a lead
    held, failed ──► stopped  by a lead
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        HELD = "held", _("held by a gate")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        STOPPED = "stopped", _("stopped")

    OPEN = (State.RUNNING, State.HELD)

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    trigger = models.CharField(max_length=10, choices=Trigger)
    reason = models.TextField(blank=True, default="")
    started_by = models.ForeignKey("User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    overridden_by = models.ForeignKey(
        "User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    override_reason = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="round_number_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(state__in=["running", "held"]), name="round_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number}"


class RoundStep(models.Model):
    """One step of a round: waiting ──► running ──► done | held | failed."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        HELD = "held", _("held")
        FAILED = "failed", _("failed")

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="steps", db_index=False)
    ordinal = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=10, choices=StepName)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    run = models.ForeignKey(
        "Run", on_delete=models.PROTECT, null=True, blank=True, related_name="round_steps"
    )
    reused = models.BooleanField(default=False, help_text="The run of an earlier round with the same inputs.")
    detail: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["round", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["round", "ordinal"], name="step_ordinal_once"),
            models.UniqueConstraint(fields=["round", "name"], name="step_name_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of round {self.round_id}"


class ScheduledRound(models.Model):
    """A due time of a project's schedule. Unique, so that two beats start one round."""

    project = models.ForeignKey("Project", on_delete=models.CASCADE, related_name="schedule")
    due_at = models.DateTimeField()
    round = models.ForeignKey(Round, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    outcome = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "due_at"], name="schedule_once")]

    def __str__(self) -> str:
        return f"{self.project_id} at {self.due_at:%Y-%m-%d %H:%M}"
