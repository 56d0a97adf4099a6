"""Models, and the completions they wrote."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

from labeling.models.ids import public_id


class ModelKind(models.TextChoices):
    OUTSIDE = "outside"
    SFT = "sft"
    REWARD = "reward"
    POLICY = "policy"


class ModelVersion(models.Model):
    """A model that can be named: an outside one, or the output of exactly one run.

    The row is what makes a trained model visible; it is written in the same fenced transaction that
    completes its run (actions/publishing.py), and `artifact` addresses its files by content.
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="models")
    kind = models.CharField(max_length=8, choices=ModelKind)
    name = models.CharField(max_length=100)
    run = models.OneToOneField(
        "Run", on_delete=models.PROTECT, null=True, blank=True, related_name="model_version"
    )
    artifact = models.CharField(max_length=64, blank=True, default="")
    report: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="model_name_once"),
            models.CheckConstraint(
                condition=models.Q(kind="outside", run__isnull=True, artifact="")
                | (~models.Q(kind="outside") & models.Q(run__isnull=False) & ~models.Q(artifact="")),
                name="model_outside_or_run",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Completion(models.Model):
    """A text that answers a prompt. Texts that differ only in white space at their ends are one row.

    `author` is set where a person wrote it: nobody ranks a text of their own.
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    prompt = models.ForeignKey("Prompt", on_delete=models.PROTECT, related_name="completions")
    text = models.TextField()
    digest = models.BinaryField(max_length=32, editable=False)
    author = models.ForeignKey("User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "digest"], name="completion_text_once"),
            # The target of a composite foreign key: an item's completions answer the item's prompt.
            models.UniqueConstraint(fields=["id", "prompt"], name="completion_of_prompt"),
        ]

    def __str__(self) -> str:
        line = " ".join(self.text.split())
        return line if len(line) <= 80 else line[:79] + "…"


class CompletionOrigin(models.Model):
    """A model that wrote this text, and how it was sampled. Several models may have written one text."""

    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="origins")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="origins")
    run = models.ForeignKey("Run", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    sampling: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, help_text="Temperature, top_p, seed and sample number; tokens, finish, log-probability."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["completion", "model", "run"], name="origin_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} wrote {self.completion_id}"
