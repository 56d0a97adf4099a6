"""What labelers go by, versioned, and who has accepted it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Guidelines(models.Model):
    """One immutable version of a project's guidelines, Markdown. The highest is in force.

    Where a version is `binding`, nobody works on before they have accepted it or a later one.
    """

    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="guidelines_versions")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True, default="")
    binding = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True, default="", help_text="What this version changes.")
    created_by = models.ForeignKey(
        "User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "guidelines"
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="guidelines_version_once")]

    def __str__(self) -> str:
        return f"{self.project} guidelines {self.version}"


class Acceptance(models.Model):
    """A person has read this version and works by it."""

    guidelines = models.ForeignKey(Guidelines, on_delete=models.PROTECT, related_name="acceptances")
    user = models.ForeignKey("User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guidelines", "user"], name="acceptance_once")]

    def __str__(self) -> str:
        return f"{self.user} accepts {self.guidelines}"
