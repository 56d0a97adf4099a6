"""Prompts that labelers write: the answers to items that ask for one."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.answers import Answer, Revision
from labeling.models.demonstrations import Verdict


class PromptKind(models.TextChoices):
    """InstructGPT's three (arXiv 2203.02155, A.1)."""

    PLAIN = "plain", _("Plain: any task")
    FEW_SHOT = "few_shot", _("Few-shot: an instruction and examples of it")
    USER_BASED = "user_based", _("User-based: what a user of the product would ask")


class PromptFlag(models.TextChoices):
    """What its author says of a prompt (arXiv 2203.02155, table 7)."""

    AMBIGUOUS = "ambiguous", _("Ambiguous")
    SENSITIVE = "sensitive", _("Sensitive content")
    IDENTITY = "identity", _("Depends on who asks")
    CLOSED_DOMAIN = "closed_domain", _("Closed domain: all that is needed is in the prompt")
    CONTINUATION = "continuation", _("Continuation style")
    OPINION = "opinion", _("Asks for an opinion")
    ADVICE = "advice", _("Asks for advice")
    MORAL = "moral", _("Asks for a moral judgment")
    SAFETY_CONSTRAINTS = "safety_constraints", _("States safety constraints")
    OTHER_CONSTRAINTS = "other_constraints", _("States other constraints")
    INTENT_UNCLEAR = "intent_unclear", _("Intent unclear")


class WrittenPrompt(Answer):
    """A prompt by a labeler. It becomes a row of `Prompt` once it is taken into the project.

    written ──taken──► adopted (`prompt`)     after the time for undo, or after a reviewer's verdict where
                                              one is wanted (actions/written_prompts.py)

    Two people may write the same: both are then of one prompt, whose author is the first.
    """

    prompt = models.ForeignKey(
        "Prompt", on_delete=models.PROTECT, null=True, blank=True, related_name="written"
    )
    wants_review = models.BooleanField(default=False)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(item__isnull=False, assignment__isnull=False, labeler__isnull=False),
                name="written_prompt_whole",
            ),
            models.UniqueConstraint(fields=["item", "labeler"], name="written_prompt_labeler_once"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(wants_review=True), name="written_prompt_wants_review"
            ),
        ]

    def __str__(self) -> str:
        return f"written prompt {self.public_id}"


class WrittenPromptRevision(Revision):
    """`messages` as a prompt's: a few-shot prompt's examples are turns before the last one."""

    written_prompt = models.ForeignKey(
        WrittenPrompt, on_delete=models.PROTECT, related_name="revisions", db_index=False
    )
    kind = models.CharField(max_length=10, choices=PromptKind)
    messages: models.JSONField[list[dict[str, str]], list[dict[str, str]]] = models.JSONField()
    use_case = models.CharField(max_length=32, blank=True, default="")
    language = models.CharField(max_length=16, blank=True, default="")
    flags = ArrayField(models.CharField(max_length=32, choices=PromptFlag), default=list)
    pasted_share = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["written_prompt", "number"], name="written_prompt_revision_once"),
            models.UniqueConstraint(fields=["labeler", "idempotency_key"], name="written_prompt_key_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=PromptKind.values), name="written_prompt_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.written_prompt_id} revision {self.number}"
