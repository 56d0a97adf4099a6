"""Prompts: what is asked."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id


class Split(models.TextChoices):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


class UseCase(models.TextChoices):
    """InstructGPT's ten (arXiv 2203.02155, table 1)."""

    GENERATION = "generation", _("Writing something new")
    OPEN_QA = "open_qa", _("A question that takes knowledge")
    BRAINSTORMING = "brainstorming", _("Ideas, lists")
    CHAT = "chat", _("Conversation")
    REWRITE = "rewrite", _("Rewriting a given text")
    SUMMARIZATION = "summarization", _("Summarizing a given text")
    CLASSIFICATION = "classification", _("Sorting into classes")
    OTHER = "other", _("Something else")
    CLOSED_QA = "closed_qa", _("A question about a given text")
    EXTRACT = "extract", _("Finding facts in a given text")


class Sensitive(models.TextChoices):
    """What a labeler may ask not to see; a prompt may be of several."""

    SEXUAL = "sexual", _("sexual content")
    VIOLENCE = "violence", _("violence")
    SELF_HARM = "self_harm", _("self-harm")
    HATE = "hate", _("hate")
    OTHER = "other", _("other disturbing content")


class Prompt(models.Model):
    """A conversation of one or more turns that ends with the user's.

    `digest` is the SHA-256 of its canonical messages: the same conversation is one prompt of a project.
    `group` is the author or organisation; a group is never divided over splits.
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="prompts")
    digest = models.BinaryField(max_length=32, editable=False)
    messages: models.JSONField[list[dict[str, str]], list[dict[str, str]]] = models.JSONField()
    split = models.CharField(max_length=5, choices=Split)
    use_case = models.CharField(max_length=32, blank=True, default="")
    language = models.CharField(max_length=16, blank=True, default="")
    group = models.CharField(max_length=200, blank=True, default="")
    licence = models.CharField(max_length=100, blank=True, default="")
    source = models.CharField(max_length=100, blank=True, default="", help_text="Where it came from.")
    external_id = models.CharField(max_length=200, blank=True, default="")
    author = models.ForeignKey(
        "User",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The labeler who wrote it.",
    )
    sensitive = ArrayField(
        models.CharField(max_length=16, choices=Sensitive),
        default=list,
        blank=True,
        help_text="Slots repeat it: the claim reads one index.",
    )
    flags = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        help_text="What its author said of it (InstructGPT's table 7): see WrittenPromptRevision.",
    )
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="prompt_digest_once"),
            models.CheckConstraint(condition=models.Q(split__in=Split.values), name="prompt_split"),
        ]
        indexes = [
            models.Index(fields=["project", "split"], name="prompt_project_split"),
            models.Index(
                fields=["project", "group"], condition=~models.Q(group=""), name="prompt_project_group"
            ),
        ]

    def __str__(self) -> str:
        return self.preview()

    def preview(self) -> str:
        """The last message on one line, cut to eighty characters."""
        last: Any = self.messages[-1]["content"] if self.messages else ""
        line = " ".join(str(last).split())
        return line if len(line) <= 80 else line[:79] + "…"
