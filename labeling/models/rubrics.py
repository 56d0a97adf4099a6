"""What a labeler is asked for beside the order: the scale and the flags, versioned."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now


class Rubric(models.Model):
    """One immutable version. `flags` is an ordered list of
    {"key", "en", "zh-hans", "help", "required", "use_cases"}.

    A *required* flag wants a yes or a no for each completion; one with `use_cases` is asked at prompts of
    those alone. An answer stores its flags as bit masks over that order, and names the rubric it was given
    under. `help` says, by language, what the scale means, in Markdown.
    """

    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="rubrics")
    version = models.PositiveIntegerField()
    scale_min = models.PositiveSmallIntegerField(default=1)
    scale_max = models.PositiveSmallIntegerField(default=7)
    flags: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list)
    help: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        "User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    note = models.CharField(max_length=200, blank=True, default="", help_text="What this version changes.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="rubric_version_once"),
            models.CheckConstraint(
                condition=models.Q(scale_min=1, scale_max__gte=2, scale_max__lte=9), name="rubric_scale"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} rubric {self.version}"

    def asked(self, use_case: str) -> list[dict[str, Any]]:
        """The flags that are asked at a prompt of this use case, in the rubric's order."""
        return [flag for flag in self.flags if not flag.get("use_cases") or use_case in flag["use_cases"]]

    def mask(self, keys: list[str]) -> int:
        """The bit mask of these flag keys. Raises KeyError for an unknown one."""
        bits = {flag["key"]: 1 << index for index, flag in enumerate(self.flags)}
        return sum(bits[key] for key in set(keys))

    def keys(self, mask: int) -> list[str]:
        """The flag keys of a bit mask, in the rubric's order."""
        return [flag["key"] for index, flag in enumerate(self.flags) if mask >> index & 1]
