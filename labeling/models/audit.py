"""Who did what, as a chain that shows if it was changed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now


class AuditSeal(models.Model):
    """The hash over a batch of events and the seal before it. Written by one background writer."""

    first_event = models.BigIntegerField()
    last_event = models.BigIntegerField(unique=True)
    previous = models.CharField(max_length=64, blank=True, default="")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"events {self.first_event}–{self.last_event}"


class AuditEvent(models.Model):
    """Ids and figures only, never a person's text. Rows cannot be changed or deleted (a trigger).

    Answers are not repeated here: their revisions are their history.
    """

    project = models.ForeignKey("Project", on_delete=models.PROTECT, null=True, related_name="audit_events")
    actor = models.ForeignKey("User", on_delete=models.PROTECT, null=True, related_name="+")
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, blank=True, default="")
    data: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="audit_project")]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"
