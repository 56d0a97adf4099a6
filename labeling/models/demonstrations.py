"""Demonstrations: answers that people wrote themselves, or that came with an import."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.answers import Answer, Revision


class DemonstrationSource(models.TextChoices):
    LABELER = "labeler"
    IMPORTED = "imported"


class Verdict(models.TextChoices):
    """What a reviewer made of a text that a labeler wrote."""

    ACCEPTED = "accepted", _("accepted")
    EDITED = "edited", _("accepted with changes")
    RETURNED = "returned", _("sent back")
    REJECTED = "rejected", _("not used")


class Demonstration(Answer):
    """An imported one has no item, assignment or labeler; its text is unique within its prompt.

    `wants_review` until a reviewer has given a `verdict`; what wants review, is sent back or rejected is not
    trained on. A reviewer's change is a revision of theirs, so what was changed is the difference to the one
    before it.
    """

    prompt = models.ForeignKey("Prompt", on_delete=models.PROTECT, related_name="demonstrations")
    source = models.CharField(max_length=8, choices=DemonstrationSource)
    wants_review = models.BooleanField(default=False)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True, default="")
    import_digest = models.BinaryField(max_length=32, null=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    source="labeler",
                    item__isnull=False,
                    assignment__isnull=False,
                    labeler__isnull=False,
                    import_digest__isnull=True,
                )
                | models.Q(
                    source="imported",
                    item__isnull=True,
                    assignment__isnull=True,
                    slot__isnull=True,
                    import_digest__isnull=False,
                ),
                name="demonstration_source",
            ),
            models.UniqueConstraint(fields=["prompt", "import_digest"], name="demonstration_import_once"),
            models.UniqueConstraint(fields=["item", "labeler"], name="demonstration_labeler_once"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(wants_review=True), name="demonstration_wants_review"
            ),
        ]

    def __str__(self) -> str:
        return f"demonstration {self.public_id}"


class DemonstrationRevision(Revision):
    demonstration = models.ForeignKey(
        Demonstration, on_delete=models.PROTECT, related_name="revisions", db_index=False
    )
    text = models.TextField()
    pasted_share = models.FloatField(
        null=True, help_text="Of its characters, as the page counted them; null: not known."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["demonstration", "number"], name="demonstration_revision_once"),
            models.UniqueConstraint(fields=["labeler", "idempotency_key"], name="demonstration_key_once"),
            models.CheckConstraint(condition=~models.Q(text=""), name="demonstration_not_empty"),
            models.CheckConstraint(
                condition=models.Q(pasted_share__isnull=True)
                | models.Q(pasted_share__gte=0, pasted_share__lte=1),
                name="demonstration_pasted_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.demonstration_id} revision {self.number}"
