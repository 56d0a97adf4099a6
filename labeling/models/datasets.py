"""Dataset versions: what a model was trained on, for ever."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

from labeling.models.ids import public_id


class DatasetKind(models.TextChoices):
    SFT = "sft"
    COMPARISONS = "comparisons"
    PROMPTS = "prompts"
    PRETRAINING = "pretraining"
    TASKS = "tasks"


FROZEN = (DatasetKind.SFT, DatasetKind.COMPARISONS, DatasetKind.PROMPTS)
"""The kinds that are made of what is in the database; the others are files that an operator imports."""


class DatasetVersion(models.Model):
    """A frozen set of rows.

    incomplete ──► complete     by actions/datasets.freeze, once; a version that fails is deleted whole
    complete                    by actions/corpora.py: a file that was imported is whole from birth

    An imported version has no rows here: nothing in the database is their source.

    Complete versions and their rows cannot be changed or deleted: a trigger refuses it. `digest` is the
    SHA-256 of the JSONL bytes, which are a pure function of the rows; `artifact` addresses the files.
    """

    class State(models.TextChoices):
        INCOMPLETE = "incomplete"
        COMPLETE = "complete"

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="datasets")
    kind = models.CharField(max_length=12, choices=DatasetKind)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.INCOMPLETE)
    digest = models.CharField(max_length=64, blank=True, default="")
    artifact = models.CharField(max_length=64, blank=True, default="")
    counts: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    recipe: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, help_text="What was asked for: which rows, and any permutation of a control."
    )
    created_by = models.ForeignKey("User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "number"], name="dataset_number_once"),
            models.CheckConstraint(
                condition=models.Q(state="incomplete")
                | (~models.Q(digest="") & ~models.Q(artifact="") & models.Q(completed_at__isnull=False)),
                name="dataset_complete_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class DatasetRow(models.Model):
    """One row of a version: exactly one revision of an answer, or one prompt."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="rows", db_index=False)
    ordinal = models.PositiveIntegerField()
    ranking = models.ForeignKey(
        "RankingRevision", on_delete=models.PROTECT, null=True, related_name="dataset_rows"
    )
    demonstration = models.ForeignKey(
        "DemonstrationRevision", on_delete=models.PROTECT, null=True, related_name="dataset_rows"
    )
    prompt = models.ForeignKey("Prompt", on_delete=models.PROTECT, null=True, related_name="dataset_rows")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "ordinal"], name="dataset_ordinal_once"),
            models.CheckConstraint(
                condition=models.Q(ranking__isnull=False, demonstration__isnull=True, prompt__isnull=True)
                | models.Q(ranking__isnull=True, demonstration__isnull=False, prompt__isnull=True)
                | models.Q(ranking__isnull=True, demonstration__isnull=True, prompt__isnull=False),
                name="dataset_row_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}:{self.ordinal}"
