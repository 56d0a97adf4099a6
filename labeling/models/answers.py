"""What every kind of answer has in common; rankings.py and demonstrations.py add the content."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from labeling.models.ids import public_id


class Answer(models.Model):
    """One person's answer to one item. What it says stands in append-only revisions.

    `slot` is the slot it fills. An answer with an assignment but no slot is an *extra*: it came late,
    the slot had been given to somebody else, and it is kept, paid, left out of freezes by default and
    first in line if a slot of its item reopens.
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("labeling.Project", on_delete=models.PROTECT, related_name="%(class)ss")
    item = models.ForeignKey("labeling.Item", on_delete=models.PROTECT, null=True, related_name="%(class)ss")
    assignment = models.OneToOneField(
        "labeling.Assignment", on_delete=models.PROTECT, null=True, related_name="%(class)s"
    )
    slot = models.OneToOneField(
        "labeling.Slot", on_delete=models.PROTECT, null=True, related_name="%(class)s"
    )
    labeler = models.ForeignKey(
        "labeling.User", on_delete=models.PROTECT, null=True, related_name="%(class)ss"
    )
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


class Revision(models.Model):
    """One version of an answer. `base` is the revision its writer had before them (0: none)."""

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    number = models.PositiveIntegerField()
    base = models.PositiveIntegerField(default=0)
    labeler = models.ForeignKey("labeling.User", on_delete=models.PROTECT, null=True, related_name="+")
    # Null, and so never equal to another, where no request wrote it (an import).
    idempotency_key = models.CharField(max_length=64, null=True)  # noqa: DJ001
    body_digest = models.BinaryField(max_length=32)
    active_seconds = models.PositiveIntegerField(
        default=0, help_text="Capped by the time the lease was held."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
